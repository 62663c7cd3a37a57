import json
import re

import numpy as np

from kuzushiji.viewer import Candidate, ViewerBox, ViewerPage, ViewerPicture, render_viewer, viewer_section

PICTURE = ViewerPicture.of_page(np.zeros((20, 30, 3), np.uint8))
CANDIDATES = {"clf": [Candidate("あ", "U+3042", 0.75), Candidate("い", "U+3044", 0.2)], "level 2": []}


def embedded(html: str) -> dict[str, object]:
    """Return the data that the script reads."""
    (text,) = re.findall(r'<script type="application/json">(.*?)</script>', html, re.DOTALL)
    value: dict[str, object] = json.loads(text)
    return value


def test_what_the_script_is_given() -> None:
    wrong = ViewerBox(1, 2, 3.04, 4, "wrong", "い", "U+3044", 0.5, "あ", "U+3042", CANDIDATES)
    missed = ViewerBox(0, 0, 1, 1, "missed", "あ", "U+3042", why="dropped")
    data = embedded(render_viewer([ViewerPage("p", PICTURE, [wrong, missed], note="F1 0.5")], "Title"))
    assert data["models"] == ["clf", "level 2"] and data["classes"] == [["い", "U+3044"], ["あ", "U+3042"]]
    page = data["pages"][0]
    assert (page["name"], page["width"], page["height"], len(page["lines"])) == ("p", 30, 20, 2)
    assert page["boxes"] == [
        {
            "at": [1, 2, 3.0, 4], "kind": "wrong", "read": 0, "truth": 1, "probability": 0.5,
            "candidates": [[0, [[1, 0.75], [0, 0.2]]], [1, []]],
        },
        {"at": [0, 0, 1, 1], "kind": "missed", "read": 1, "candidates": [], "why": "dropped"},
    ]  # fmt: skip


def test_what_is_not_known_is_not_there() -> None:
    data = embedded(str(viewer_section([ViewerPage("p", PICTURE, [ViewerBox(0, 0, 1, 1, "read", "あ", "U+3042")])])))
    assert set(data["pages"][0]["boxes"][0]) == {"at", "kind", "read", "candidates"}


def test_there_are_switches_for_the_kinds_of_box_there_are() -> None:
    boxes = [ViewerBox(0, 0, 1, 1, kind, "あ", "U+3042") for kind in ("missed", "right")]
    html = str(viewer_section([ViewerPage("p", PICTURE, boxes)]))
    assert re.findall(r'type="checkbox" value="(\w+)"', html) == ["right", "missed", "labels"]
    assert "data-error" in html
    assert "data-error" not in str(viewer_section([ViewerPage("p", PICTURE, [])]))


def test_what_comes_from_data_is_escaped() -> None:
    evil = "</script><script>alert(1)</script>&\u2028"
    box = ViewerBox(0, 0, 1, 1, "read", evil, evil, 0.5, candidates={evil: [Candidate(evil, evil, 1)]})
    html = render_viewer([ViewerPage(evil, PICTURE, [box], note=evil)], evil)
    assert "<script>alert" not in html and "\u2028" not in html.split("application/json")[1].split("</script>")[0]
    data = embedded(html)
    assert data["models"] == [evil] and data["pages"][0]["name"] == evil


def test_the_document_asks_nothing_of_the_network() -> None:
    html = render_viewer([ViewerPage("p", PICTURE, [])], "Title")
    assert not re.search(r"""(?:src|href)=["'](?!data:|#|")""", html) and "@import" not in html
    assert "default-src 'none'" in html


def test_without_pages_it_says_so() -> None:
    assert "No pages to show." in render_viewer([], "Title")
