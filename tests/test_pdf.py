"""The book as one PDF: numbered, bookmarked, linked inside itself; skipped where there is no browser."""

import io
import os
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tools import browser, pdf

pypdf = pytest.importorskip("pypdf")
pytestmark = pytest.mark.skipif(bool(browser.missing()), reason=browser.missing() or "a browser is there")
HTML = Path(os.environ.get("BOOK_HTML", ROOT / "_build" / "html"))
TOC = "format: jb-book\nroot: book/index\nparts:\n- caption: A\n  chapters:\n  - file: notebooks/one\n"
CONFIG = "title: Two pages\nauthor: Nobody\nhtml: {baseurl: 'https://example.org/'}\n"
FIRST = """<h1>First<a href="#first">#</a></h1>
<p><a href="../notebooks/one.html#c">on</a> <a href="../search.html">find</a> <a href="#later">later</a></p>
<div style="break-before: page"></div><h2 id="later">Later</h2>"""
SECOND = """<h1>Second "quoted"</h1><h2 id="later">Elsewhere</h2><a href="#later">down</a><audio controls></audio>
<div class="explorer"><p class="plotly-graph-div">EXPLORER</p><p class="plotly-graph-div">EXPLORER</p>
<noscript><p>STATIC</p>
</noscript></div><details class="table-fold"><summary>The table</summary>FOLDED</details>"""


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    root = tmp_path_factory.mktemp("book")
    (root / "_toc.yml").write_text(TOC)
    (root / "_config.yml").write_text(CONFIG)
    for name, body in (("book/index", FIRST), ("notebooks/one", SECOND)):
        page = root / "html" / f"{name}.html"
        page.parent.mkdir(parents=True)
        page.write_text(f'<!doctype html><html lang="en"><head><meta charset="utf-8"></head><body>{body}</body></html>')
    return pypdf.PdfReader(io.BytesIO(pdf.make(root, root / "html")))


def links(page):
    return [reference.get_object() for reference in page.get("/Annots", ())]


def test_order_is_that_of_the_contents():
    names = pdf.order(ROOT)
    assert names[0] == "book/index.html"
    assert names.index("notebooks/01_audio_baseline.html") < names.index("book/api.html")


def test_pages_are_numbered_through_and_titled(book):
    texts = [page.extract_text() for page in book.pages]
    assert len(texts) == 4  # contents, two pages of the first chapter, one of the second
    assert "Two pages" in texts[0] and "First" in texts[0] and "Second" in texts[0]
    assert all(text.startswith(start) for text, start in zip(texts[1:], ("2First", "3First", "4Second"), strict=True))
    assert book.metadata.title == "Two pages"


def test_chapters_and_sections_are_bookmarks(book):
    first, below, second, deeper = book.outline
    assert (first.title, second.title) == ("First", 'Second "quoted"')
    assert [(entry.title, book.get_destination_page_number(entry)) for entry in below + deeper] == [
        ("Later", 2), ("Elsewhere", 3)]


def test_links_stay_in_the_book_or_lead_to_its_address(book):
    chapter = [link["/Dest"][0].get_object() for link in links(book.pages[1]) if "/Dest" in link]
    assert book.pages[3] in chapter and book.pages[2] in chapter
    assert [link["/A"]["/URI"] for link in links(book.pages[1]) if "/A" in link] == ["https://example.org/search.html"]
    (down,) = links(book.pages[3])  # the same anchor as on the first chapter, another place
    assert down["/Dest"][0].get_object() == book.pages[3]


def test_explorers_are_printed_as_their_pictures(book):
    text = book.pages[3].extract_text()
    assert "STATIC" in text and "EXPLORER" not in text and "FOLDED" in text


BOOK = HTML / "book.pdf"


@pytest.mark.skipif(not BOOK.exists(), reason="no PDF beside the pages: run `make book && make pdf`")
def test_the_real_book_is_whole():
    book = pypdf.PdfReader(BOOK)
    chapters = [entry.title for entry in book.outline if not isinstance(entry, list)]
    assert len(chapters) == len(pdf.order(ROOT)) == len(set(chapters))
    for number, page in enumerate(book.pages, 1):
        assert page.extract_text().strip(), f"page {number} is empty"
        for link in links(page):
            assert "127.0.0.1" not in str(link.get("/A", "")), f"page {number} links to the machine that printed it"
            assert isinstance(link.get("/Dest", []), list), f"page {number} has a link that leads nowhere"
