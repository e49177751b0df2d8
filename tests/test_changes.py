"""The list of changes: the numbers in its table are those that the book quotes."""

import re

from tests.conftest import ROOT
from tools import quoted

ROW = re.compile(r"^\| (?P<before>.+?) \| (?P<now>.+?) \| (?P<number>.+?) \|$", re.MULTILINE)
NUMBER = re.compile(r"`(\w+)` ([^`]*)")


def test_what_moved_has_the_numbers_that_the_book_quotes():
    """A number that is computed anew changes here, too."""
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    rows = [row for row in ROW.finditer(text) if set(row["before"]) != {"-"}]
    values, named = quoted.registry([]), 0
    assert len(rows) > 10
    for row in rows[1:]:  # behind the table's head
        pairs = NUMBER.findall(row["number"])
        assert pairs, row["before"]
        for name, text_behind in pairs:
            assert text_behind.startswith(values[name].text), name
            assert not values[name].refused, name
            named += 1
    assert named > 15
