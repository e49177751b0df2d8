"""Every page on a laptop and on a phone, light and dark, from a server and from disk, and on paper.

A page is opened twice: on a laptop from a server, and on a phone from disk. Each time it is looked
at in one colour scheme and then in the other, as when a system changes to dark in the evening. The
page on the phone is printed at last. All that the tests ask is looked up then, since opening pages
takes nearly all of the time."""

import base64
import io
import re
from pathlib import Path

import pytest

from tests.pages.built import HTML, MOVED, NEEDS_BOOK, NEEDS_BROWSER, PAGES, READ, visit
from tools import browser

pytestmark = [NEEDS_BOOK, NEEDS_BROWSER]
DISK = HTML.as_uri() + "/"
LAPTOP, PHONE = 1280, 390
PAPER = 794  # CSS pixels: the width of A4
HEIGHT, WIDTH = 40, 200  # CSS pixels: of every control, of a player
LIMIT = 1_500_000  # bytes of a page with all that it loads, uncompressed
MATH = "tex-mml-chtml.js"
PLAYERS = [page for page in READ if "<audio" in (HTML / page).read_text()]
OPENED = [page for page in PAGES if page not in MOVED]

BROKEN_IMAGES = "return [...document.images].filter(i => !i.naturalWidth).map(i => i.src)"
BROKEN_FORMULAS = "return document.querySelectorAll('mjx-merror, .math > .error').length"
# what sticks out to the right, and does not scroll in a box of its own
SIDEWAYS = """
    const width = arguments[0];
    const kinds = ['auto', 'scroll', 'hidden', 'clip'];
    const scrolls = e => {
        for (; e; e = e.parentElement)
            if (kinds.includes(getComputedStyle(e).overflowX)) return true;
        return false };
    if (document.documentElement.scrollWidth <= width) return [];
    const wide = [...document.querySelectorAll('main *')]
        .filter(e => e.getBoundingClientRect().right > width + 1 && !scrolls(e.parentElement))
        .map(e => e.tagName + '.' + e.className);
    return ['it scrolls', ...wide.slice(0, 5)]"""
# what is folded is opened; a map stands in a frame of its own
SMALL = """
    const [height, width] = arguments;
    const kinds = 'button, input, select, textarea, audio, video, summary, [role=button], '
        + '[role=slider], [role=tab], a.btn, .prev-next-footer a';
    const small = (page, name) => {
        page.querySelectorAll('details').forEach(details => details.open = true);
        const found = [];
        for (const control of page.querySelectorAll(kinds)) {
            const box = (control.labels && control.labels[0] || control).getBoundingClientRect();
            if (!control.checkVisibility({checkVisibilityCSS: true}) || !box.width) continue;
            const least = control.tagName === 'AUDIO' ? width : 0;
            if (box.height < height - 0.5 || box.width < least)
                found.push(`${name}${control.outerHTML.slice(0, 80)}: `
                    + `${box.width} x ${box.height}`);
        }
        return found };
    const frames = [...document.querySelectorAll('iframe')].map(f => f.contentDocument);
    return small(document, '').concat(...frames.map(page => small(page, 'in a frame: ')))"""
# tables that are wider than their column, and do not scroll in a box of their own; columns of which
# something is cut off
WIDE_TABLES = """
    document.querySelectorAll('details').forEach(details => details.open = true);
    const faults = [];
    for (const table of document.querySelectorAll('.bd-article table')) {
        if (!table.checkVisibility()) continue;
        let room = table.parentElement;
        const scrolls = e => ['auto', 'scroll'].includes(getComputedStyle(e).overflowX);
        while (room && !scrolls(room) && !room.matches('.bd-article')) room = room.parentElement;
        const box = table.getBoundingClientRect(), place = room.getBoundingClientRect();
        const name = table.className + ' ' + table.textContent.trim().slice(0, 40);
        if (!scrolls(room) && (box.right > place.right + 1 || box.left < place.left - 1))
            faults.push('wider than the text: ' + name);
        if (place.right > innerWidth + 1) faults.push('its box leaves the screen: ' + name);
        for (const cell of table.querySelectorAll('th, td'))
            if (getComputedStyle(cell).overflowX !== 'visible' &&
                    cell.scrollWidth > cell.clientWidth + 1) {
                faults.push('a cell is cut off: ' + name);
                break;
            }
    }
    return faults"""
# Contrast takes minutes on a page with thousands of equal elements (entries of the list of
# functions, points of a map, rows): of each kind that stands side by side a few are looked at.
THINNED = """
    const most = arguments[0];
    const formulas = document.querySelectorAll('mjx-container');
    [...formulas].slice(most).forEach(formula => formula.remove());
    for (const parent of document.querySelectorAll('body, body *')) {
        const count = {};
        for (const child of [...parent.children]) {
            const kind = child.tagName + '.' + child.getAttribute('class');
            count[kind] = (count[kind] || 0) + 1;
            if (count[kind] > most) child.remove();
        }
    }"""
AXE = """
    const [options, done] = arguments;
    const all = {resultTypes: ['violations'], preload: false};
    axe.run(document, {...all, ...options}).then(r => done(r.violations
        .filter(v => ['serious', 'critical'].includes(v.impact))
        .flatMap(v => v.nodes.map(n => v.id + ': ' + n.html.slice(0, 120)))))"""
# what was folded fades in: half of the way, its words are too pale
FADED_IN = """
    for (const animation of document.getAnimations())
        try { animation.finish() } catch { animation.cancel() }  // one without an end"""
MANY = 10_000  # elements of a page: from here on all else takes minutes, too
ALL_BUT_CONTRAST = {"rules": {"color-contrast": {"enabled": False}}}
CONTRAST = {"runOnly": ["color-contrast"]}
SIZES = """
    const parts = [...performance.getEntriesByType('navigation'),
                   ...performance.getEntriesByType('resource')];
    return parts.filter(e => !e.name.startsWith('data:') && !e.name.endsWith('.mp3'))
        .map(e => [e.name, e.decodedBodySize])"""


def colours(driver, element) -> int:
    """How many colours the browser paints in the box of an element."""
    image = pytest.importorskip("PIL.Image")
    driver.execute_script(
        "arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", element
    )
    box = driver.execute_script("return arguments[0].getBoundingClientRect().toJSON()", element)
    clip = {name: box[name] for name in ("x", "y", "width", "height")} | {"scale": 1}
    clip["y"] += driver.execute_script("return scrollY")
    shot = driver.execute_cdp_cmd("Page.captureScreenshot", {"format": "png", "clip": clip})
    painted = image.open(io.BytesIO(base64.b64decode(shot["data"]))).convert("L")
    return len(painted.quantize(16).getcolors())


def unseen_players(driver) -> list[str]:
    """The players of the page that is open that are one flat colour: too narrow for a button."""
    players = driver.find_elements("css selector", ".bd-article audio")
    return [
        player.get_attribute("outerHTML")[:80]
        for player in players
        if not player.is_displayed() or colours(driver, player) < 4
    ]


def too_small(driver) -> list[str]:
    """The controls of the page that is open, each with its size, that are too small to press."""
    return driver.execute_script(SMALL, HEIGHT, WIDTH)


def arrivals(driver, start: str, page: str, **screen) -> dict:
    """Open a page: the requests that left for elsewhere, the errors of its console, the images and
    formulas that are broken."""
    driver.get("about:blank")
    browser.requests(driver)
    driver.get_log("browser")
    visit(driver, start + page, **screen)
    return loaded(driver, start)


def loaded(driver, start: str) -> dict:
    """What was asked for elsewhere and what went wrong since the last call."""
    ours = (start, "data:", "blob:", "about:")
    return {
        "requests": [url for url in browser.requests(driver) if not url.startswith(ours)],
        "console": errors(driver),
        "images": driver.execute_script(BROKEN_IMAGES),
        "formulas": driver.execute_script(BROKEN_FORMULAS),
    }


def errors(driver) -> list[str]:
    """What the console has said since the last call that is an error."""
    log = [entry["message"] for entry in driver.get_log("browser") if entry["level"] == "SEVERE"]
    return [message for message in log if "favicon" not in message]


def on_laptop(driver, base: str, page: str) -> dict[str, dict]:
    """What a reader of a laptop would find wrong, from a server: {scheme: faults}."""
    light = arrivals(driver, base, page, width=LAPTOP)
    light["sizes"] = dict(driver.execute_script(SIZES))
    light |= shown(driver, page, LAPTOP) | {"players": unseen_players(driver)}
    dark = switched(driver, base, page, LAPTOP, dark=True)
    dark["axe"] = inaccessible(driver, ALL_BUT_CONTRAST)  # large pages are thinned out from here on
    driver.execute_script(THINNED, 6)
    dark["axe"] += inaccessible(driver, CONTRAST)
    change_scheme(driver, LAPTOP, dark=False)
    light["axe"] = inaccessible(driver, CONTRAST)
    return {"laptop": light, "laptop, dark": dark}


def on_phone(driver, page: str) -> dict[str, dict]:
    """What a reader of a phone would find wrong, from disk, and what one of paper would."""
    dark = arrivals(driver, DISK, page, width=PHONE, dark=True) | shown(driver, page, PHONE)
    dark["players"] = unseen_players(driver)  # two screens have both widths and both schemes
    light = switched(driver, DISK, page, PHONE, dark=False)
    paper = {"controls": printed(driver) if page in READ else []}
    return {"phone, dark": dark, "phone": light, "on paper": paper}


def shown(driver, page: str, width: int) -> dict:
    """What is wrong with the page that is open as it is drawn now."""
    found = {"sideways": driver.execute_script(SIDEWAYS, width)}
    if page in READ:
        found["tables"] = driver.execute_script(WIDE_TABLES)
        found["controls"] = too_small(driver)
    return found


def switched(driver, start: str, page: str, width: int, dark: bool) -> dict:
    """What is wrong with the page that is open after a change of its colour scheme."""
    change_scheme(driver, width, dark)
    theme = driver.execute_script("return document.documentElement.dataset.theme")
    wanted = "dark" if dark else "light"
    scheme = [] if theme == wanted else [f"the page is {theme} where the reader wants {wanted}"]
    return loaded(driver, start) | shown(driver, page, width) | {"scheme": scheme}


def change_scheme(driver, width: int, dark: bool) -> None:
    """Let the reader of the page that is open want the other colours; wait until they are there."""
    browser.resize(driver, width, dark=dark)
    browser.settle(driver)
    driver.execute_script(FADED_IN)


def inaccessible(driver, rules: dict) -> list[str]:
    """Serious faults of the page that is open, by some of the rules of axe."""
    axe = pytest.importorskip("axe_core_python")
    driver.execute_script(FADED_IN)
    if not driver.execute_script("return 'axe' in window"):
        driver.execute_script((Path(axe.__file__).parent / "axe.min.js").read_text())
    if driver.execute_script("return document.querySelectorAll('*').length") > MANY:
        driver.execute_script(THINNED, 3)
    return driver.execute_async_script(AXE, rules)


@pytest.fixture(scope="module")
def seen(driver, base):
    """A function from a page to {screen: what was found there}; it opens a page twice."""
    known: dict[str, dict] = {}

    def of(page: str) -> dict:
        if page not in known:
            known[page] = on_laptop(driver, base, page) | on_phone(driver, page)
        return known[page]

    return of


def printed(driver) -> list[str]:
    """What cannot be read of the controls when the page that is open is printed. Paper has no
    buttons: what is left of a control has its full size, and a player is its name."""
    browser.resize(driver, PAPER, paper=True)
    found = too_small(driver)
    for player in driver.find_elements("css selector", ".bd-article audio"):
        name = driver.execute_script("return arguments[0].previousElementSibling", player)
        named = name is not None and name.is_displayed() and name.text.strip()
        if player.is_displayed() or not named:
            found.append(player.get_attribute("outerHTML")[:80])
    return found


def faults(screens: dict, kind: str) -> dict:
    """{screen: the faults of one kind}, of the screens that have some."""
    return {name: found[kind] for name, found in screens.items() if found.get(kind)}


@pytest.mark.parametrize("page", OPENED)
def test_no_error_and_no_request_leaves(seen, page):
    """From a server and from disk; and the page follows the reader's colour scheme."""
    for kind in ("requests", "console", "images", "formulas", "scheme"):
        assert faults(seen(page), kind) == {}, kind


@pytest.mark.parametrize("page", sorted(MOVED))
def test_an_address_of_before_leads_to_a_page(page):
    target = re.search(r'http-equiv="refresh" content="0; ?url=([^"#]*)', (HTML / page).read_text())
    leads_to = ((HTML / page).parent / target[1]).resolve().relative_to(HTML.resolve())
    assert leads_to.as_posix() in READ


@pytest.mark.parametrize("page", OPENED)
def test_nothing_scrolls_sideways(seen, page):
    assert faults(seen(page), "sideways") == {}


@pytest.mark.parametrize("page", OPENED)
def test_no_serious_accessibility_fault(seen, page):
    assert faults(seen(page), "axe") == {}


@pytest.mark.parametrize("page", READ)
def test_no_table_is_wider_than_the_text_without_a_box_of_its_own(seen, page):
    assert faults(seen(page), "tables") == {}


@pytest.mark.parametrize("page", READ)
def test_every_control_can_be_pressed_or_read_on_paper(seen, page):
    assert faults(seen(page), "controls") == {}


@pytest.mark.parametrize("page", PLAYERS)
def test_players_are_painted(seen, page):
    assert faults(seen(page), "players") == {}


LIGHT = [
    page
    for page in READ
    if page != "book/api.html" and 'class="explorer"' not in (HTML / page).read_text()
]


@pytest.mark.parametrize("page", LIGHT)
def test_a_page_is_light(seen, page):
    """Left out of the count: the library for formulas, which is loaded only where there are some,
    and sound, in files or inside the page."""
    sizes = seen(page)["laptop"]["sizes"]
    sounds = re.findall(r'src="data:audio[^"]*"', (HTML / page).read_text())
    total = sum(size for name, size in sizes.items() if MATH not in name) - sum(map(len, sounds))
    assert total <= LIMIT, sorted(sizes.items(), key=lambda part: -part[1])[:5]


@pytest.mark.parametrize(
    ("fault", "named"),
    [
        ("<audio controls style='width: 113px; min-width: 0'></audio>", "audio"),
        ("<audio controls style='height: 30px'></audio>", "audio"),
        ("<button style='min-height: 0; height: 20px'>a</button>", "button"),
        ("<details><summary>s</summary><input style='height: 12px'></details>", "input"),
        ("<iframe srcdoc='<button>a</button>'></iframe>", "in a frame: <button"),
    ],
    ids=["narrow player", "low player", "low button", "folded", "in a frame"],
)
def test_a_control_that_is_too_small_is_found(driver, base, fault, named):
    visit(driver, base + "book/cite.html")
    plant(driver, fault)
    driver.execute_async_script("setTimeout(arguments[0], 300)")
    small = too_small(driver)
    assert len(small) == 1 and named in small[0], small


@pytest.mark.parametrize(
    ("fault", "named"),
    [
        ("<table style='width: 900px; min-width: 900px'><tr><td>a</td></tr></table>", "wider than"),
        (
            "<table style='table-layout: fixed; width: 60px'><tr>"
            "<td style='overflow: hidden; white-space: nowrap'>a long cell</td></tr></table>",
            "cut off",
        ),
    ],
)
def test_a_table_that_does_not_fit_is_found(driver, base, fault, named):
    visit(driver, base + "book/cite.html", PHONE)
    plant(driver, fault)
    (found,) = driver.execute_script(WIDE_TABLES)
    assert named in found


@pytest.mark.parametrize(
    ("fault", "named"),
    [
        ("<p class='pale' style='color: #bbb; background: #fff'>pale words</p>", "color-contrast"),
        ("<img src='data:image/gif;base64,R0lGODlhAQABAAAAACw='>", "image-alt"),
    ],
)
def test_what_is_inaccessible_is_found(driver, base, fault, named):
    visit(driver, base + "book/cite.html")
    plant(driver, fault)
    (found,) = inaccessible(driver, ALL_BUT_CONTRAST) + inaccessible(driver, CONTRAST)
    assert found.startswith(named)


def test_a_page_that_scrolls_sideways_and_a_player_that_is_not_painted_are_found(driver, base):
    visit(driver, base + "book/cite.html", PHONE)
    plant(driver, "<p style='width: 600px'>a</p><audio controls style='opacity: 0'></audio>")
    assert "it scrolls" in driver.execute_script(SIDEWAYS, PHONE)
    assert len(unseen_players(driver)) == 1


def plant(driver, fault: str) -> None:
    """Put a piece of HTML at the end of the page that is open."""
    driver.execute_script(
        "document.querySelector('.bd-article').insertAdjacentHTML('beforeend', arguments[0])",
        fault,
    )


def test_a_player_that_prints_as_a_blank_is_found(driver, base):
    visit(driver, base + "book/cite.html")
    plant(driver, "<b></b><audio controls></audio>")
    assert len(printed(driver)) == 1
