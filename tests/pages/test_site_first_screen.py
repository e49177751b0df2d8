"""The first screen of a main page holds its answer and its figure, and tables fit their page."""

import pytest

from tests.pages.built import NEEDS_BOOK, NEEDS_BROWSER, READ, visit
from tests.pages.written import NOTEBOOKS
from tools import browser

pytestmark = [NEEDS_BOOK, NEEDS_BROWSER]
MAIN = [f"{page}.html" for page in NOTEBOOKS if "/A" not in page]
APPENDIX = [f"{page}.html" for page in NOTEBOOKS if "/A" in page]
HEIGHT = 800
SEEN = """
    const first = document.querySelector(
        '.bd-article figure img, .bd-article figure svg, .bd-article iframe');
    if (!first) return null;
    const box = first.getBoundingClientRect();
    return [first.tagName, box.top, box.bottom, box.width]"""


@pytest.mark.parametrize("page", MAIN)
def test_the_first_screen_holds_the_figure(driver, base, page):
    """A map in a frame of its own may go on below; a figure is seen in full."""
    browser.resize(driver, 1280, HEIGHT)
    driver.get(base + page)
    browser.settle(driver)
    kind, top, bottom, width = driver.execute_script(SEEN)
    assert 0 <= top and width > 300
    if kind == "IFRAME":
        assert top <= HEIGHT / 2
    else:
        assert bottom <= HEIGHT, f"it ends at {bottom:.0f}"


@pytest.mark.parametrize("page", APPENDIX)
def test_a_figure_of_an_appendix_begins_on_the_first_screen(driver, base, page):
    browser.resize(driver, 1280, HEIGHT)
    driver.get(base + page)
    browser.settle(driver)
    assert driver.execute_script(SEEN)[1] <= HEIGHT / 2


@pytest.mark.parametrize("page", MAIN + APPENDIX)
def test_no_code_stands_above_the_figure(driver, base, page):
    visit(driver, base + page)
    above = driver.execute_script("""
        const first = document.querySelector('.bd-article figure, .bd-article iframe');
        return [...document.querySelectorAll('.bd-article .highlight')].filter(
            code => code.compareDocumentPosition(first) & Node.DOCUMENT_POSITION_FOLLOWING).length
    """)
    assert above == 0


# tables that are wider than their column, and do not scroll in a box of their own; columns of which
# something is cut off
WIDE = """
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


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("page", READ)
def test_no_table_is_wider_than_the_text_without_a_box_of_its_own(driver, base, page, width):
    visit(driver, base + page, width)
    assert driver.execute_script(WIDE) == []


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
    visit(driver, base + "book/cite.html", 390)
    driver.execute_script(
        "document.querySelector('.bd-article').insertAdjacentHTML('beforeend', arguments[0])",
        fault,
    )
    (found,) = driver.execute_script(WIDE)
    assert named in found
