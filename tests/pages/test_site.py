"""The built book in a real browser: skipped where there is no browser, or no book (`make book`)."""

import json
import re
import urllib.parse
from contextlib import suppress
from html.parser import HTMLParser

import pytest

from tests.pages.built import HTML, MOVED, NEEDS_BOOK, NEEDS_BROWSER, PAGES, visit
from tools import browser

with suppress(ImportError):  # then everything here is skipped
    from selenium.webdriver import ActionChains, Keys
    from selenium.webdriver.support.ui import WebDriverWait

pytestmark = [NEEDS_BOOK, NEEDS_BROWSER]


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
        self.images += [
            values[k]
            for k in ("src", "poster")
            if values.get(k) and tag in ("img", "audio", "source")
        ]


@pytest.fixture(scope="module")
def parsed():
    return {page: _Addresses((HTML / page).read_text()) for page in PAGES}


@pytest.mark.parametrize("page", PAGES)
def test_links_and_images_resolve(page, parsed):
    broken = []
    for link in parsed[page].links + parsed[page].images:
        address, _, anchor = link.partition("#")
        if re.match(r"[a-z]+:", address):
            continue
        target = (
            (HTML / page).parent / urllib.parse.unquote(address.split("?")[0])
            if address
            else HTML / page
        )
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
def test_every_image_says_what_it_shows(page):
    images = re.findall(r"<img\b[^>]*>", (HTML / page).read_text())
    silent = [
        i[:120]
        for i in images
        if not re.search(r'\balt="[^"]*\w', i)
        or "_images/" in i
        and '.png"' in i
        and re.search(r'alt="[^"]*_images/', i)
    ]
    assert silent == []


EXPLORERS = [p for p in PAGES if 'class="explorer"' in (HTML / p).read_text()]
# Width changes how a map is laid out, the scheme its colours: two screens hold both of each.
IN_SCREENS = pytest.mark.parametrize(
    ("width", "dark"), [(1280, False), (390, True)], ids=["laptop", "phone, dark"]
)
STATE = """const d = arguments[0];
    return JSON.stringify([[...d.querySelectorAll('.plotly-graph-div')].map(
        p => [p.data.map(t => [t.x, t.y, t.marker.color]), p.layout.xaxis.range]),
        d.querySelector('.said').textContent])"""


def explorers_of(driver):
    found = driver.find_elements("css selector", ".explorer")
    assert found and all(
        e.find_elements("css selector", ".js-plotly-plot .main-svg") for e in found
    ), "not drawn"
    return found


def state(driver, explorer):
    return json.loads(driver.execute_script(STATE, explorer))


def rings(driver, explorer, trace):
    """Of each map, where the rings of a trace are: 1 around neighbours, 2 the chosen track, 3 under
    the mouse."""
    return driver.execute_script(
        """return [...arguments[0].querySelectorAll('.plotly-graph-div')].map(
        p => p.data[arguments[1]].x.map((x, i) => [x, p.data[arguments[1]].y[i]]))""",
        explorer,
        trace,
    )


@IN_SCREENS
@pytest.mark.parametrize("page", EXPLORERS)
def test_explorers_answer_to_the_keyboard_and_nothing_leaves(driver, base, page, width, dark):
    """Every control is reached and worked without a mouse, changes what is shown, and talks to
    nobody."""
    visit(driver, base + page, width, dark)
    browser.requests(driver)
    names = driver.execute_script("""
        const controls = document.querySelectorAll('.explorer :is(input, button, [tabindex])');
        const named = e => e.labels?.length || e.ariaLabel || e.textContent.trim();
        return [...controls].filter(e => !named(e)).map(e => e.outerHTML)""")
    assert names == [], "controls without a name"
    for explorer in explorers_of(driver):
        ways = {
            "input[type=radio]:not(:checked)": Keys.SPACE,
            "input[type=checkbox]": Keys.SPACE,
            ".zoom button": Keys.ENTER,
            ".legend button:last-child": Keys.ENTER,
            ".plotly-graph-div": Keys.ARROW_RIGHT,
            ".near button": Keys.ENTER,
        }
        for selector, key in ways.items():
            if found := explorer.find_elements("css selector", selector):
                before = state(driver, explorer)
                driver.execute_script("arguments[0].focus()", found[0])
                assert driver.switch_to.active_element == found[0], f"{selector} takes no focus"
                ActionChains(driver).send_keys(key).perform()
                assert state(driver, explorer) != before, (
                    f"{selector} of {explorer.get_attribute('id')} does nothing"
                )
            else:
                assert selector in (
                    "input[type=radio]:not(:checked)",
                    ".near button",
                ), selector
    driver.execute_script(
        "document.querySelectorAll('.explorer :is(button, a)').forEach(b => b.click())"
    )
    assert not driver.find_elements("css selector", ".modebar-btn")
    assert [
        u for u in browser.requests(driver) if not u.startswith((base, "data:", "blob:", "about:"))
    ] == []


@IN_SCREENS
@pytest.mark.parametrize("page", EXPLORERS)
def test_maps_are_linked_and_searched(driver, base, page, width, dark):
    """A track that is searched for is ringed where it lies on each map; its neighbours are those of
    the data."""
    visit(driver, base + page, width, dark)
    for explorer in explorers_of(driver):
        data = json.loads(explorer.find_element("tag name", "script").get_attribute("textContent"))
        track = len(data["ids"]) // 2
        search = explorer.find_element("css selector", "input[type=search]")
        driver.execute_script(
            "arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", search
        )
        search.send_keys("no such track")
        assert explorer.find_element("css selector", ".count").text == "0 found"
        search.clear()
        search.send_keys(data["ids"][track], Keys.ENTER)
        assert explorer.find_element("css selector", ".said strong").text == data["ids"][track]
        maps = data["maps"]
        assert rings(driver, explorer, 2) == [[[m["x"][track], m["y"][track]]] for m in maps]
        named = [line.text for line in explorer.find_elements("css selector", ".near")]
        wanted = [[data["ids"][i] for i in m["near"][track]] for m in maps if "near" in m]
        assert len(named) == len(wanted) and all(
            i in line for line, ids in zip(named, wanted) for i in ids
        )
        if len(maps) > 1:
            point = explorer.find_elements(
                "css selector", ".scatterlayer .trace:first-child .point"
            )[0]
            ActionChains(driver).move_to_element(point).perform()
            WebDriverWait(driver, 10).until(lambda d, e=explorer: all(rings(d, e, 3)))
            over = [
                [[m["x"].index(x)] for ((x, _),) in [ring]]
                for m, ring in zip(maps, rings(driver, explorer, 3))
            ]
            assert all(one == over[0] for one in over), "the maps show two tracks"


@pytest.mark.parametrize("page", EXPLORERS)
def test_classes_are_told_apart_and_the_legend_is_what_is_shown(driver, base, page):
    visit(driver, base + page)
    for explorer in explorers_of(driver):
        data = json.loads(explorer.find_element("tag name", "script").get_attribute("textContent"))
        for kind, radio in zip(
            data["colours"], explorer.find_elements("css selector", "input[type=radio]")
        ):
            driver.execute_script("arguments[0].click()", radio)
            looks = [(colour, symbol) for _, colour, symbol in kind["classes"]]
            assert len(set(looks)) == len(looks) or len(looks) > 60
            values = kind["values"]
            drawn = driver.execute_script(
                "const m = arguments[0].querySelector('.plotly-graph-div').data[0].marker; return "
                "[m.color, m.symbol]",
                explorer,
            )
            assert list(zip(*drawn)) == [looks[value] for value in values]
            legend = [
                label.text for label in explorer.find_elements("css selector", ".legend label")
            ]
            sizes = [
                f"{kind['classes'][value][0]} ({values.count(value)})"
                for value in sorted(set(values))
            ]
            assert legend == sizes[:40]


def resting(driver) -> bool:
    """Whether the page has come to rest: a swipe goes on for a while after the finger has left."""
    script = (
        "const y = scrollY; return new Promise(done => setTimeout(() => done(scrollY === y), 250))"
    )
    return driver.execute_script(script)


@pytest.mark.parametrize("page", EXPLORERS)
def test_a_swipe_on_a_map_scrolls_the_page_and_a_tap_chooses(driver, base, page):
    visit(driver, base + page, width=390)
    driver.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": True})
    try:
        driver.refresh()
        browser.settle(driver)
        for explorer in explorers_of(driver):
            plot = explorer.find_element("css selector", ".plotly-graph-div")
            driver.execute_script(
                "arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", plot
            )
            before = driver.execute_script(
                "return [scrollY, ...arguments[0].layout.xaxis.range]", plot
            )
            box = driver.execute_script(
                "return arguments[0].getBoundingClientRect().toJSON()", plot
            )
            x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
            finger = [
                ("touchStart", y),
                *(("touchMove", y + 20 * i) for i in range(1, 11)),
                ("touchEnd", None),
            ]
            for kind, at in finger:
                points = [] if at is None else [{"x": x, "y": at}]
                driver.execute_cdp_cmd(
                    "Input.dispatchTouchEvent", {"type": kind, "touchPoints": points}
                )
            WebDriverWait(driver, 10).until(
                lambda d, b=before: d.execute_script("return scrollY") <= b[0] - 100
            )
            after = driver.execute_script(
                "return [scrollY, ...arguments[0].layout.xaxis.range]", plot
            )
            assert after[1:] == before[1:], "the map moved instead"
            WebDriverWait(driver, 10).until(resting)
            point = explorer.find_elements("css selector", ".scatterlayer .point")[0]
            driver.execute_script(
                "arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", point
            )
            WebDriverWait(driver, 10).until(resting)
            box = driver.execute_script(
                "return arguments[0].getBoundingClientRect().toJSON()", point
            )
            touch = [{"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}]
            for kind, points in (("touchStart", touch), ("touchEnd", [])):
                driver.execute_cdp_cmd(
                    "Input.dispatchTouchEvent", {"type": kind, "touchPoints": points}
                )
            WebDriverWait(driver, 10).until(
                lambda d, e=explorer: e.find_elements("css selector", ".said strong")
            )
    finally:
        driver.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": False})


@pytest.mark.parametrize("way", ["http", "file"])
@pytest.mark.parametrize("page", [p for p in PAGES if "<audio" in (HTML / p).read_text()])
def test_players_play(driver, base, page, way):
    visit(driver, (base if way == "http" else HTML.as_uri() + "/") + page)
    heard = driver.execute_async_script("""
        const done = arguments[0];
        const play = async a => { a.muted = true; await a.play(); a.pause(); return a.duration };
        Promise.all([...document.querySelectorAll('audio')].map(play))
            .then(done).catch(e => done([String(e)]))""")
    assert heard and all(
        isinstance(seconds, int | float) and 1 < seconds < 10 for seconds in heard
    ), heard


@pytest.mark.parametrize("way", ["http", "file"])
def test_search_finds(driver, base, way):
    visit(driver, (base if way == "http" else HTML.as_uri() + "/") + "search.html?q=silhouette")
    listed = "#search-results li"
    WebDriverWait(driver, 20).until(lambda d: d.find_elements("css selector", listed))


def test_the_front_door_leads_in():
    assert "book/index.html" in (HTML / "index.html").read_text()
    site = (HTML / "sitemap.xml").read_text()
    assert all(
        f"/{page}<" in site
        for page in PAGES
        if page not in ("genindex.html", "search.html", "py-modindex.html")
        and not page.startswith("_modules/")
        and 'http-equiv="refresh"' not in (HTML / page).read_text()
    )
    assert "404.html" not in site and "search.html" not in site


def test_the_page_for_what_is_not_there_works_from_any_address():
    text = (HTML / "404.html").read_text()
    base = re.search(r"<loc>([^<]*)book/index.html", (HTML / "sitemap.xml").read_text())[1]
    prefix = urllib.parse.urlsplit(base).path
    links = [a for a in _Addresses(text).links if not re.match(r"[a-z]+:|#|//", a)]
    assert (
        links
        and [a for a in links if not a.startswith(prefix)] == []
        and f"{prefix}book/index.html" in links
    )


@pytest.mark.parametrize(
    "page", [p for p in PAGES if p.startswith(("book/", "notebooks/")) and p not in MOVED]
)
def test_links_to_a_page_show_a_card(page):
    text = (HTML / page).read_text()
    found = dict(re.findall(r'<meta (?:name|property)="([\w:]+)" content="([^"]*)"', text))
    assert found["twitter:card"] == "summary_large_image" and found["og:url"].endswith(page)
    assert (
        found["og:image"].endswith("_static/card.png") and (HTML / "_static" / "card.png").exists()
    )
    assert (
        len(found["og:title"]) > 3
        and len(found["og:description"]) > 40
        and found["description"] == found["og:description"]
    )


def test_every_table_has_its_csv(parsed):
    for page in PAGES:
        tables = (HTML / page).read_text().count('<table class="dataframe')
        assert (
            sum(
                link.endswith(".csv") and "_downloads/tables" in link for link in parsed[page].links
            )
            == tables
        )
