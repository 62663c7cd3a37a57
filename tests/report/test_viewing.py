from pathlib import Path

import cv2
import numpy as np
import pytest

from kuzushiji.data.labels import SEG_FP
from kuzushiji.report.error_counts import confused_pairs
from kuzushiji.report.model_candidates import ModelCandidates
from kuzushiji.report.viewing import page_f1, pages_with_pairs, place_of_box, spread_of_pages, viewer_page
from kuzushiji.viewer import Candidate, ViewerBox
from tests.report.outcomes import CHARS, A, B, outcome


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "page.jpg"
    cv2.imwrite(str(path), np.full((40, 400, 3), 200, np.uint8))
    return path


def boxes_of(page: str, image: Path, *rows: tuple[str, int, str, float], known: bool = True) -> list[ViewerBox]:
    """Return what the viewer shows of a page, without candidates."""
    return list(viewer_page(outcome(*rows, known=known, image=image), page, [], CHARS).boxes)


def summary(boxes: list[ViewerBox]) -> list[tuple[str, float, str, str]]:
    return [(box.kind, box.x, box.char, box.truth) for box in boxes]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        # nothing was read
        ([], [("missed", 0, "い", "い"), ("missed", 50, "あ", "あ")]),
        # right, and one missed
        ([("q", 0, B, 0.5)], [("right", 0, "い", "い"), ("missed", 50, "あ", "あ")]),
        # a wrong one tells the truth, and the character under it is not shown as missed once more
        ([("q", 0, A, 0.5)], [("wrong", 0, "あ", "い"), ("missed", 50, "あ", "あ")]),
        # a character is there once: the second box on it is wrong
        (
            [("q", 0, B, 0.5), ("q", 2, B, 0.5)],
            [("right", 0, "い", "い"), ("wrong", 2, "い", "い"), ("missed", 50, "あ", "あ")],
        ),
        # the centre on the edge is not inside
        ([("q", 10, B, 0.5)], [("wrong", 10, "い", ""), ("missed", 0, "い", "い"), ("missed", 50, "あ", "あ")]),
        # nothing is there
        ([("q", 200, A, 0.5)], [("wrong", 200, "あ", ""), ("missed", 0, "い", "い"), ("missed", 50, "あ", "あ")]),
        # a dropped box is not shown; the character under it was missed
        ([("q", 0, SEG_FP, 0.5)], [("missed", 0, "い", "い"), ("missed", 50, "あ", "あ")]),
    ],
)
def test_what_was_right_wrong_and_missed(
    image: Path, rows: list[tuple[str, int, str, float]], expected: list[tuple[str, float, str, str]]
) -> None:
    assert summary(boxes_of("q", image, *rows)) == expected


def test_without_truth_boxes_are_read(image: Path) -> None:
    (box,) = boxes_of("q", image, ("q", 0, B, 0.5), known=False)
    assert (box.kind, box.char, box.code, box.probability, box.truth) == ("read", "い", B, 0.5, "")


def test_a_probability_that_is_not_known(image: Path) -> None:
    assert boxes_of("r", image, ("r", 0, B, float("nan")))[0].probability is None


def test_candidates_go_with_their_box_and_a_missed_character_has_those_of_the_dropped_box(image: Path) -> None:
    codes = np.array([[A, SEG_FP], [SEG_FP, B]], object)
    model = ModelCandidates("clf", {("q", 0): 0, ("q", 1): 1}, codes, np.array([[0.75, 0.25], [0.5, 0.25]]))
    found = viewer_page(outcome(("q", 0, A, 1), ("q", 50, SEG_FP, 1), image=image), "q", [model], CHARS)
    wrong, missed = found.boxes
    assert wrong.candidates == {"clf": [Candidate("あ", A, 0.75), Candidate("none", SEG_FP, 0.25)]}
    assert missed.candidates == {"clf": [Candidate("none", SEG_FP, 0.5), Candidate("い", B, 0.25)]}


def test_single_models_stand_behind_their_blend(image: Path) -> None:
    models = [
        ModelCandidates(name, {("q", 0): 0}, np.array([[A]], object), np.array([[0.5]]))
        for name in ("clf", "clf, fold 0")
    ]
    found = viewer_page(outcome(("q", 0, A, 1), image=image), "q", models[:1], CHARS, single=models[1:])
    assert list(found.boxes[0].candidates) == ["clf"] and list(found.boxes[0].single_candidates) == ["clf, fold 0"]


def test_models_that_know_nothing_of_a_box_are_left_out(image: Path) -> None:
    model = ModelCandidates("clf", {}, np.empty((0, 5), object), np.empty((0, 5)))
    assert viewer_page(outcome(("q", 0, A, 1), image=image), "q", [model], CHARS).boxes[0].candidates == {}


def test_pages_from_the_worst_to_the_best_without_those_that_have_nothing() -> None:
    found = outcome(("p", 0, A, 1), ("q", 0, B, 1), ("q", 50, A, 1), ("r", 0, B, 1))  # r has no characters
    assert page_f1(found).to_dict() == {"p": 0.5, "q": 1.0}
    assert spread_of_pages(found, 9) == [("p", "F1 0.500, the worst"), ("q", "F1 1.000, the best")]
    assert spread_of_pages(found, 1) == [("p", "F1 0.500, the worst")]
    assert spread_of_pages(found, 0) == []
    assert spread_of_pages(outcome(known=False), 2) == [("p", ""), ("q", "")]


def test_pages_on_which_characters_are_confused_and_the_place_of_a_box() -> None:
    found = outcome(("p", 0, SEG_FP, 1), ("q", 50, B, 1), ("p", 50, B, 1), ("p", 0, B, 1))
    pairs = confused_pairs(found, 5)
    assert pages_with_pairs(found, pairs, 3, CHARS) == [("p", "F1 0.000, has あ and い confused")]
    assert pages_with_pairs(found, pairs, 3, CHARS, ["q"]) == []  # the pair is shown there already
    assert pages_with_pairs(found, pairs, 0, CHARS) == []
    assert [place_of_box(found, row) for row in (1, 2, 3)] == [0, 0, 1]


def test_why_a_character_was_missed(image: Path) -> None:
    no_box, dropped = boxes_of("q", image, ("q", 50, SEG_FP, 1))
    assert (no_box.why, dropped.why) == (
        "the detectors found no box here", "its box was taken for no character and dropped",
    )  # fmt: skip
