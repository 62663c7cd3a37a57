from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kuzushiji.artifacts import Detailed, write_detailed
from kuzushiji.data.labels import SEG_FP, PageLabels, read_page_labels, write_page_labels
from kuzushiji.data.paths import DataRoot
from kuzushiji.metric import Counts
from kuzushiji.report.collect import Collected, collect
from kuzushiji.report.outcome import final_outcome, held_out_outcomes, match_iou, rows_of_truth
from tests.report.outcomes import A, labels, outcome


@pytest.fixture
def root(tiny_root: Path) -> DataRoot:
    return DataRoot(tiny_root)


def test_which_character_a_box_stands_for() -> None:
    boxes = outcome(("p", 2, "", 1), ("p", 60, "", 1), ("q", 50, "", 1), ("r", 0, "", 1)).boxes
    # p at 60 shares a third of the union with the character at 50
    assert rows_of_truth(boxes, labels(), 0.5).tolist() == [0, -1, 4, -1]
    assert rows_of_truth(boxes, labels(), 0.3).tolist() == [0, 1, 4, -1]
    assert rows_of_truth(boxes.iloc[:0], labels(), 0.5).tolist() == []


def test_held_out_pages_of_all_folds_are_one_reading(runs: Path, root: DataRoot) -> None:
    train = read_page_labels(root.train_csv)
    (found,) = held_out_outcomes(collect(runs), root, train)
    assert found.name == "clf, held out" and set(found.pages) == set(train.image_ids)
    n = len(train.of_pages(train.image_ids[::2]).boxes)  # fold 0 found all, fold 1 nothing
    totals = found.scores[["tp", "fp", "fn"]].sum().tolist()
    assert totals == [n, 0, len(train.boxes) - n]
    assert found.boxes["probability"].between(0.999, 1).all()
    assert found.image(train.image_ids[0]) == root.train_image(train.image_ids[0])


def test_the_second_level_comes_last_with_its_own_probabilities(runs: Path, root: DataRoot) -> None:
    train = read_page_labels(root.train_csv)
    (runs / "level2_models").mkdir()
    write_detailed(runs / "level2_models" / "oof.parquet", sure(train, 0.8))
    outcomes = held_out_outcomes(collect(runs), root, train)
    assert [found.name for found in outcomes] == ["clf, held out", "level 2, held out"]
    np.testing.assert_allclose(outcomes[-1].boxes["probability"], 0.8, rtol=1e-6)


def sure(found: PageLabels, probability: float) -> Detailed:
    """Return a table as the second level writes it: logarithms of probabilities."""
    from tests.report.conftest import certain

    table = certain(found)
    logits = np.tile(np.log(np.float32([probability, 1 - probability])), (len(table), 1))
    return Detailed(table.boxes, table.classes, logits, table.vocabulary, table.pages)


def test_boxes_that_are_no_characters_in_the_end_are_dropped_boxes(runs: Path, root: DataRoot) -> None:
    truth = read_page_labels(root.solution_csv)
    found = final_outcome(collect(runs), root, truth)
    assert found is not None and found.name == "test pages"
    # the second level left out the first character, whose box the detectors had found
    assert len(found.boxes) == len(truth.boxes) and (found.boxes["pred"] == SEG_FP).sum() == 1
    assert (found.boxes["true"] == SEG_FP).sum() == 0
    totals = Counts(*found.scores[["tp", "fp", "fn"]].sum().tolist())
    assert totals == Counts(len(truth.boxes) - 1, 0, 1)


def test_without_truth_nothing_is_right_or_wrong(runs: Path, root: DataRoot) -> None:
    found = final_outcome(collect(runs), root, None)
    assert found is not None and found.truth is None and found.scores is None
    assert set(found.boxes["true"]) == {""} and (found.truth_row == -1).all()


def test_without_detectors_boxes_only_what_was_read_is_known(runs: Path, root: DataRoot) -> None:
    (runs / "segment_test_predictions.csv").unlink()
    truth = read_page_labels(root.solution_csv)
    found = final_outcome(collect(runs), root, truth)
    assert found is not None and len(found.boxes) == len(truth.boxes) - 1


def test_a_page_on_which_nothing_is_left_keeps_its_dropped_boxes(runs: Path, root: DataRoot) -> None:
    truth = read_page_labels(root.solution_csv)
    extra = truth.boxes.iloc[[0]].assign(box=99, x=0.0, y=0.0, w=3.0, h=3.0)
    write_page_labels(runs / "segment_test_predictions.csv", PageLabels(truth.image_ids, extra))
    found = final_outcome(collect(runs), root, truth)
    assert found is not None and found.boxes.iloc[-1][["pred", "true"]].tolist() == [SEG_FP, SEG_FP]


def test_nothing_to_read_from(tmp_path: Path, root: DataRoot) -> None:
    collected = collect(tmp_path)
    assert held_out_outcomes(collected, root, read_page_labels(root.train_csv)) == []
    assert final_outcome(collected, root, None) is None


@pytest.mark.parametrize(("text", "expected"), [('{"match_iou": 0.25}', 0.25), ("{}", 0.5)])
def test_the_iou_is_that_of_the_detector(tmp_path: Path, text: str, expected: float) -> None:
    (tmp_path / "segment-fold0").mkdir()
    (tmp_path / "segment-fold0" / "params.json").write_text(text)
    collected: Collected = collect(tmp_path)
    assert match_iou(collected) == expected


def test_a_submission_is_scored_with_its_whole_pixels() -> None:
    """The centre of a box is half a pixel inside a character; its submitted point is at the edge, which is outside."""
    read = outcome(("p", -9.5, A, 1.0))
    assert read.scores is not None and read.scores["tp"].sum() == 1
    submitted = replace(read, is_submission=True)
    assert submitted.points.points["x"].tolist() == [0.0]
    assert submitted.scores is not None and submitted.scores["tp"].sum() == 0
    assert not submitted.matched[0].any()
