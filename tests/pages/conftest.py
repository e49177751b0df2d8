"""A browser and a server of the built book for the tests of this folder."""

import pytest

from tests.pages.built import HTML
from tools import browser


@pytest.fixture(scope="module")
def driver():
    with browser.browser() as opened:
        yield opened


@pytest.fixture(scope="module")
def base():
    with browser.server(HTML) as address:
        yield address
