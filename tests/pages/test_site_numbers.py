"""One fact, one source: a number that is quoted by name is the same everywhere, and prose holds no
number that is not quoted."""

import html
import json
import re
from collections import defaultdict

import pytest

from tests.pages.built import HTML, NEEDS_BOOK, READ, article_of
from tests.pages.test_typed_numbers import SETTINGS

pytestmark = NEEDS_BOOK
MARK = re.compile(r'<span data-value="(\w+)"[^>]*>(.*?)</span>', re.DOTALL)
LISTS = ("book/api.html", "book/references.html", "book/sources.html")  # docstrings, books, files
PROSE = [page for page in READ if page.startswith("book/") and page not in LISTS]
# what tools/measurements.py writes
MEASURED = re.compile(
    r'<section id="published-measurements">.*?(?=<section id="measure-it)', re.DOTALL
)
NOT_PROSE = re.compile(
    r"<(script|style|pre|code|table|svg|math|details)\b.*?</\1>|"
    r'<(?:span|div) class="math[^>]*>.*?</(?:span|div)>',
    re.DOTALL,
)
# a result looks like one of these; years, "95 % interval" and whole numbers below a thousand do not
RESULT = re.compile(r"(?<![\w.])[−+-]?\d+(?:\.\d+)+|(?<![\w.,])\d+(?:\.\d+)? ?%")
NUMBER = re.compile(r"[−+-]?\d+(?:,\d{3})*(?:\.\d+)?(?: ?%)?")
ALLOWED = {"95 %", "95%"}


def test_a_named_number_is_the_same_on_every_page_and_as_its_table_has_it():
    listed = json.loads((HTML / "_static" / "values.json").read_text())
    shown = defaultdict(set)
    for page in READ:
        for name, text in MARK.findall((HTML / page).read_text()):
            shown[name].add(html.unescape(text))
    assert len(shown) > 30
    differing = {name: texts for name, texts in shown.items() if len(texts) > 1}
    assert not differing
    wrong = {
        name: (texts, listed[name]["text"])
        for name, texts in shown.items()
        if texts != {listed[name]["text"]}
    }
    assert not wrong


def test_no_quoted_number_rests_on_an_input_that_a_guard_refuses():
    listed = json.loads((HTML / "_static" / "values.json").read_text())
    assert [name for name, row in listed.items() if row["guard"].startswith("refused")] == []


def plain(markup: str) -> str:
    """The text of a piece of HTML."""
    text = html.unescape(re.sub(r"<[^>]*>", " ", markup)).replace("\u00a0", " ")
    return " ".join(text.split())


@pytest.mark.parametrize("page", PROSE)
def test_every_result_in_prose_is_a_named_number(page):
    text = plain(MARK.sub(" ", NOT_PROSE.sub(" ", MEASURED.sub(" ", article_of(page)))))
    settings = SETTINGS.get(page.removeprefix("book/").removesuffix(".html"), {})
    assert [n for n in RESULT.findall(text) if n not in ALLOWED and n not in settings] == []


def contradictions(texts: dict[str, str]) -> dict[str, dict[str, str]]:
    """Sentences that stand on several pages with equal words and other numbers, {words: {page: its
    sentence}}; texts {page: HTML}."""
    said: dict[str, dict[str, str]] = defaultdict(dict)
    for page, text in texts.items():
        for part in re.findall(r"<(p|li|figcaption|dd)\b[^>]*>(.*?)</\1>", text, re.DOTALL):
            for sentence in re.split(r"(?<=[.!?]) ", plain(part[1])):
                if RESULT.search(sentence):
                    said[NUMBER.sub("#", sentence)].setdefault(page, sentence)
    return {words: pages for words, pages in said.items() if len(set(pages.values())) > 1}


def test_the_same_words_have_the_same_numbers_on_every_page():
    """Two results cannot be told apart where only their numbers differ."""
    prose = [page for page in READ if page not in LISTS]
    assert contradictions({page: NOT_PROSE.sub(" ", article_of(page)) for page in prose}) == {}


def test_a_contradiction_is_found():
    texts = {
        "a": "<p>Words help. They change the <b>NMI</b> by +0.001 side by side.</p>",
        "b": "<li>They change the NMI by −0.056 side by side.</li>",
        "c": "<p>They change the ARI by −0.056 side by side.</p>",
    }
    (found,) = contradictions(texts).values()
    assert set(found) == {"a", "b"}


def test_a_typed_result_is_seen():
    text = "<p>It scores 0.31, in 95 % of <code>0.7</code> and 12&nbsp;%, at version 3.11.5.</p>"
    assert RESULT.findall(plain(NOT_PROSE.sub(" ", text))) == ["0.31", "95 %", "12 %", "3.11.5"]
