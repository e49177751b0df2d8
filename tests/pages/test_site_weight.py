"""A page without maps to explore is light; the library for formulas, which is loaded only where
there are some, sound, in files or inside the page, and the list of all functions are left out of
the count."""

import re

import pytest
from fontTools.ttLib import TTFont

from tests.pages.built import HTML, NEEDS_BOOK, NEEDS_BROWSER, READ, visit

pytestmark = [NEEDS_BOOK, NEEDS_BROWSER]
LIMIT = 1_500_000  # bytes of a page with all that it loads, uncompressed
SIZE = """
    const parts = [...performance.getEntriesByType('navigation'),
                   ...performance.getEntriesByType('resource')];
    return parts.filter(e => !e.name.startsWith('data:') && !e.name.endsWith('.mp3'))
        .map(e => [e.name, e.decodedBodySize])"""
MATH = "tex-mml-chtml.js"


def test_libraries_are_loaded_only_where_they_are_used():
    for page in READ:
        text = (HTML / page).read_text()
        assert ("plotly.min.js" in text) == ('class="explorer"' in text), page
        assert (MATH in text) <= ('class="math' in text), page
        assert "fontawesome.js" not in text, page
    assert not list(HTML.rglob("fontawesome.js"))


def test_icon_fonts_hold_the_icons_that_are_drawn_and_no_others():
    styles = "".join(path.read_text() for path in HTML.glob("_static/styles/*.css"))
    drawn = {int(code, 16) for code in re.findall(r"\\(f[0-9a-f]{3})\b", styles)}
    fonts = list(HTML.glob("_static/vendor/fontawesome/webfonts/*"))
    assert {path.name for path in fonts} == set(re.findall(r"webfonts/([\w.-]+)", styles))
    held = set().union(*(TTFont(path).getBestCmap() for path in fonts))
    assert held == drawn, (held - drawn, drawn - held)


LIGHT = [
    page
    for page in READ
    if page != "book/api.html" and 'class="explorer"' not in (HTML / page).read_text()
]


@pytest.mark.parametrize("page", LIGHT)
def test_a_page_is_light(driver, base, page):
    visit(driver, base + page)
    sizes = dict(driver.execute_script(SIZE))
    sounds = re.findall(r'src="data:audio[^"]*"', (HTML / page).read_text())
    total = sum(size for name, size in sizes.items() if MATH not in name) - sum(map(len, sounds))
    assert total <= LIMIT, sorted(sizes.items(), key=lambda part: -part[1])[:5]
