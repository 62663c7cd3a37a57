"""The editor in a browser: edits by mouse and keys, kept, saved, exported, taken back."""

import itertools
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from kuzushiji.edit.folder import EditedFolder
from kuzushiji.edit.server import EditServer
from kuzushiji.errors import InputError
from kuzushiji.forms.corrections import content_of
from tests.browser import open_chromium
from tests.edit.books import BOXES, WIDTH, WITH_TRUTH, page_of, write_book
from tests.forms.test_corrections import SCHEMA


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with open_chromium() as chromium:
        yield chromium


@pytest.fixture
def page(browser: Any, folder: Path) -> Iterator[Any]:
    """A tab with the book, opened as a file; it fails when a script does."""
    context = browser.new_context(viewport={"width": 1400, "height": 900}, accept_downloads=True)
    tab = context.new_page()
    failures: list[str] = []
    tab.on("pageerror", lambda error: failures.append(str(error)))
    tab.on(
        "request", lambda sent: None if sent.url.startswith(("file:", "data:", "blob:")) else failures.append(sent.url)
    )
    tab.goto((folder / "viewer.html").as_uri())
    tab.locator(".viewer-index a").first.wait_for()
    yield tab
    context.close()
    assert failures == []


def open_page(tab: Any, number: int = 0) -> None:
    tab.locator(".viewer-index a").nth(number).click()
    tab.locator(".viewer-box").first.wait_for()


def box(tab: Any, index: int) -> Any:
    return tab.locator(f'.viewer-box[data-box="{index}"]')


def select(tab: Any, index: int) -> None:
    box(tab, index).click()
    box(tab, index).focus()


def press(tab: Any, *keys: str) -> None:
    for key in keys:
        tab.keyboard.press(key)


def text(tab: Any) -> list[str]:
    found: list[str] = tab.locator(".viewer-text p").all_text_contents()
    return found


def drag(tab: Any, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Drag from one point of the page to another, in its pixels."""
    frame = tab.locator(".viewer-sheet img").bounding_box()
    scale = frame["width"] / WIDTH
    points = [(frame["x"] + x * scale, frame["y"] + y * scale) for x, y in (start, end)]
    tab.mouse.move(*points[0])
    tab.mouse.down()
    tab.mouse.move(*points[1], steps=4)
    tab.mouse.up()


def download(tab: Any, path: Path) -> dict[str, Any]:
    with tab.expect_download() as started:
        tab.get_by_role("button", name="Download corrections").click()
    started.value.save_as(path)
    value: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    jsonschema.validate(value, json.loads(SCHEMA.read_text(encoding="utf-8")))
    return value


def characters(value: dict[str, Any]) -> list[Any]:
    fields = ("char", "box", "role", "column", "doubtful", "by")
    return [tuple(item[field] for field in fields) for item in value["pages"][0]["characters"]]


def typed(tab: Any, chars: str) -> None:
    press(tab, "t")
    tab.keyboard.insert_text(chars)  # as an input method does
    press(tab, "Enter")


def test_twelve_edits_are_kept_exported_and_taken_back(page: Any, browser: Any, folder: Path, tmp_path: Path) -> None:
    open_page(page)
    assert text(page) == ["あい", "うえ"]
    select(page, 1)
    press(page, "3")  # 1: take a candidate
    page.locator('[data-candidate="1"]').click()  # 2: another, with the mouse
    select(page, 0)
    typed(page, "安")  # 3: another character
    press(page, "Shift+ArrowLeft", "Alt+ArrowDown")  # 4, 5: move, size
    select(page, 2)
    drag(page, (120, 40), (120, 50))  # 6: move with the mouse
    select(page, 3)
    drag(page, (140, 120), (150, 130))  # 7: size at a corner
    press(page, "a")
    drag(page, (100, 150), (140, 190))  # 8: a new box
    page.keyboard.insert_text("おか")  # 9: two characters split it
    press(page, "Enter")
    select(page, 5)
    press(page, "Delete")  # 10: what is no text goes
    select(page, 0)
    press(page, "]")  # 11: order
    press(page, "d")  # 12: doubtful
    page.get_by_role("checkbox", name="Page is done").check()
    assert text(page) == ["あ安", "うえおか"]
    first = download(page, tmp_path / "first.json")
    assert characters(first) == [
        ("あ", [200, 80, 40, 40], "text", 0, False, "human"), ("安", [199, 20, 40, 41], "text", 0, True, "human"),
        ("う", [100, 30, 40, 40], "text", 1, False, "human"), ("え", [100, 80, 50, 50], "text", 1, False, "human"),
        ("お", [100, 150, 40, 20], "text", 1, False, "human"), ("か", [100, 170, 40, 20], "text", 1, False, "human"),
        ("お", [245, 25, 12, 12], "furigana", 0, False, "model"),
    ]  # fmt: skip
    assert first["pages"][0]["done"] and [entry["by"] for entry in first["pages"][0]["history"]] == ["models", "human"]

    page.reload()  # what was done is in the browser
    page.locator(".viewer-text p").first.wait_for()
    assert text(page) == ["あ安", "うえおか"] and page.get_by_role("checkbox", name="Page is done").is_checked()
    assert characters(download(page, tmp_path / "second.json")) == characters(first)

    other = browser.new_context(accept_downloads=True).new_page()  # another browser takes the file
    other.goto((folder / "viewer.html").as_uri())
    other.locator('input[type="file"]').set_input_files(tmp_path / "first.json")
    other.locator(".viewer-alert").filter(has_text="1 pages taken").wait_for()
    assert text(other) == ["あ安", "うえおか"]
    third = download(other, tmp_path / "third.json")
    assert third["pages"] == first["pages"]
    other.context.close()


@pytest.mark.parametrize(
    ("index", "keys", "expected"),
    [
        (1, ["s"], ["あい〓", "うえ"]),
        (0, ["j"], ["あ", "うえ"]),
        (0, ["x"], ["い", "うえ"]),  # no text
        (0, ["x", "x"], ["あい", "うえ"]),  # and text again, where it stood
        (4, ["f"], ["お", "あい", "うえ"]),  # no furigana: a column of its own
        (0, ["f"], ["い", "うえ"]),
        (5, ["1"], ["あい", "うえ"]),  # no model proposes anything there
        (1, ["["], ["いあ", "うえ"]),
        (1, ["]"], ["あ", "いうえ"]),  # on to the next column
        (0, ["["], ["あい", "うえ"]),  # nothing is before it
        (1, ["c"], ["あ", "い", "うえ"]),
        (2, ["v"], ["あいうえ"]),
        (2, ["{"], ["うえ", "あい"]),
        (0, ["}"], ["うえ", "あい"]),
        (0, ["Delete"], ["い", "うえ"]),
        (0, ["Delete", "Control+z"], ["あい", "うえ"]),
        (0, ["Delete", "Control+z", "Control+y"], ["い", "うえ"]),
        (0, ["2", "Delete", "Control+z", "Control+z"], ["あい", "うえ"]),
        (1, ["a", "Enter", "Escape"], ["あい〓", "うえ"]),  # a new box by keys alone
    ],
)
def test_keys(page: Any, index: int, keys: list[str], expected: list[str]) -> None:
    open_page(page)
    select(page, index)
    press(page, *keys)
    assert text(page) == expected


def test_the_next_doubtful_one_and_confirming(page: Any) -> None:
    open_page(page)
    assert page.get_by_role("checkbox", name="missed").is_hidden()  # no truth is known
    select(page, 0)
    press(page, "n")
    assert page.evaluate("document.activeElement.dataset.box") == "1"
    press(page, "Enter")  # right as it is: on to the next
    assert page.evaluate("document.activeElement.dataset.box") == "2"
    assert page.locator('[data-count="doubtful"]').inner_text() == "(0)"
    assert page.locator('[data-count="corrected"]').inner_text() == "(1)"


def test_where_the_truth_is_known_the_wrong_ones_come_too(browser: Any, tmp_path: Path) -> None:
    write_book(tmp_path, ("b1_001",), boxes=WITH_TRUTH, lines=[[0, 1]])
    tab = browser.new_page()
    tab.goto((tmp_path / "viewer.html").as_uri())
    select(tab, 0)
    assert tab.get_by_role("checkbox", name="missed (1)").is_visible()
    press(tab, "d")  # an edit leaves the state of the others
    for index in ("1", "2", "0"):
        press(tab, "n")
        assert tab.evaluate("document.activeElement.dataset.box") == index
    select(tab, 1)
    assert "truth" in tab.locator(".viewer-details dl").inner_text()
    press(tab, "3", "n", "1")  # い becomes what it is; the missed one is read
    assert text(tab) == ["あう", "い"]
    press(tab, "n")
    assert tab.evaluate("document.activeElement.dataset.box") == "0"  # the doubtful one is what is left
    tab.close()


def test_the_list_of_pages_shows_the_state(page: Any) -> None:
    cards = page.locator(".viewer-index a")
    assert [" ".join(card.split()) for card in cards.all_inner_texts()] == [
        "b1_001 confidence 50.0 %", "b1_002 confidence 61.1 %",
    ]  # fmt: skip
    open_page(page, 1)
    page.get_by_role("checkbox", name="Page is done").check()
    page.get_by_role("button", name="All pages").click()
    assert "done" in cards.nth(1).inner_text() and "done" not in cards.nth(0).inner_text()


def test_of_two_hundred_pages_those_that_are_shown_are_loaded(browser: Any, tmp_path: Path) -> None:
    write_book(tmp_path, tuple(f"b1_{number:03d}" for number in range(200)))
    tab = browser.new_page()
    loaded: list[str] = []
    tab.on("request", lambda sent: loaded.append(sent.url) if sent.url.endswith(".viewer.js") else None)
    tab.goto((tmp_path / "viewer.html").as_uri())
    tab.locator(".viewer-index a").nth(199).wait_for()
    assert loaded == []
    open_page(tab, 100)
    press(tab, "PageDown")
    tab.locator(".viewer-sheet img[alt='Page b1_101']").wait_for()
    select(tab, 0)
    press(tab, "3")
    assert text(tab) == ["うい", "うえ"]
    # Each page that is shown, and the one behind it, once.
    assert {int(url[-len("100.viewer.js") :][:3]) for url in loaded} <= {100, 101, 102}
    assert len(loaded) == len(set(loaded))
    tab.close()


def test_zoom_keeps_what_is_under_the_pointer(page: Any) -> None:
    open_page(page)
    before = box(page, 0).bounding_box()
    middle = before["x"] + before["width"] / 2, before["y"] + before["height"] / 2
    page.mouse.move(*middle)
    page.keyboard.down("Control")
    page.mouse.wheel(0, -300)
    page.keyboard.up("Control")
    after = box(page, 0).bounding_box()
    assert after["width"] == pytest.approx(before["width"] * 2.718, rel=0.05)
    assert after["x"] + after["width"] / 2 == pytest.approx(middle[0], abs=8)


@pytest.fixture
def phone(browser: Any, folder: Path) -> Iterator[Any]:
    """A narrow dark screen that is touched, with the first page."""
    context = browser.new_context(viewport={"width": 360, "height": 700}, color_scheme="dark", has_touch=True)
    tab = context.new_page()
    tab.goto((folder / "viewer.html").as_uri())
    open_page(tab)
    yield tab
    context.close()


Fingers = list[tuple[float, float]]


def touch(tab: Any, *places: Fingers) -> None:
    """Put fingers down at the first places, move them along the others in four steps each, and lift them."""
    session = tab.context.new_cdp_session(tab)

    def send(kind: str, fingers: Fingers) -> None:
        points = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(fingers)]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    send("touchStart", places[0])
    for before, after in itertools.pairwise(places):
        for step in range(1, 5):
            moved = zip(before, after, strict=True)
            send("touchMove", [(x + (u - x) * step / 4, y + (v - y) * step / 4) for (x, y), (u, v) in moved])
    send("touchEnd", [])


def middle_of(tab: Any, index: int) -> tuple[float, float]:
    at = box(tab, index).bounding_box()
    return at["x"] + at["width"] / 2, at["y"] + at["height"] / 2


def test_two_fingers_zoom_and_what_is_between_them_stays(phone: Any) -> None:
    box(phone, 0).scroll_into_view_if_needed()
    x, y = middle_of(phone, 0)
    before = box(phone, 0).bounding_box()
    touch(phone, [(x - 20, y), (x + 20, y)], [(x - 60, y), (x + 60, y)])
    after = box(phone, 0).bounding_box()
    assert after["width"] == pytest.approx(before["width"] * 3, rel=0.05)
    assert middle_of(phone, 0) == pytest.approx((x, y), abs=8)
    touch(phone, [(x - 60, y), (x + 60, y)], [(x - 20, y), (x + 20, y)])
    assert box(phone, 0).bounding_box()["width"] == pytest.approx(before["width"], rel=0.05)
    assert text(phone) == ["あい", "うえ"]


def test_a_finger_drags_the_selected_box_and_its_corner(phone: Any, tmp_path: Path) -> None:
    scale = phone.locator(".viewer-sheet img").bounding_box()["width"] / WIDTH
    box(phone, 2).scroll_into_view_if_needed()
    x, y = middle_of(phone, 2)
    touch(phone, [(x, y)], [(x, y + 10 * scale)])  # it is not selected yet: the finger scrolls
    box(phone, 2).tap()
    x, y = middle_of(phone, 2)
    touch(phone, [(x, y)], [(x + 20 * scale, y + 10 * scale)])
    corner = phone.locator(".viewer-corner.se").bounding_box()
    x, y = corner["x"] + corner["width"] / 2, corner["y"] + corner["height"] / 2
    touch(phone, [(x, y)], [(x + 10 * scale, y + 20 * scale)])
    (moved,) = [item for item in characters(download(phone, tmp_path / "c.json")) if item[0] == "う"]
    assert moved[1] == pytest.approx([120, 30, 50, 60], abs=1) and moved[-1] == "human"


CONTRAST = """() => {
  const numbers = (color) => color.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].reduce((sum, value, place) => {
    const share = value / 255;
    return sum + [.2126, .7152, .0722][place] * (share <= .04045 ? share / 12.92 : ((share + .055) / 1.055) ** 2.4);
  }, 0);
  const over = (above, below) => {
    const alpha = above[3] ?? 1;
    return below.map((value, place) => alpha * above[place] + (1 - alpha) * value);
  };
  const under = (node) => {
    if (!node) return matchMedia("(prefers-color-scheme: dark)").matches ? [18, 18, 18] : [255, 255, 255];
    const own = numbers(getComputedStyle(node).backgroundColor);
    return own[3] === 0 ? under(node.parentElement) : over(own, own[3] < 1 ? under(node.parentElement) : [0, 0, 0]);
  };
  const found = [];
  for (const node of document.querySelectorAll("body *")) {
    const text = [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim());
    if (!text || !node.checkVisibility() || node.closest(":disabled, .viewer-sheet, option, script, style")) continue;
    const below = under(node), color = numbers(getComputedStyle(node).color);
    color[3] = (color[3] ?? 1) * Number(getComputedStyle(node).opacity);
    const [a, b] = [light(over(color, below)), light(below)];
    found.push([node.tagName + "." + node.className + " " + node.textContent.slice(0, 20).trim(),
      (Math.max(a, b) + .05) / (Math.min(a, b) + .05)]);
  }
  return found;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_the_contrast_of_wcag_aa(browser: Any, folder: Path, scheme: str) -> None:
    write_book(folder, boxes=[*WITH_TRUTH, BOXES[3]], lines=[[0, 1], [3]])
    tab = browser.new_page(color_scheme=scheme)
    tab.goto((folder / "viewer.html").as_uri())
    tab.locator(".viewer-index a").first.wait_for()
    open_page(tab)
    tab.get_by_role("checkbox", name="Page is done").check()
    tab.get_by_role("button", name="All pages").click()
    ratios = tab.evaluate(CONTRAST)  # the list of pages
    tab.get_by_role("button", name="All pages").click()
    select(tab, 1)
    ratios += tab.evaluate(CONTRAST)  # a wrong box
    press(tab, "2", "d")
    tab.locator('input[type="file"]').set_input_files({"name": "a.json", "mimeType": "text/plain", "buffer": b"{}"})
    tab.locator(".viewer-alert").wait_for()
    ratios += tab.evaluate(CONTRAST)
    assert len(ratios) > 60
    assert {name: round(ratio, 2) for name, ratio in ratios if ratio < 4.5} == {}
    tab.close()


def test_corrections_of_another_book_and_what_is_none(page: Any, folder: Path, tmp_path: Path) -> None:
    write_book(tmp_path / "other", ("b1_001", "c_1"), reading="1" * 16)
    open_page(page)
    press(page, "a")
    pages = [{"page": "b1_001", "sha256": "0" * 64, "frame": 0}, page_of(folder, width=301), None]
    strange = json.dumps(content_of(pages))
    broken = page_of(folder)["characters"][0] | {"box": [1, 2, 3]}
    changes: list[dict[str, Any]] = [{"characters": None}, {"characters": [broken]}, {"characters": [1]}, {"done": 1}]
    damaged = json.dumps(content_of([page_of(folder, **change) for change in changes]))
    for content, line in (
        (strange, "0 pages taken, 3 pages of other books, pictures or sizes left out"),
        (damaged, "0 pages taken, 4 damaged pages left out"),
        ("{}", "expected a file of"),
        ("{", "file.json: "),
    ):
        (tmp_path / "file.json").write_text(content)
        page.locator('input[type="file"]').set_input_files(tmp_path / "file.json")
        page.locator(".viewer-alert").filter(has_text=line).wait_for()
    assert text(page) == ["あい", "うえ"]


def test_a_page_whose_file_is_gone(page: Any, folder: Path, tmp_path: Path) -> None:
    (folder / "b1_002.viewer.js").unlink()
    page.locator(".viewer-index a").nth(1).click()
    gone = page.locator(".viewer-alert").filter(has_text="b1_002: its file b1_002.viewer.js is missing or damaged")
    gone.wait_for()
    open_page(page)
    press(page, "PageDown")
    gone.wait_for()
    select(page, 0)
    press(page, "3")  # the page that is still shown is the one that is edited
    (edited,) = download(page, tmp_path / "c.json")["pages"]
    assert edited["page"] == "b1_001" and edited["characters"][0]["char"] == "う"


def test_on_a_narrow_dark_screen(phone: Any) -> None:
    box(phone, 1).tap()
    assert phone.evaluate("document.documentElement.scrollWidth") <= 360
    scale = phone.locator(".viewer-sheet img").bounding_box()["width"] / WIDTH
    furigana = box(phone, 4).bounding_box()
    assert (furigana["width"], furigana["height"]) == pytest.approx((12 * scale, 12 * scale), abs=0.5)
    phone.locator('[data-candidate="1"]').tap()
    assert text(phone) == ["ああ", "うえ"]
    assert phone.locator(".viewer-corner").first.is_visible()
    box(phone, 4).tap()
    assert phone.locator(".viewer-corner").first.is_hidden()  # of so small a box they would cover the neighbours


def test_what_screen_readers_are_told(page: Any) -> None:
    open_page(page)
    names = page.locator(".viewer-box").evaluate_all("nodes => nodes.map((node) => node.getAttribute('aria-label'))")
    assert names == [
        "あ, as read, probability 90.0 %", "い, doubtful, probability 10.0 %", "う, as read, probability 80.0 %",
        "え, as read, probability 70.0 %", "お, as read, probability 60.0 %, furigana", "×, no text",
    ]  # fmt: skip
    select(page, 1)
    press(page, "2")
    assert page.locator(".viewer-said").inner_text() == "あ taken"
    unnamed = page.evaluate(
        "[...document.querySelectorAll('button, input, select')].filter((node) => !node.hidden"
        " && !node.textContent.trim() && !node.getAttribute('aria-label') && !node.labels?.length).length"
    )
    assert unnamed == 0 and len(names) == len(BOXES)


def wait_until(condition: Callable[[], bool]) -> None:
    for _ in range(200):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("it has not happened")


def test_a_file_that_is_opened_reaches_the_folder(
    browser: Any, server: EditServer, folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "mine.json").write_text(json.dumps(content_of([page_of(folder), page_of(folder, "b1_002")])))
    tab = browser.new_page()
    tab.goto(server.address)
    tab.locator('input[type="file"]').set_input_files(tmp_path / "mine.json")
    tab.locator(".viewer-alert").filter(has_text="2 pages taken").wait_for()
    pages = json.loads((folder / "corrections.json").read_text(encoding="utf-8"))["pages"]
    assert [(page["page"], page["revision"]) for page in pages] == [("b1_001", 1), ("b1_002", 1)]
    assert text(tab) == ["あ"]
    tab.close()


def test_the_server_gets_what_is_edited_and_the_second_is_told(browser: Any, server: EditServer, folder: Path) -> None:
    path = folder / "corrections.json"
    tabs = [browser.new_context().new_page() for _ in range(2)]
    for tab in tabs:
        tab.goto(server.address)
        open_page(tab)
    select(tabs[0], 0)
    press(tabs[0], "1")
    wait_until(path.exists)
    tabs[0].locator(".viewer-status").filter(has_text="saved").wait_for()
    press(tabs[0], "2")
    wait_until(lambda: json.loads(path.read_text(encoding="utf-8"))["pages"][0]["revision"] == 2)
    before = path.read_bytes()
    select(tabs[1], 0)
    press(tabs[1], "3")
    tabs[1].locator(".viewer-alert").filter(has_text="somebody else has saved it").wait_for()
    assert path.read_bytes() == before and text(tabs[1]) == ["うい", "うえ"]
    tabs[1].reload()  # the saved version is shown, and the own one is not lost
    other = tabs[1].get_by_role("button", name="Show the other version")
    other.wait_for()
    assert text(tabs[1]) == ["あい", "うえ"]
    select(tabs[1], 1)
    press(tabs[1], "d")  # what is edited in the saved version does not cost the own one
    tabs[1].locator(".viewer-status").filter(has_text=re.compile("^saved")).wait_for()
    tabs[1].reload()
    other.click()
    tabs[1].locator(".viewer-said").filter(has_text="the other version").wait_for()
    assert text(tabs[1]) == ["うい", "うえ"]
    wait_until(lambda: json.loads(path.read_text(encoding="utf-8"))["pages"][0]["revision"] == 4)
    other.click()  # and what it has replaced can be had back
    wait_until(lambda: read_text(path) == "あい")
    for tab in tabs:
        tab.context.close()


@pytest.mark.parametrize("served", [True, False])
def test_two_windows_of_one_browser(
    browser: Any, server: EditServer, folder: Path, served: bool, tmp_path: Path
) -> None:
    """The second is told, and its version is there still when the first has gone on."""
    context = browser.new_context(accept_downloads=True)
    tabs = [context.new_page() for _ in range(2)]
    for tab in tabs:
        tab.goto(server.address if served else (folder / "viewer.html").as_uri())
        open_page(tab)
    kept = tabs[0].locator(".viewer-status").filter(has_text="saved" if served else "kept in this browser")
    select(tabs[0], 0)
    press(tabs[0], "1")
    kept.wait_for()
    select(tabs[1], 0)
    press(tabs[1], "3")
    tabs[1].locator(".viewer-alert").filter(has_text="Another window of this browser has changed this page").wait_for()
    press(tabs[0], "d")  # the first window goes on
    kept.wait_for()
    tabs[1].reload()
    mine = tabs[1].get_by_role("button", name="Show the other version")
    mine.wait_for()
    assert text(tabs[1]) == ["いい", "うえ"]
    mine.click()
    tabs[1].locator(".viewer-said").filter(has_text="the other version").wait_for()
    assert text(tabs[1]) == ["うい", "うえ"]
    tabs[1].locator(".viewer-status").filter(has_text="saved" if served else "kept in this browser").wait_for()
    value = download(tabs[1], tmp_path / "mine.json")
    assert "".join(item["char"] for item in value["pages"][0]["characters"][:2]) == "うい"
    context.close()


def read_text(path: Path) -> str:
    """Return the first column of the first page of a file of corrections."""
    (page, *_) = json.loads(path.read_text(encoding="utf-8"))["pages"]
    return "".join(item["char"] for item in page["characters"] if item["role"] == "text" and item["column"] == 0)


def file_of(*pages: dict[str, Any]) -> dict[str, Any]:
    return {"name": "a.json", "mimeType": "text/plain", "buffer": json.dumps(content_of(pages)).encode()}


def said(tab: Any, line: str) -> Any:
    """Return the line above the page when it says so."""
    found = tab.locator(".viewer-alert").filter(has_text=line)
    found.wait_for()
    return found


def state(tab: Any, line: str) -> None:
    tab.locator(".viewer-status").filter(has_text=re.compile(f"^{line}")).wait_for()


@pytest.mark.parametrize("served", [True, False])
def test_a_file_that_is_opened_asks_before_it_replaces(
    browser: Any, server: EditServer, folder: Path, served: bool, tmp_path: Path
) -> None:
    context = browser.new_context(accept_downloads=True)
    tab, second = context.new_page(), context.new_page()
    for each in (tab, second):
        each.goto(server.address if served else (folder / "viewer.html").as_uri())
        open_page(each)
    kept, path = "saved" if served else "kept in this browser", folder / "corrections.json"
    select(tab, 0)
    press(tab, "3")
    state(tab, kept)
    opener = second.locator('input[type="file"]')
    opener.set_input_files(file_of(page_of(folder), page_of(folder, "b1_002")))  # what another window has kept
    asks = said(second, "a.json: 1 pages taken. 1 pages differ from what is kept here: b1_001")
    assert text(second) == ["うい", "うえ"] and (not served or read_text(path) == "うい")
    asks.get_by_role("button", name="Keep what is here").click()
    assert text(second) == ["うい", "うえ"]
    opener.set_input_files(file_of(page_of(folder), page_of(folder, "b1_002")))
    said(second, "0 pages taken, 1 are here already. 1 pages differ")
    second.get_by_role("button", name="Take them from the file").click()
    said(second, "1 pages taken. This browser has another version of this page of 20")
    assert text(second) == ["あ"] and (not served or read_text(path) == "あ")
    select(tab, 1)
    press(tab, "d")  # the first window has not seen it
    said(tab, "Another window of this browser has changed this page")
    second.get_by_role("button", name="Show the other version").click()
    second.locator(".viewer-said").filter(has_text="the other version").wait_for()
    state(second, kept)
    assert text(second) == ["うい", "うえ"]
    assert served is False or read_text(path) == "うい"
    second.reload()
    said(second, "This browser has 2 other versions of this page")  # the first window's, and the file's
    context.close()


def test_another_version_can_be_deleted(browser: Any, folder: Path) -> None:
    tab = browser.new_page()
    tab.goto((folder / "viewer.html").as_uri())
    open_page(tab)
    select(tab, 0)
    press(tab, "3")
    tab.locator('input[type="file"]').set_input_files(file_of(page_of(folder)))
    tab.get_by_role("button", name="Take them from the file").click()
    tab.get_by_role("button", name="Delete the other version").click()
    tab.locator(".viewer-alert").wait_for(state="hidden")
    tab.reload()
    tab.locator(".viewer-box").first.wait_for()
    assert text(tab) == ["あ"] and tab.locator(".viewer-alert").is_hidden()
    tab.close()


@pytest.mark.parametrize("looks", ["another page and back", "download", "list"])
def test_a_window_that_looks_at_what_another_has_kept(browser: Any, folder: Path, looks: str, tmp_path: Path) -> None:
    """It shows the other's version, or is told with its next edit; it replaces nothing."""
    context = browser.new_context(accept_downloads=True)
    tabs = [context.new_page() for _ in range(2)]
    for tab in tabs:
        tab.goto((folder / "viewer.html").as_uri())
        open_page(tab)
    for tab, key in zip(tabs, "31", strict=True):
        select(tab, 0)
        press(tab, "d", "d")  # undo has something to go back to
        if tab is tabs[0]:
            state(tab, "kept in this browser")
            tabs[1].reload()
            tabs[1].locator(".viewer-box").first.wait_for()
        else:
            press(tab, key)
            state(tab, "kept in this browser")
    if looks == "another page and back":
        select(tabs[0], 0)
        press(tabs[0], "PageDown")
        tabs[0].wait_for_url("**#viewer-1")
        press(tabs[0], "PageUp")
        tabs[0].wait_for_url("**#viewer-0")
        assert text(tabs[0]) == ["いい", "うえ"]
        press(tabs[0], "Control+z")
        assert text(tabs[0]) == ["いい", "うえ"]
    else:
        if looks == "download":
            download(tabs[0], tmp_path / "c.json")
        else:
            tabs[0].get_by_role("button", name="All pages").click()
            tabs[0].get_by_role("button", name="All pages").click()
        select(tabs[0], 0)
        press(tabs[0], "3")
        said(tabs[0], "Another window of this browser has changed this page")
        assert read_text_of(download(tabs[0], tmp_path / "mine.json")) == "うい"  # what is shown
    tabs[1].reload()
    tabs[1].locator(".viewer-box").first.wait_for()
    assert text(tabs[1]) == ["いい", "うえ"]
    context.close()


def read_text_of(value: dict[str, Any]) -> str:
    return "".join(item["char"] for item in value["pages"][0]["characters"][:2])


def page_with_held(browser: Any, server: EditServer, address: str) -> tuple[Any, list[Any]]:
    """Return a tab with the first character selected, and the requests to `address`, which wait to be continued."""
    tab = browser.new_page()
    waiting: list[Any] = []
    tab.route(address, lambda route: waiting.append(route))
    tab.goto(server.address)
    open_page(tab)
    select(tab, 0)
    return tab, waiting


def test_what_is_edited_while_the_next_page_loads(browser: Any, server: EditServer, folder: Path) -> None:
    """It goes to the page that is still shown."""
    tab, waiting = page_with_held(browser, server, "**/b1_002.viewer.js")
    press(tab, "PageDown", "3")
    assert text(tab) == ["うい", "うえ"]
    wait_until(lambda: tab.evaluate("1") == 1 and (folder / "corrections.json").exists())
    waiting[0].continue_()
    tab.wait_for_url("**#viewer-1")
    assert text(tab) == ["あい", "うえ"] and read_text(folder / "corrections.json") == "うい"
    assert len(json.loads((folder / "corrections.json").read_text(encoding="utf-8"))["pages"]) == 1
    tab.close()


def test_what_is_edited_while_the_page_is_saved(browser: Any, server: EditServer, folder: Path) -> None:
    """The window has saved both edits itself, so neither counts as another version."""
    tab, waiting = page_with_held(browser, server, "**/corrections/*")
    press(tab, "3")
    wait_until(lambda: tab.evaluate("1") == 1 and len(waiting) == 1)
    press(tab, "1")
    waiting[0].continue_()
    wait_until(lambda: tab.evaluate("1") == 1 and len(waiting) == 2)
    tab.reload()  # before the second is saved
    tab.locator(".viewer-box").first.wait_for()
    assert text(tab) == ["いい", "うえ"] and tab.locator(".viewer-alert").is_hidden()
    wait_until(lambda: tab.evaluate("1") == 1 and len(waiting) > 2)
    waiting[-1].continue_()
    state(tab, "saved")
    assert read_text(folder / "corrections.json") == "いい"
    tab.close()


def test_the_server_is_started_again(browser: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was edited meanwhile is in the browser, and reaches the folder at the new address."""
    monkeypatch.setattr("kuzushiji.edit.server._Handler.protocol_version", "HTTP/1.0")  # no connection outlives it
    tab, path = browser.new_page(), folder / "corrections.json"
    port = 0
    for step in range(2):
        with EditServer(EditedFolder(folder), port) as server:
            thread = threading.Thread(target=server.serve_forever, args=(0.02,))
            thread.start()
            port = server.server_port
            if step == 0:
                tab.goto(server.address)
                open_page(tab)
                select(tab, 0)
                press(tab, "3")
                state(tab, "saved")
            else:
                press(tab, "1")
                said(tab, "expected the address that kuzushiji edit has printed")
                state(tab, "kept in this browser alone")
                tab.goto(server.address + "#viewer-0")
                wait_until(lambda: tab.evaluate("1") == 1 and read_text(path) == "いい")
            server.shutdown()
            thread.join()
        if step == 0:
            press(tab, "d")
            said(tab, "kuzushiji edit does not answer")
    tab.close()


def test_the_folder_cannot_be_written_for_a_while(
    browser: Any, server: EditServer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, value: Any) -> None:
        raise InputError(f"{path}: cannot be written: the disk is full")

    tab = browser.new_page()
    tab.goto(server.address)
    open_page(tab)
    with monkeypatch.context() as patch:
        patch.setattr("kuzushiji.edit.folder.atomic_write_json", full)
        select(tab, 0)
        press(tab, "3")
        said(tab, "cannot be written: the disk is full")
    press(tab, "d")  # the next edit tries it again
    state(tab, "saved")
    assert read_text(folder / "corrections.json") == "うい" and tab.locator(".viewer-alert").is_hidden()
    tab.close()


@pytest.mark.parametrize("how", ["gone", "older", "damaged"])
def test_the_file_is_changed_between_two_visits(browser: Any, server: EditServer, folder: Path, how: str) -> None:
    """It counts, and what the browser had saved is another version."""
    tab, path = browser.new_page(), folder / "corrections.json"
    tab.goto(server.address)
    open_page(tab)
    select(tab, 0)
    press(tab, "3")
    state(tab, "saved")
    if how == "gone":
        path.unlink()
    else:
        path.write_text("damaged" if how == "damaged" else json.dumps(content_of([page_of(folder, revision=1)])))
    tab.reload()
    if how == "damaged":
        said(tab, "corrections.json: expected JSON, got something else")
        assert path.read_text() == "damaged"
    else:
        said(tab, "This browser has another version of this page")
        assert text(tab) == (["あい", "うえ"] if how == "gone" else ["あ"])
        tab.get_by_role("button", name="Show the other version").click()
        wait_until(lambda: tab.evaluate("1") == 1 and path.exists() and read_text(path) == "うい")
    tab.close()


def test_a_browser_that_keeps_nothing(browser: Any, folder: Path, tmp_path: Path) -> None:
    tab = browser.new_page()
    tab.add_init_script("IDBFactory.prototype.open = () => { throw new Error('off'); }")
    tab.goto((folder / "viewer.html").as_uri())
    open_page(tab)
    select(tab, 0)
    press(tab, "3")
    state(tab, "not kept in this browser: download before you leave")
    press(tab, "PageDown")
    tab.wait_for_url("**#viewer-1")
    press(tab, "PageUp")
    tab.wait_for_url("**#viewer-0")
    assert text(tab) == ["うい", "うえ"] and read_text_of(download(tab, tmp_path / "c.json")) == "うい"
    leaves = "dispatchEvent(new Event('beforeunload', {cancelable: true}))"
    assert not tab.evaluate(leaves)  # the browser asks
    tab.close()


def test_corrections_of_an_older_reading_reach_the_folder(browser: Any, server: EditServer, folder: Path) -> None:
    tab = browser.new_page()
    tab.goto(server.address)
    tab.locator('input[type="file"]').set_input_files(file_of(page_of(folder, reading="1" * 16)))
    said(tab, "1 pages taken. These corrections are of an older reading")
    assert read_text(folder / "corrections.json") == "あ"
    tab.close()


def test_corrections_of_an_older_reading(browser: Any, folder: Path) -> None:
    """They are shown, and what they lack of the new reading is said."""
    content = {"name": "a.json", "mimeType": "text/plain", "buffer": json.dumps(content_of([page_of(folder)])).encode()}
    write_book(folder, reading="1" * 16)
    tab = browser.new_page()
    tab.goto((folder / "viewer.html").as_uri())
    tab.locator('input[type="file"]').set_input_files(content)
    tab.locator(".viewer-alert").filter(has_text="1 pages taken").wait_for()
    press(tab, "PageDown")  # the page of the corrections is shown
    tab.wait_for_url("**#viewer-1")
    press(tab, "PageUp")
    tab.locator(".viewer-alert").filter(has_text="These corrections are of an older reading").wait_for()
    assert text(tab) == ["あ"]
    tab.close()


def test_a_browser_that_is_closed_while_it_saves(browser: Any, server: EditServer, folder: Path) -> None:
    """The edit is in the browser, and reaches the folder when the page is opened again."""
    context = browser.new_context()
    tab = context.new_page()
    tab.goto(server.address)
    open_page(tab)
    context.route("**/corrections/*", lambda route: route.abort())
    select(tab, 0)
    press(tab, "3")
    tab.locator(".viewer-status").filter(has_text="kept in this browser").wait_for()
    tab.close()
    assert not (folder / "corrections.json").exists()
    context.unroute("**/corrections/*")
    tab = context.new_page()
    tab.goto(server.address)
    open_page(tab)
    assert text(tab) == ["うい", "うえ"]
    wait_until((folder / "corrections.json").exists)
    (page,) = json.loads((folder / "corrections.json").read_text(encoding="utf-8"))["pages"]
    assert page["characters"][0]["char"] == "う"
    context.close()
