"""Trees that choose among a detector's boxes of low scores."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kuzushiji.errors import InputError
from kuzushiji.segment.selection import (
    FEATURES,
    LabelledBoxes,
    Rule,
    Selection,
    features,
    read_selection,
    train_selection,
    write_selection,
)
from tests.selections import HEIGHT, WIDTH, page_of, selection_of


@pytest.fixture(scope="module")
def selection() -> Selection:
    return selection_of()


def test_boxes_are_known_by_their_place(selection: Selection) -> None:
    """Their scores alone would take the false boxes before the true ones with low scores."""
    page = page_of(99)
    kept = selection.chosen(page.boxes_xywh, selection.probability(page.boxes_xywh, page.score, WIDTH, HEIGHT))
    label, _ = page.labels()
    assert (kept == (label == 1)).mean() > 0.95
    assert kept[page.score < 0.12].all()


def test_features_do_not_depend_on_the_pixels_of_a_page() -> None:
    page = page_of(1)
    one = features(page.boxes_xywh, page.score, WIDTH, HEIGHT)
    assert one.shape == (len(page.boxes_xywh), len(FEATURES))
    np.testing.assert_allclose(one, features(3 * page.boxes_xywh, page.score, 3 * WIDTH, 3 * HEIGHT), atol=1e-9)


@pytest.mark.parametrize("n", [0, 1, 2])
def test_pages_with_hardly_a_box(n: int, selection: Selection) -> None:
    boxes, score = np.array([[10, 10, 20, 30], [10, 50, 20, 30]])[:n], np.full(n, 0.2)
    assert selection.probability(boxes, score, 100, 100).shape == (n,)
    assert selection.kept(boxes, score, 100, 100, np.ones(n, np.bool_)).shape == (n,)


def test_the_box_that_fits_best_is_the_character_and_what_is_not_sure_is_not_learned_from() -> None:
    boxes = np.array([[10, 10, 40, 40], [15, 15, 30, 20], [10, 100, 40, 40], [300, 300, 9, 9]])
    true, sure = np.array([[10, 10, 40, 42], [10, 105, 40, 40]]), np.array([True, False])
    page = LabelledBoxes(boxes, np.full(4, 0.5), WIDTH, HEIGHT, true, sure)
    label, known = page.labels()
    assert label.tolist() == [1, 0, 1, 0] and known.tolist() == [True, True, False, True]
    assert replace(page, sure=None).labels()[1].all()
    nothing = replace(page, true_xywh=np.zeros((0, 4)), sure=None).labels()
    assert not nothing[0].any() and nothing[1].all()


def test_furigana_stay_where_the_detector_found_them(selection: Selection) -> None:
    """Labels have none, so the trees would drop them."""
    page = page_of(5)
    small = np.array([[145, 52 + 60 * row + 14 * part, 11, 13] for row in (2, 3) for part in (0, 1, 2)])
    boxes = np.concatenate([page.true_xywh, small])
    score, never = np.full(len(boxes), 0.9), replace(selection, rule=replace(selection.rule, probability=2.0))
    found = np.ones(len(boxes), np.bool_)
    assert never.kept(boxes, score, WIDTH, HEIGHT, found)[-len(small) :].all()
    assert not never.kept(boxes, score, WIDTH, HEIGHT, found)[: -len(small)].any()
    assert not never.kept(boxes, score, WIDTH, HEIGHT, ~found).any()


def test_a_file_holds_them(selection: Selection, tmp_path: Path) -> None:
    path, page = tmp_path / "selection.json", page_of(3)
    write_selection(path, selection)
    again = read_selection(path)
    assert again.rule == selection.rule
    one, two = (each.probability(page.boxes_xywh, page.score, WIDTH, HEIGHT) for each in (selection, again))
    np.testing.assert_allclose(one, two)


@pytest.mark.parametrize(
    "change",
    [{"format": "another"}, {"features": ["score"]}, {"rule": {"what": 1}}, {"rule": None}, {"trees": "no"}, None],
)
def test_a_damaged_file_is_named(change: dict[str, object] | None, selection: Selection, tmp_path: Path) -> None:
    path = tmp_path / "selection.json"
    write_selection(path, selection)
    value = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps([] if change is None else value | change), encoding="utf-8")
    with pytest.raises(InputError, match="selection.json: expected trees that choose among boxes, got a damaged file"):
        read_selection(path)


def test_pages_of_one_kind_of_boxes_are_refused() -> None:
    page = page_of(0)
    for true in (np.zeros((0, 4)), page.boxes_xywh):
        with pytest.raises(InputError, match="expected boxes with and without characters on 1 pages, got one kind"):
            train_selection([replace(page, true_xywh=true)], Rule())
