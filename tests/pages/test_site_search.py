"""What readers type into the search box leads to the page that answers, among the first three
hits."""

import urllib.parse
from contextlib import suppress

import pytest

from tests.pages.built import NEEDS_BOOK, NEEDS_BROWSER, visit

with suppress(ImportError):  # then everything here is skipped
    from selenium.webdriver.support.ui import WebDriverWait

pytestmark = [NEEDS_BOOK, NEEDS_BROWSER]
QUERIES = {  # what is typed -> the beginning of the address that answers
    "leakage": "notebooks/05_leakage",
    "audit": "audit",
    "explore": "notebooks/05_leakage",
    "limitations": "book/limits",
    "playlist": "collection",
    "what is a VAE": "book/method",
    "how to cluster my music folder": "collection",
    "Colab": "book/reproduce",
    "GPU": "book/performance",
    "cite": "book/cite",
    "posterior collapse": "04_cvae_collapse",
    "silhouette": "01_audio_baseline",
}


def addresses_of(driver, base: str, query: str) -> list[str]:
    """The addresses that the search lists, once it has listed all: it shows them one by one."""
    visit(driver, base + f"search.html?q={urllib.parse.quote_plus(query)}")
    finished = "return document.querySelector('.search-summary')?.textContent.includes('finished')"
    WebDriverWait(driver, 20).until(lambda d: d.execute_script(finished))
    links = driver.find_elements("css selector", "#search-results ul.search li > a")
    return [link.get_attribute("href").removeprefix(base) for link in links]


@pytest.mark.parametrize("query", QUERIES)
def test_the_page_is_among_the_first_three(driver, base, query):
    first = addresses_of(driver, base, query)[:3]
    assert any(QUERIES[query] in address for address in first), first


def test_the_api_comes_after_pages(driver, base):
    addresses = addresses_of(driver, base, "silhouette")
    api = [at for at, address in enumerate(addresses) if address.startswith("book/api")]
    pages = [at for at, address in enumerate(addresses) if address.startswith("notebooks/")]
    assert api and pages and max(pages) < min(api)
