"""The first screen of a main page holds its answer and its figure."""

import pytest

from tests.pages.built import NEEDS_BOOK, NEEDS_BROWSER, visit
from tests.pages.written import NOTEBOOKS

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


CODE_ABOVE = """
    const first = document.querySelector('.bd-article figure, .bd-article iframe');
    return [...document.querySelectorAll('.bd-article .highlight')].filter(
        code => code.compareDocumentPosition(first) & Node.DOCUMENT_POSITION_FOLLOWING).length"""


@pytest.mark.parametrize("page", MAIN)
def test_the_first_screen_holds_the_figure_and_no_code_above_it(driver, base, page):
    """A map in a frame of its own may go on below; a figure is seen in full."""
    visit(driver, base + page, height=HEIGHT)
    kind, top, bottom, width = driver.execute_script(SEEN)
    assert 0 <= top and width > 300
    if kind == "IFRAME":
        assert top <= HEIGHT / 2
    else:
        assert bottom <= HEIGHT, f"it ends at {bottom:.0f}"
    assert driver.execute_script(CODE_ABOVE) == 0


@pytest.mark.parametrize("page", APPENDIX)
def test_a_figure_of_an_appendix_begins_on_the_first_screen(driver, base, page):
    visit(driver, base + page, height=HEIGHT)
    assert driver.execute_script(SEEN)[1] <= HEIGHT / 2
    assert driver.execute_script(CODE_ABOVE) == 0
