"""The viewer in a browser: what a click, a key and a switch do."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from kuzushiji.viewer import Candidate, ViewerBox, ViewerPage, ViewerPicture, render_viewer
from tests.browser import open_chromium

WIDTH, HEIGHT = 300, 200
CANDIDATES = {
    "clf": [Candidate("い", "U+3044", 0.6), Candidate("あ", "U+3042", 0.3), Candidate("う", "U+3046", 0.05)],
    "level 2": [Candidate("あ", "U+3042", 0.5)],
}
BOXES = [
    # The right column: あ right, い wrong (it is あ), う missed. The left one: え right, お where nothing is.
    ViewerBox(200, 20, 40, 40, "right", "あ", "U+3042", 0.9876, "あ", "U+3042"),
    ViewerBox(200, 80, 40, 40, "wrong", "い", "U+3044", 0.6, "あ", "U+3042", CANDIDATES),
    ViewerBox(200, 140, 40, 40, "missed", "う", "U+3046", None, "う", "U+3046"),
    ViewerBox(
        100, 20, 40, 40, "right", "え", "U+3048", 0.5, "え", "U+3048", CANDIDATES, {"clf, fold 0": CANDIDATES["clf"]}
    ),
    ViewerBox(100, 90, 40, 40, "wrong", "お", "U+304A", 0.25),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with open_chromium() as chromium:
        yield chromium


@pytest.fixture
def page(browser: Any, tmp_path: Path) -> Iterator[Any]:
    """A tab with a viewer of two pages; it fails when the script does."""
    image = np.full((HEIGHT, WIDTH, 3), 220, np.uint8)
    cv2.rectangle(image, (200, 80), (240, 120), (0, 0, 0), -1)
    picture = ViewerPicture.of_page(image)
    other = ViewerPage("second", picture, [ViewerBox(10, 10, 30, 30, "read", "<b>", "U+003C")], note="F1 0.5")
    path = tmp_path / "viewer.html"
    path.write_text(render_viewer([ViewerPage("first", picture, BOXES), other], "Pages"), encoding="utf-8")
    tab = browser.new_page(viewport={"width": 1200, "height": 800})
    failures: list[str] = []
    tab.on("pageerror", lambda error: failures.append(str(error)))
    tab.on("console", lambda message: failures.append(message.text) if message.type == "error" else None)
    tab.on("request", lambda sent: None if sent.url.startswith(("file:", "data:")) else failures.append(sent.url))
    tab.goto(path.as_uri())
    yield tab
    tab.close()
    assert failures == []


def box(page: Any, index: int) -> Any:
    return page.locator(f'.viewer-box[data-box="{index}"]')


def details(page: Any) -> str:
    text: str = page.locator(".viewer-details").inner_text()
    return " ".join(text.split())


def test_a_click_on_a_box_shows_its_candidates_and_the_truth(page: Any) -> None:
    assert details(page) == "Point at a box to see what it was read as."
    box(page, 1).click()
    assert details(page).startswith("い U+3044 wrong probability 60.0 % truth あ U+3042")
    rows = page.locator(".viewer-models tr")
    assert [" ".join(row.split()) for row in rows.all_inner_texts()] == [
        "clf い 60.0 % あ 30.0 % う 5.00 %", "level 2 あ 50.0 %",
    ]  # fmt: skip
    assert page.locator(".viewer-models td.true").count() == 2  # the truth among the candidates
    assert box(page, 1).get_attribute("aria-pressed") == "true"
    assert page.locator(".viewer-text .selected").inner_text() == "い"


def test_single_models_are_shown_on_demand_and_stay(page: Any) -> None:
    box(page, 3).click()
    single = page.get_by_role("table", name="Best candidates of each single model")
    assert not single.is_visible()
    page.get_by_text("Single models").click()
    assert " ".join(single.inner_text().split()) == "clf, fold 0 い 60.0 % あ 30.0 % う 5.00 %"
    box(page, 1).click()
    assert page.get_by_text("Single models").count() == 0
    box(page, 3).click()
    assert single.is_visible()


def test_where_nothing_is_the_truth_is_no_character(page: Any) -> None:
    box(page, 4).click()
    assert details(page) == "お U+304A wrong probability 25.0 % truth no character"


def test_a_character_that_is_right_but_does_not_count_has_its_reason(browser: Any, tmp_path: Path) -> None:
    twice = ViewerBox(200, 50, 40, 40, "wrong", "あ", "U+3042", 0.5, "あ", "U+3042")
    picture = ViewerPicture.of_page(np.full((HEIGHT, WIDTH, 3), 220, np.uint8))
    path = tmp_path / "viewer.html"
    path.write_text(render_viewer([ViewerPage("first", picture, [BOXES[0], twice])], "Pages"), encoding="utf-8")
    tab = browser.new_page(viewport={"width": 1200, "height": 800})
    tab.goto(path.as_uri())
    box(tab, 1).click()
    assert "wrong since its point is not inside the true box, or another box has that character" in details(tab)
    box(tab, 0).click()
    assert "wrong since" not in details(tab)
    tab.close()


def test_boxes_lie_where_they_are_on_the_page(page: Any) -> None:
    sheet, first = page.locator(".viewer-sheet img").bounding_box(), box(page, 0).bounding_box()
    scale = sheet["width"] / WIDTH
    assert first["x"] - sheet["x"] == pytest.approx(200 * scale, abs=1)
    assert first["y"] - sheet["y"] == pytest.approx(20 * scale, abs=1)
    assert first["width"] == pytest.approx(40 * scale, abs=1)


def test_a_pointer_over_a_box_shows_it_and_takes_it_back(page: Any) -> None:
    box(page, 0).click()
    box(page, 3).hover()
    assert details(page).startswith("え U+3048 right probability 50.0 %")
    page.locator("h1").hover()
    assert details(page).startswith("あ U+3042 right")  # what was clicked


def test_the_text_stands_in_columns_from_right_to_left(page: Any) -> None:
    assert page.locator(".viewer-text p").all_text_contents() == ["あいう", "えお"]
    text = page.locator(".viewer-text")
    assert text.evaluate("node => getComputedStyle(node).writingMode") == "vertical-rl"
    right, left = (page.locator(".viewer-text p").nth(i).bounding_box()["x"] for i in (0, 1))
    assert right > left
    page.locator(".viewer-text span").nth(4).click()
    assert details(page).startswith("お")


def test_switches_hide_what_is_right_wrong_or_missed(page: Any) -> None:
    box(page, 1).click()
    page.get_by_role("checkbox", name="wrong").uncheck()
    assert [box(page, i).is_visible() for i in range(5)] == [True, False, True, True, False]
    assert page.locator(".viewer-text span:visible").all_text_contents() == ["あ", "う", "え"]
    assert details(page).startswith("Point at a box")  # what was selected is gone
    page.get_by_role("checkbox", name="wrong").check()
    page.get_by_role("checkbox", name="right").uncheck()
    page.get_by_role("checkbox", name="missed").uncheck()
    assert [box(page, i).is_visible() for i in range(5)] == [False, True, False, False, True]


def test_characters_are_written_on_the_page_on_demand(page: Any) -> None:
    assert not box(page, 0).locator("span").is_visible()
    page.get_by_label("characters on the page").check()
    assert box(page, 0).locator("span").is_visible()


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ([], 0),  # Tab comes to the first character
        (["ArrowDown"], 1),
        (["ArrowDown", "ArrowDown", "ArrowDown"], 3),  # on to the next column
        (["ArrowUp"], 0),  # there is none before
        (["ArrowDown", "ArrowLeft"], 4),  # the next column at the same height
        (["ArrowLeft", "ArrowRight"], 0),
        (["End"], 4),
        (["End", "Home"], 0),
        (["n"], 1),  # the next error
        (["n", "n", "n", "n"], 1),  # after the last the first
    ],
)
def test_keys_move_between_boxes(page: Any, keys: list[str], expected: int) -> None:
    box(page, 0).focus()
    for key in keys:
        page.keyboard.press(key)
    focused = page.evaluate("document.activeElement.dataset.box")
    assert focused == str(expected)
    assert details(page).startswith("あいうえお"[expected])


def test_tab_comes_to_one_box_and_leaves_it_again(page: Any) -> None:
    page.get_by_label("Size").focus()
    page.keyboard.press("Tab")
    if page.evaluate("document.activeElement.className") == "viewer-page":
        page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.dataset.box") == "0"
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "viewer-text"
    page.keyboard.press("Shift+Tab")
    assert page.evaluate("document.activeElement.dataset.box") == "1"  # where one was
    page.keyboard.press("Escape")
    assert details(page).startswith("Point at a box")


def test_the_button_goes_from_error_to_error(page: Any) -> None:
    for expected in (1, 2, 4, 1):
        page.get_by_role("button", name="Next error").click()
        assert details(page).startswith("あいうえお"[expected])


def test_a_screen_reader_is_told_everything(page: Any) -> None:
    names = [page.locator(".viewer-box").nth(i).get_attribute("aria-label") for i in range(5)]
    assert names == [  # in the order of reading
        "あ, right, probability 98.8 %", "い, wrong, probability 60.0 %, truth あ", "う, missed",
        "え, right, probability 50.0 %", "お, wrong, probability 25.0 %, nothing is there",
    ]  # fmt: skip
    assert page.get_by_role("region", name="Selected box").get_attribute("aria-live") == "polite"
    assert page.get_by_role("region", name="Text in reading order").get_attribute("lang") == "ja"
    assert page.get_by_role("img", name="Page first").is_visible()


def test_another_page(page: Any) -> None:
    box(page, 1).click()
    page.get_by_role("button", name="Next page").click()
    assert page.locator("select").input_value() == "1" and page.locator(".viewer-box").count() == 1
    assert page.locator('[data-count="wrong"]').inner_text() == "(0)"
    box(page, 0).click()
    assert details(page) == "<b> U+003C truth unknown"  # data is text, never markup
    page.get_by_role("button", name="Next page").click()
    assert page.locator(".viewer-box").count() == 5


def test_the_page_can_be_enlarged(page: Any) -> None:
    before = page.locator(".viewer-sheet img").bounding_box()["width"]
    page.get_by_label("Size").fill("200")
    assert page.locator(".viewer-sheet img").bounding_box()["width"] == pytest.approx(2 * before, rel=0.05)


def test_on_a_narrow_screen_nothing_reaches_beyond_its_edge(page: Any) -> None:
    page.set_viewport_size({"width": 360, "height": 700})
    box(page, 1).click()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert page.locator(".viewer-details").is_visible()
