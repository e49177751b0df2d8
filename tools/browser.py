"""A headless Chromium and a local server, for the checks and the photographs of the built pages."""

import functools
import http.server
import json
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--in-process-gpu",  # with the next, fewer processes: a page opens sooner
    "--renderer-process-limit=1",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--allow-file-access-from-files",
    "--enable-unsafe-swiftshader",
    "--autoplay-policy=no-user-gesture-required",
)
PATIENCE = 110  # seconds: a busy machine is slow, not wrong


def _binary() -> str | None:
    """The first browser on the path."""
    paths = [shutil.which(name) for name in NAMES]
    return next((path for path in paths if path), None)


def missing() -> str:
    """What stands in the way of a browser, in words; "" when nothing does."""
    try:
        import selenium  # noqa: F401
    except ImportError:
        return "selenium is not installed"
    if _binary() is None:
        return (
            f"no browser on the path ({', '.join(NAMES)}); "
            "on Debian: apt-get install chromium chromium-driver"
        )
    if not shutil.which("chromedriver"):
        return "no chromedriver on the path; on Debian: apt-get install chromium-driver"
    return ""


@contextmanager
def browser(javascript: bool = True) -> Iterator:
    """A selenium driver with a fresh profile that keeps the console and the network log."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = _binary()
    for flag in FLAGS:
        options.add_argument(flag)
    if not javascript:
        blocked = {"profile.managed_default_content_settings.javascript": 2}
        options.add_experimental_option("prefs", blocked)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        options.add_argument(f"--user-data-dir={profile}")
        service = webdriver.ChromeService(shutil.which("chromedriver"))
        driver = webdriver.Chrome(options=options, service=service)
        driver.set_page_load_timeout(PATIENCE)
        driver.set_script_timeout(PATIENCE)
        try:
            yield driver
        finally:
            driver.quit()


def resize(driver, width: int, height: int = 900, dark: bool = False, paper: bool = False) -> None:
    """Give the page a screen of `width` by `height` CSS pixels and a colour scheme, or show it as
    it prints on `paper`."""
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
    media = {"features": scheme, "media": "print" if paper else "screen"}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)


def settle(driver) -> None:
    """Wait until MathJax, plotly, fonts and lazy images have finished, and two frames are drawn."""
    driver.execute_async_script("""
        const done = arguments[0];
        document.querySelectorAll('img[loading=lazy]').forEach(i => i.loading = 'eager');
        const images = [...document.images].filter(i => !i.complete)
            .map(i => new Promise(r => i.onload = i.onerror = r));
        const startup = window.MathJax && MathJax.startup;
        const math = startup && startup.promise || Promise.resolve();
        const next = () => new Promise(requestAnimationFrame);
        Promise.all([math, document.fonts.ready, ...images]).then(next).then(next).then(done);
    """)


def requests(driver) -> list[str]:
    """Addresses asked for since the last call."""
    events = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    return [
        e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"
    ]


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments) -> None:
        pass


@contextmanager
def server(folder: Path) -> Iterator[str]:
    """Serve `folder` on a free local port; yields the address, ending in a slash."""
    handler = functools.partial(_Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{httpd.server_port}/"
        finally:
            httpd.shutdown()


def pages(folder: Path) -> list[str]:
    """Every page of the built book, as a path below `folder`."""
    found = {
        p.relative_to(folder).as_posix() for p in folder.rglob("*.html") if "_static" not in p.parts
    }
    return sorted(found - {"index.html", "404.html"})
