"""What can be pressed is large enough and painted, on a desktop and on a phone, light and dark; on
paper a player is its name."""

import base64
import io

import pytest

from tests.pages.built import HTML, NEEDS_BOOK, NEEDS_BROWSER, READ, visit
from tools import browser

pytestmark = [NEEDS_BOOK, NEEDS_BROWSER]
SCREENS = [(1280, False), (1280, True), (390, False), (390, True)]
HEIGHT, WIDTH = 40, 200  # CSS pixels: of every control, of a player

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
PLAYERS = [page for page in READ if "<audio" in (HTML / page).read_text()]


def too_small(driver) -> list[str]:
    """The controls of the page that is open, each with its size, that are too small to press."""
    return driver.execute_script(SMALL, HEIGHT, WIDTH)


@pytest.mark.parametrize("page", READ)
def test_every_control_can_be_pressed(driver, base, page):
    for width, dark in SCREENS:
        visit(driver, base + page, width, dark)
        assert too_small(driver) == [], f"{width} pixels, dark: {dark}"


@pytest.mark.parametrize("page", READ)
def test_what_is_printed_of_the_controls_can_be_read(driver, base, page):
    """Paper has no buttons: what is left of a control there has its full size."""
    visit(driver, base + page, width=794, paper=True)
    try:
        assert too_small(driver) == []
    finally:
        browser.resize(driver, 1280)


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
    driver.execute_script(
        "document.querySelector('.bd-article').insertAdjacentHTML('beforeend', arguments[0])",
        fault,
    )
    driver.execute_async_script("setTimeout(arguments[0], 300)")
    small = too_small(driver)
    assert len(small) == 1 and named in small[0], small


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


@pytest.mark.parametrize("page", PLAYERS)
@pytest.mark.parametrize(("width", "dark"), SCREENS)
def test_players_are_painted(driver, base, page, width, dark):
    """A player too narrow for its button is one flat colour."""
    visit(driver, base + page, width, dark)
    driver.execute_script("document.querySelectorAll('details').forEach(d => d.open = true)")
    players = driver.find_elements("css selector", ".bd-article audio")
    assert players
    for player in players:
        assert player.is_displayed(), player.get_attribute("outerHTML")[:80]
        assert colours(driver, player) >= 4, player.get_attribute("aria-label")


@pytest.mark.parametrize("page", PLAYERS)
def test_on_paper_a_player_is_its_name(driver, base, page):
    visit(driver, base + page, paper=True)
    try:
        for player in driver.find_elements("css selector", ".bd-article audio"):
            assert not player.is_displayed()
            name = driver.execute_script("return arguments[0].previousElementSibling", player)
            closed = driver.execute_script(
                "return arguments[0].closest('details:not([open])') !== null", player
            )
            assert closed or (name.is_displayed() and name.text.strip())
    finally:
        browser.resize(driver, 1280)
