"""The built book, for the tests that look at it: where it is, its pages, and how one is opened."""

import os
import re
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tools import browser

HTML = Path(os.environ.get("BOOK_HTML", ROOT / "_build" / "html"))
THERE = (HTML / "index.html").exists()
PAGES = browser.pages(HTML) if THERE else []
MOVED = {page for page in PAGES if 'http-equiv="refresh"' in (HTML / page).read_text()}
READ = [page for page in PAGES if page not in MOVED and page.startswith(("book/", "notebooks/"))]

NEEDS_BOOK = pytest.mark.skipif(not THERE, reason="no book in _build/html: run `make book` first")
NEEDS_BROWSER = pytest.mark.skipif(
    bool(browser.missing()), reason=browser.missing() or "a browser is there"
)


def visit(
    driver,
    address: str,
    width: int = 1280,
    dark: bool = False,
    paper: bool = False,
    height: int = 900,
) -> None:
    """Open a page on a screen of that size, and wait until it is drawn."""
    browser.resize(driver, width, height, dark, paper)
    driver.get(address)
    browser.settle(driver)


def article_of(page: str) -> str:
    """The article of a page as HTML, without code and tables."""
    text = (HTML / page).read_text()
    article = re.search(r'<article class="bd-article">(.*?)</article>', text, re.DOTALL)
    return article[1] if article else ""
