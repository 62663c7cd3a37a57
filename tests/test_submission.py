"""Predictions -> a table with every page of the sample."""

from pathlib import Path

import numpy as np
import pytest

from kuzushiji import submission
from kuzushiji.data.labels import SEG_FP, PageLabels, read_page_points
from kuzushiji.errors import InputError
from kuzushiji.scoring import points_of
from kuzushiji.submission import build_submission, read_sample, write_submission

A, B = "U+3042", "U+3044"
SAMPLE = ("c", "a", "b")


def boxes(pages: list[str], page: list[int], codes: list[str]) -> PageLabels:
    """Boxes of 10 x 20 pixels, box i at x = 100 i."""
    xywh = np.array([[100 * number, 0, 10, 20] for number in range(len(codes))])
    return PageLabels.from_arrays(pages, np.array(page, int), codes, xywh)


def test_each_page_of_the_sample_once_in_its_order() -> None:
    predictions = boxes(["a", "b"], [0, 0, 1], [A, B, A])
    result = build_submission(predictions, SAMPLE)
    assert result.image_ids == SAMPLE
    assert result.points["image_id"].tolist() == ["a", "a", "b"]
    assert result.points["x"].tolist() == [5, 105, 205]


def test_points_are_whole_pixels_inside_their_boxes(tmp_path: Path) -> None:
    """As in the competition's sample and the reference's submissions; the metric asks for strictly inside."""
    xywh = np.array([[372, 10, 3, 5], [372, 10, 2, 2], [7, 9, 30, 41]])
    predictions = PageLabels.from_arrays(["a"], np.zeros(3, int), [A, A, B], xywh)
    for table in (predictions, points_of(predictions)):
        result = build_submission(table, ("a",)).points
        assert result[["x", "y"]].to_numpy().tolist() == [[373, 12], [373, 11], [22, 29]]
        assert ((result[["x", "y"]] > xywh[:, :2]) & (result[["x", "y"]] < xywh[:, :2] + xywh[:, 2:])).all(axis=None)
    write_submission(tmp_path / "submission.csv", predictions, ("a",))
    assert (tmp_path / "submission.csv").read_text().endswith("a,U+3042 373 12 U+3042 373 11 U+3044 22 29\n")


def test_seg_fp_is_left_out_of_boxes_and_of_points() -> None:
    points = points_of(boxes(["a"], [0, 0], [B, A]))
    points.points["code"] = [SEG_FP, A]
    for table in (boxes(["a"], [0, 0], [SEG_FP, A]), points):
        result = build_submission(table, SAMPLE, scores=np.array([1.0, 0.5]))
        assert result.points["code"].tolist() == [A]


def test_nothing_predicted() -> None:
    assert len(build_submission(boxes([], [], []), SAMPLE).points) == 0
    assert build_submission(boxes([], [], []), ()).image_ids == ()


def test_too_many_on_a_page(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(submission, "MAX_POINTS", 2)
    predictions = boxes(["a", "b"], [0, 0, 1, 0, 0], [A, SEG_FP, A, A, B])
    # without scores the first stay; with scores the best, in their order; seg_fp takes nobody's place
    assert build_submission(predictions, SAMPLE).points["x"].tolist() == [5, 305, 205]
    scores = np.array([0.1, 0.9, 0.5, 0.7, 0.8])
    assert build_submission(predictions, SAMPLE, scores).points["x"].tolist() == [305, 405, 205]
    assert "1 pages have more than 2 predictions, the rest is left out: a" in caplog.text


def test_a_page_that_the_sample_lacks_is_refused() -> None:
    with pytest.raises(InputError, match="3 pages of the sample, got page d"):
        build_submission(boxes(["a", "d"], [0], [A]), SAMPLE)
    with pytest.raises(InputError, match="3 pages of sample.csv, got page d"):
        build_submission(boxes(["a", "d"], [0], [A]), SAMPLE, sample="sample.csv")


def test_pages_that_nobody_looked_at(caplog: pytest.LogCaptureFixture) -> None:
    build_submission(boxes(["a", "b", "c"], [0], [A]), SAMPLE)
    assert caplog.text == ""
    build_submission(boxes(["a"], [0], [A]), SAMPLE, sample="sample.csv")
    assert "nobody has looked at 2 of the 3 pages of sample.csv, which are empty" in caplog.text
    assert "the first is c" in caplog.text


def test_round_trip(tmp_path: Path) -> None:
    written = write_submission(tmp_path / "submission.csv", boxes(["a"], [0], [A]), SAMPLE)
    assert (tmp_path / "submission.csv").read_text() == "image_id,labels\nc,\na,U+3042 5 10\nb,\n"
    found = read_page_points(tmp_path / "submission.csv")
    assert found.image_ids == written.image_ids
    assert found.points.equals(written.points)


def test_sample(tiny_root: Path, tmp_path: Path) -> None:
    assert read_sample(tiny_root / "sample_submission.csv") == (
        "test_100000001_00001_1", "test_100000009_00001_1", "test_100000009_00002_1",
    )  # fmt: skip
    with pytest.raises(InputError, match="cannot be read"):
        read_sample(tmp_path / "sample_submission.csv")
