"""Boxes of several folds' detectors on the test pages -> one table."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kuzushiji.artifacts.detections import Detections, write_detections
from kuzushiji.data.labels import SEG_FP, read_page_labels
from kuzushiji.segment.fuse import main
from kuzushiji.segment.joining import Fusion, fuse_pages

Failure = Callable[..., tuple[Any, str]]


def found(**pages: list[tuple[float, float, float, float, float]]) -> Detections:
    """Return detections from rows of left, top, right, bottom, score."""
    rows = {name: np.array(boxes, dtype=np.float64).reshape(-1, 5) for name, boxes in pages.items()}
    return Detections.from_pages({name: (boxes[:, :4], boxes[:, 4]) for name, boxes in rows.items()})


ONE = found(p=[(10, 10, 30, 30, 0.9), (50, 50, 70, 70, 0.8)], empty=[], q=[(0, 0, 9, 9, 0.6)])
TWO = found(p=[(12, 10, 32, 30, 0.9)], empty=[], q=[])
THREE = found(p=[(80, 80, 90, 90, 0.7), (50, 50, 70, 70, 0.8)], empty=[], q=[])


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    """Folders of three folds' runs."""
    paths = [tmp_path / f"segment-fold{fold}" for fold in range(3)]
    for path, detections in zip(paths, (ONE, TWO, THREE), strict=True):
        write_detections(path / "test_detections.parquet", detections)
    return paths


def test_the_majority_decides(folders: list[Path], tmp_path: Path) -> None:
    """Two of three saw the first two boxes; where they differ the mean is taken. Pages without boxes stay."""
    out = tmp_path / "segment_test_predictions.csv"
    assert main([str(path) for path in (*folders, out)]) == 0
    labels = read_page_labels(out)
    assert labels.image_ids == ("p", "empty", "q")
    assert set(labels.boxes["code"]) == {SEG_FP}
    assert sorted(map(tuple, labels.boxes_xywh.tolist())) == [(11, 10, 20, 20), (50, 50, 20, 20)]


@pytest.mark.parametrize(
    ("options", "boxes"),
    [
        ({"min_votes": 1}, 4),  # whatever anyone saw: three on p, one on q
        ({"min_votes": 2}, 2),
        ({"min_votes": 3}, 0),
        ({"min_votes": 4}, 0),  # of an exported folder with fewer detectors: all of them
        ({"min_votes": 1, "score_threshold": 0.5}, 2),  # 0.8 * 2/3 and 0.9 * 2/3 are left
        ({"min_votes": 1, "nms_threshold": 0.0}, 4),  # none overlap
    ],
)
def test_votes_and_scores(options: dict[str, Any], boxes: int) -> None:
    fused = fuse_pages([ONE, TWO, THREE], Fusion(**options))
    assert fused.image_ids == ("p", "empty", "q")
    assert len(fused.scores) == boxes


def test_of_fused_boxes_that_overlap_the_better_stays(folders: list[Path], tmp_path: Path) -> None:
    """Too far apart (IoU 0.33) to be the same box for the fusion, too near to be two characters."""
    write_detections(folders[2] / "test_detections.parquet", found(p=[(20, 10, 40, 30, 0.5)], empty=[], q=[]))
    words = [*map(str, folders), str(tmp_path / "out.csv"), "--min-votes", "1"]
    left = {}
    for threshold in ("1", "0.3", "0.5"):
        assert main([*words, "--nms-threshold", threshold, "--force"]) == 0
        labels = read_page_labels(tmp_path / "out.csv")
        left[threshold] = sorted(labels.boxes_xywh[:, 0].tolist())
    assert left["1"] == left["0.5"] == [0, 11, 20, 50]
    assert left["0.3"] == [0, 11, 50]


def test_a_single_fold_stays_as_it_is(folders: list[Path], tmp_path: Path) -> None:
    """A folder, or the file in it."""
    for given in (folders[0], folders[0] / "test_detections.parquet"):
        out = tmp_path / f"{given.name}.csv"
        assert main([str(given), str(out)]) == 0
        assert read_page_labels(out).boxes_xywh.tolist() == [[10, 10, 20, 20], [50, 50, 20, 20], [0, 0, 9, 9]]


def test_done_is_skipped_and_a_changed_input_is_not(folders: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    words = [str(path) for path in (*folders, out)]
    main(words)
    before = out.stat().st_mtime_ns
    main(words)
    assert out.stat().st_mtime_ns == before
    write_detections(folders[2] / "test_detections.parquet", TWO)
    main(words)
    assert out.stat().st_mtime_ns > before


def test_folds_of_other_pages(folders: list[Path], tmp_path: Path, failure: Failure) -> None:
    write_detections(folders[1] / "test_detections.parquet", found(p=[], q=[]))
    code, line = failure(main, *folders, tmp_path / "out.csv")
    assert code == 1
    assert "page empty is missing" in line
    assert str(folders[1]) in line


def test_fold_that_has_not_run(folders: list[Path], tmp_path: Path, failure: Failure) -> None:
    code, line = failure(main, *folders, tmp_path / "segment-fold3", tmp_path / "out.csv")
    assert code == 1
    assert "segment-fold3" in line


def test_output_of_other_origin_is_not_replaced(folders: list[Path], tmp_path: Path, failure: Failure) -> None:
    out = tmp_path / "out.csv"
    out.write_text("precious")
    code, line = failure(main, *folders, out)
    assert code == 1
    assert "exists and was not written by segment.fuse; --force replaces it" in line
    assert out.read_text() == "precious"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("a b out --min-votes 3", "--min-votes: expected at most the 2 folds, got 3"),
        ("a b out --iou-threshold 0.3", "--iou-threshold: expected 0.5 to 1, got 0.3"),
        ("out", "OUT"),
    ],
)
def test_usage(words: str, message: str, failure: Failure) -> None:
    code, line = failure(main, *words.split())
    assert code == 2
    assert message in line
