"""What readers type into the search box leads to the page that answers, among the first three
hits."""

import urllib.parse

import pytest

from tests.pages.built import NEEDS_BOOK, NEEDS_BROWSER, visit

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


@pytest.mark.parametrize("query", QUERIES)
def test_the_page_is_among_the_first_three(driver, base, query):
    visit(driver, base + f"search.html?q={urllib.parse.quote_plus(query)}")
    driver.implicitly_wait(10)
    links = driver.find_elements("css selector", "#search-results ul.search li > a")
    first = [link.get_attribute("href").removeprefix(base) for link in links[:3]]
    assert any(QUERIES[query] in address for address in first), first


def test_the_api_comes_after_pages(driver, base):
    visit(driver, base + "search.html?q=silhouette")
    driver.implicitly_wait(10)
    links = driver.find_elements("css selector", "#search-results ul.search li > a")
    addresses = [link.get_attribute("href").removeprefix(base) for link in links]
    api = [at for at, address in enumerate(addresses) if address.startswith("book/api")]
    pages = [at for at, address in enumerate(addresses) if address.startswith("notebooks/")]
    assert api and pages and max(pages) < min(api)
