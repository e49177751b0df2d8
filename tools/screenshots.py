"""Photograph every page of the built book: 1280 and 390 pixels wide, and dark, into
_build/screenshots."""

import argparse
import base64
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tools import browser  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]
VIEWS = {"1280": (1280, False), "390": (390, False), "dark": (1280, True)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--html", type=Path, default=ROOT / "_build" / "html")
    parser.add_argument("--out", type=Path, default=ROOT / "_build" / "screenshots")
    parser.add_argument("--height", type=int, default=12000, help="cut longer pages off here")
    parser.add_argument("pages", nargs="*", help="paths below --html; default: all")
    options = parser.parse_args()
    if reason := browser.missing():
        raise SystemExit(reason)
    if not (options.html / "index.html").exists():
        raise SystemExit(f"{options.html}: nothing there yet; run `make book`")
    options.out.mkdir(parents=True, exist_ok=True)
    with browser.browser() as driver, browser.server(options.html) as base:
        for page in options.pages or browser.pages(options.html):
            for view, (width, dark) in VIEWS.items():
                browser.resize(driver, width, 900, dark)
                driver.get(base + page)
                browser.settle(driver)
                full = driver.execute_script("return document.documentElement.scrollHeight")
                browser.resize(driver, width, min(full, options.height), dark)
                browser.settle(driver)
                shot = driver.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})
                name = page.removesuffix(".html").replace("/", "-")
                (options.out / f"{name}-{view}.png").write_bytes(base64.b64decode(shot["data"]))
                print(f"{name}-{view}.png")


if __name__ == "__main__":
    main()
