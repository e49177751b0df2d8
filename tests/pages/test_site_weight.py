"""Libraries and icons are loaded only where they are used."""

import re

from fontTools.ttLib import TTFont

from tests.pages.built import HTML, NEEDS_BOOK, READ

pytestmark = NEEDS_BOOK
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
