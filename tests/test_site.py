"""The built book in a real browser: skipped where there is no browser, or no book (`make book`)."""

import os
import re
import urllib.parse
from contextlib import suppress
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tools import browser

HTML = Path(os.environ.get("BOOK_HTML", ROOT / "_build" / "html"))
LIMIT = 1_500_000  # bytes of one page with its images, before the explorer's library

pytestmark = [
    pytest.mark.skipif(not (HTML / "index.html").exists(), reason="no book in _build/html: run `make book` first"),
    pytest.mark.skipif(bool(browser.missing()), reason=browser.missing() or "a browser is there"),
]
PAGES = browser.pages(HTML) if (HTML / "index.html").exists() else []


class _Addresses(HTMLParser):
    """ids, and addresses of links and images of one page."""

    def __init__(self, text: str):
        super().__init__()
        self.ids, self.links, self.images = set(), [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.ids |= {values[k] for k in ("id", "name") if values.get(k)}
        if tag == "a" and values.get("href"):
            self.links.append(values["href"])
        self.images += [values[k] for k in ("src", "poster") if values.get(k) and tag in ("img", "audio", "source")]


@pytest.fixture(scope="module")
def driver():
    with browser.browser() as opened:
        yield opened


@pytest.fixture(scope="module")
def base():
    with browser.server(HTML) as address:
        yield address


@pytest.fixture(scope="module")
def parsed():
    return {page: _Addresses((HTML / page).read_text()) for page in PAGES}


def visit(driver, address, width=1280, dark=False):
    browser.resize(driver, width, 900, dark)
    driver.get("about:blank")
    browser.requests(driver), driver.get_log("browser")
    driver.get(address)
    browser.settle(driver)


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("way", ["http", "file"])
def test_no_console_error_and_no_request_leaves(driver, base, page, way):
    start = base if way == "http" else HTML.as_uri() + "/"
    visit(driver, start + page)
    outside = [u for u in browser.requests(driver) if not u.startswith((start, "data:", "blob:", "about:"))]
    assert outside == []
    console = [entry["message"] for entry in driver.get_log("browser") if entry["level"] == "SEVERE"]
    assert [message for message in console if "favicon" not in message] == []
    wrong = driver.execute_script("return [...document.images].filter(i => !i.naturalWidth).map(i => i.src)")
    assert wrong == [], "images that do not load"
    assert not driver.execute_script("return document.querySelectorAll('mjx-merror, .math > .error').length")


@pytest.mark.parametrize("page", PAGES)
def test_nothing_scrolls_sideways_on_a_phone(driver, base, page):
    visit(driver, base + page, width=390)
    width = driver.execute_script("return document.documentElement.scrollWidth")
    wide = driver.execute_script("""
        const kinds = ['auto', 'scroll', 'hidden', 'clip'];
        const scrolls = e => {
            for (; e; e = e.parentElement) if (kinds.includes(getComputedStyle(e).overflowX)) return true;
            return false };
        return [...document.querySelectorAll('main *')]
            .filter(e => e.getBoundingClientRect().right > 391 && !scrolls(e.parentElement))
            .map(e => e.tagName + '.' + e.className).slice(0, 5)""")
    assert width <= 390, wide


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("page", PAGES)
def test_no_serious_accessibility_fault(driver, base, page, dark):
    axe = pytest.importorskip("axe_core_python")
    visit(driver, base + page, dark=dark)
    driver.execute_script((Path(axe.__file__).parent / "axe.min.js").read_text())
    faults = driver.execute_async_script("""
        const done = arguments[0];
        axe.run(document, {resultTypes: ['violations']}).then(r => done(r.violations
            .filter(v => ['serious', 'critical'].includes(v.impact))
            .flatMap(v => v.nodes.map(n => v.id + ': ' + n.html.slice(0, 120)))))""")
    assert faults == []


@pytest.mark.parametrize("page", PAGES)
def test_links_and_images_resolve(page, parsed):
    broken = []
    for link in parsed[page].links + parsed[page].images:
        address, _, anchor = link.partition("#")
        if re.match(r"[a-z]+:", address):
            continue
        target = (HTML / page).parent / urllib.parse.unquote(address.split("?")[0]) if address else HTML / page
        target = target.resolve()
        if not target.exists():
            broken.append(link)
        elif anchor and target.suffix == ".html":
            name = target.relative_to(HTML).as_posix()
            ids = parsed[name].ids if name in parsed else _Addresses(target.read_text()).ids
            if urllib.parse.unquote(anchor) not in ids:
                broken.append(link)
    assert broken == []


@pytest.mark.parametrize("page", PAGES)
def test_pages_are_light(page, parsed):
    files = {(HTML / page).parent / src for src in parsed[page].images if not src.startswith("data:")}
    total = (HTML / page).stat().st_size + sum(f.stat().st_size for f in files if f.exists())
    assert total <= LIMIT, f"{total / 1e6:.2f} MB"


@pytest.mark.parametrize("page", PAGES)
def test_every_image_says_what_it_shows(page):
    images = re.findall(r"<img\b[^>]*>", (HTML / page).read_text())
    silent = [i[:120] for i in images if not re.search(r'\balt="[^"]*\w', i) or "_images/" in i and '.png"' in i
              and re.search(r'alt="[^"]*_images/', i)]
    assert silent == []


@pytest.mark.parametrize("page", [p for p in PAGES if "plotly-graph-div" in (HTML / p).read_text()])
def test_explorers_answer_to_the_mouse(driver, base, page):
    from selenium.common.exceptions import TimeoutException
    from selenium.webdriver import ActionChains
    from selenium.webdriver.support.ui import WebDriverWait

    visit(driver, base + page)
    plots = driver.find_elements("css selector", ".plotly-graph-div")
    state = """const d = arguments[0];
        return JSON.stringify([d.layout.title.text, d.data.map(t => [t.visible, t.marker.color, t.marker.cmax])])"""
    for plot in plots:
        name = plot.get_attribute("id")
        assert driver.execute_script("return !!arguments[0]._fullLayout", plot), f"{name} is not drawn"
        rails = plot.find_elements("css selector", ".slider-rail-touch-rect")
        buttons = plot.find_elements("css selector", ".updatemenu-button")
        assert rails or buttons, f"{name} has nothing to use"
        for control in [*rails[:1], *buttons[-1:]]:
            before = driver.execute_script(state, plot)
            for _ in range(3):  # a busy machine may still be scrolling when the click comes
                driver.execute_script("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", control)
                end = int(control.rect["width"] / 2) - 4  # the last step of a slider
                ActionChains(driver).move_to_element_with_offset(control, end, 0).pause(0.2).click().perform()
                with suppress(TimeoutException):
                    WebDriverWait(driver, 3).until(lambda d, p=plot, b=before: d.execute_script(state, p) != b)
                    break
            else:
                pytest.fail(f"{name}: {control.get_attribute('class')} does not answer")


@pytest.mark.parametrize("way", ["http", "file"])
@pytest.mark.parametrize("page", [p for p in PAGES if "<audio" in (HTML / p).read_text()])
def test_players_play(driver, base, page, way):
    visit(driver, (base if way == "http" else HTML.as_uri() + "/") + page)
    heard = driver.execute_async_script("""
        const done = arguments[0];
        const play = async a => { a.muted = true; await a.play(); a.pause(); return a.duration };
        Promise.all([...document.querySelectorAll('audio')].map(play)).then(done).catch(e => done([String(e)]))""")
    assert heard and all(isinstance(seconds, int | float) and 1 < seconds < 10 for seconds in heard), heard


@pytest.mark.parametrize("way", ["http", "file"])
def test_search_finds(driver, base, way):
    visit(driver, (base if way == "http" else HTML.as_uri() + "/") + "search.html?q=silhouette")
    driver.implicitly_wait(10)
    assert driver.find_elements("css selector", "#search-results li")


def test_the_front_door_leads_in():
    assert 'url=book/index.html' in (HTML / "index.html").read_text()
    assert "{{" not in (HTML / "404.html").read_text()
    site = (HTML / "sitemap.xml").read_text()
    assert all(page in site for page in PAGES if page not in ("genindex.html", "search.html", "py-modindex.html")
               and not page.startswith("_modules/"))
