"""Out-of-fold tables of all folds -> one table."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kuzushiji.data.labels import PageLabels, read_page_labels, write_page_labels
from kuzushiji.data.paths import DataRoot
from kuzushiji.segment.merge import main

Failure = Callable[..., tuple[Any, str]]
EMPTY_PAGE = "hnsd001-002"


@pytest.fixture
def folds(tiny_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Three tables that divide the tiny root's training pages, in no particular order."""
    monkeypatch.setenv("KUZUSHIJI_DATA", str(tiny_root))
    labels = read_page_labels(DataRoot(tiny_root).train_csv)
    paths = [tmp_path / f"clf_gt{fold}.csv" for fold in range(3)]
    for fold, path in enumerate(paths):
        write_page_labels(path, labels.of_pages(labels.image_ids[::-1][fold::3]))
    return paths


def words(*parts: object) -> list[str]:
    return [str(part) for part in parts]


def test_all_pages_in_the_order_of_train_csv(folds: list[Path], tiny_root: Path, tmp_path: Path) -> None:
    out = tmp_path / "out" / "segment_clf_gt.csv"
    assert main(words(*folds, out)) == 0
    merged, train = read_page_labels(out), read_page_labels(tiny_root / "train.csv")
    assert merged.image_ids == train.image_ids
    assert merged.boxes.equals(train.boxes)
    assert EMPTY_PAGE in merged.image_ids


def test_the_result_as_json(
    folds: list[Path], tiny_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.csv"
    assert main([*words(*folds, out), "--json"]) == 0
    merged = read_page_labels(out)
    assert json.loads(capsys.readouterr().out) == {"pages": len(merged.image_ids), "boxes": len(merged.boxes)}


def test_done_is_skipped_and_a_changed_input_is_not(folds: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    main(words(*folds, out))
    before = out.stat().st_mtime_ns
    main(words(*folds, out))
    assert out.stat().st_mtime_ns == before
    labels = read_page_labels(folds[0])
    write_page_labels(folds[0], PageLabels(labels.image_ids, labels.boxes.iloc[1:]))
    main(words(*folds, out))
    assert out.stat().st_mtime_ns > before


def test_missing_fold(folds: list[Path], tmp_path: Path, failure: Failure) -> None:
    code, line = failure(main, *folds[:2], tmp_path / "out.csv")
    assert code == 1
    assert "4 are missing: name the clf_gt.csv of every fold" in line
    assert not (tmp_path / "out.csv").exists()
    assert main(words(*folds[:2], tmp_path / "out.csv", "--allow-missing")) == 0
    assert len(read_page_labels(tmp_path / "out.csv").image_ids) == 9


def test_doubled_page(folds: list[Path], tmp_path: Path, failure: Failure) -> None:
    code, line = failure(main, *folds, folds[1], tmp_path / "out.csv")
    assert code == 1
    assert "expected each page once, it is in" in line
    assert str(folds[1]) in line


def test_page_of_other_data(folds: list[Path], tmp_path: Path, failure: Failure) -> None:
    folds[0].write_text(folds[0].read_text() + "stranger,U+3042 1 1 5 5\n")
    code, line = failure(main, *folds, tmp_path / "out.csv")
    assert code == 1
    assert "page stranger: expected only pages of train.csv" in line


def test_output_of_other_origin_is_not_replaced(folds: list[Path], tmp_path: Path, failure: Failure) -> None:
    out = tmp_path / "out.csv"
    out.write_text("precious")
    code, line = failure(main, *folds, out)
    assert code == 1
    assert "exists and was not written by segment.merge; --force replaces it" in line
    assert out.read_text() == "precious"
    assert main(words(*folds, out, "--force")) == 0
    assert out.read_text().startswith("image_id,labels")


def test_stopped_between_output_and_record(folds: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    main(words(*folds, out))
    (tmp_path / "out.csv.record.json").unlink()
    assert main(words(*folds, out)) == 0
    assert (tmp_path / "out.csv.record.json").exists()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.csv", None, "none.csv"),  # missing
        ("empty.csv", "", "empty.csv"),  # no columns
        ("other.csv", "a,b\n1,2\n", "other.csv"),  # other columns
        ("short.csv", "image_id,labels\npage,U+3042 1 1 5\n", "short.csv, row 2, page page"),  # a number is missing
    ],
)
def test_damaged_table(
    name: str, content: str | None, message: str, folds: list[Path], tmp_path: Path, failure: Failure
) -> None:
    if content is not None:
        (tmp_path / name).write_text(content)
    code, line = failure(main, *folds, tmp_path / name, tmp_path / "out.csv")
    assert code == 1
    assert message in line


def test_no_data_root(folds: list[Path], tmp_path: Path, failure: Failure) -> None:
    code, line = failure(main, *folds, tmp_path / "out.csv", "--data-root", tmp_path / "nowhere")
    assert code == 1
    assert "nowhere: expected a folder with train.csv" in line


def test_usage(failure: Failure) -> None:
    assert failure(main, "one.csv")[0] == 2
