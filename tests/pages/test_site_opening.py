"""The opening page: question, answer, picture and doors on one screen; the switch changes map and
score; without JavaScript both maps stand side by side."""

import pytest

from tests.pages.built import NEEDS_BOOK, NEEDS_BROWSER, visit
from tools import browser

pytestmark = [NEEDS_BOOK, NEEDS_BROWSER]
PAGE = "book/index.html"


def test_one_screen_holds_the_question_the_answer_the_picture_and_the_doors(driver, base):
    visit(driver, base + PAGE)
    for selector in ("h1", ".opening-text", "#opening"):
        box = driver.find_element("css selector", selector).rect
        assert box["y"] + box["height"] <= 800, selector
    doors = driver.find_elements("css selector", ".opening-text p strong + a")
    assert len(doors) == 3


@pytest.mark.parametrize("width", [1280, 390])
def test_the_switch_changes_the_map_and_the_score(driver, base, width):
    visit(driver, base + PAGE, width)
    drawn = "return document.querySelector('#opening canvas').toDataURL()"
    first, second = driver.find_elements("css selector", ".opening-switch input")
    texts, pictures = [], []
    for radio in (first, second):
        driver.execute_script("arguments[0].click()", radio)
        driver.execute_async_script("setTimeout(arguments[0], 1500)")
        texts.append(driver.find_element("css selector", ".opening-score").text)
        pictures.append(driver.execute_script(drawn))
    assert texts[0] != texts[1] and pictures[0] != pictures[1]
    scores = [float(text.split(":")[1].split()[0]) for text in texts]
    assert scores[0] > 2 * scores[1]


def test_without_javascript_both_maps_stand_side_by_side(base):
    with browser.browser(javascript=False) as driver:
        browser.resize(driver, 1280)
        driver.get(base + PAGE)
        images = driver.find_elements("css selector", ".opening-map img")
        assert len(images) == 2 and all(image.is_displayed() for image in images)
        left, right = (image.rect for image in images)
        assert left["y"] == right["y"] and left["x"] + left["width"] <= right["x"]
