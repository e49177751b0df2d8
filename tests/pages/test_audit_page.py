"""The page "Audit" in a browser: its game is played by keyboard, its checklist is one sheet."""

import base64
import re

import pytest

from tests.pages.built import NEEDS_BOOK, NEEDS_BROWSER, visit

pytestmark = [NEEDS_BOOK, NEEDS_BROWSER]
PAGE = "notebooks/11_audit.html"
A4 = {"paperWidth": 8.27, "paperHeight": 11.69, "preferCSSPageSize": True, "printBackground": True}


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True)])
def test_the_game_is_played_by_keyboard(driver, base, width, dark):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    visit(driver, base + PAGE, width, dark)

    def focused():
        return driver.switch_to.active_element

    game = driver.find_element(By.CSS_SELECTOR, ".leak-game")
    answer = game.find_element(By.CSS_SELECTOR, "output")
    none = answer.text
    assert none.startswith("0 % of the songs")
    driver.execute_script("arguments[0].querySelector('select').focus()", game)
    focused().send_keys(Keys.ARROW_DOWN)
    focused().send_keys(Keys.TAB)
    assert focused().get_attribute("type") == "range"
    focused().send_keys(Keys.END)
    assert answer.text.startswith("100 % of the songs") and "nothing found" not in answer.text
    focused().send_keys(Keys.TAB)
    for _ in range(6):
        assert focused().tag_name == "button"
        focused().send_keys(Keys.ENTER)
        assert re.match(r"(Right|Wrong): it is (leaky|honest)\.", focused().text)
        focused().send_keys(Keys.TAB)
    assert not game.find_elements(By.CSS_SELECTOR, "table.results button")
    assert re.search(r"\d of 6 right", game.text)


def sheets(driver) -> int:
    """How many sheets of paper the page that is open takes."""
    data = driver.execute_cdp_cmd("Page.printToPDF", A4)["data"]
    return len(re.findall(rb"/Type\s*/Page[^s]", base64.b64decode(data)))


def test_the_checklist_prints_alone_on_one_sheet(driver, base):
    visit(driver, base + PAGE, paper=True)
    assert sheets(driver) > 3
    visit(driver, base + PAGE + "#checklist-alone", paper=True)
    assert sheets(driver) == 1
    text = driver.execute_script("return document.querySelector('.bd-article').innerText")
    assert text.count("☐") == 12 and "Kapoor" in text and "Kaufman" in text
    assert "Exercise" not in text and "Overview" not in text
