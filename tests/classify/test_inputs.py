"""The tables of a fold: what goes where, and every way in which they do not match."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from kuzushiji.classify.config import ClassifyConfig
from kuzushiji.classify.inputs import pages_of, read_pseudolabels, read_split, read_test_boxes
from kuzushiji.data.labels import SEG_FP, read_page_labels
from kuzushiji.data.paths import DataRoot
from kuzushiji.data.vocabulary import Vocabulary
from kuzushiji.errors import InputError

Change = Callable[[pd.DataFrame], pd.DataFrame]


@pytest.fixture
def root(tiny_root: Path) -> DataRoot:
    return DataRoot(tiny_root)


def table(root: DataRoot, path: Path, change: Change = lambda rows: rows, source: str = "train.csv") -> Path:
    rows = pd.read_csv(root.root / source, keep_default_na=False)
    change(rows).to_csv(path, index=False)
    return path


def config(clf_gt: Path, **options: object) -> ClassifyConfig:
    return ClassifyConfig(clf_gt=clf_gt, output_dir=clf_gt.parent / "out", **({"n_folds": 3} | options))


def set_labels(row: int, labels: str) -> Change:
    def change(rows: pd.DataFrame) -> pd.DataFrame:
        rows.loc[row, "labels"] = labels
        return rows

    return change


def test_a_fold_has_the_truth_of_all_its_pages(root: DataRoot, tmp_path: Path) -> None:
    """A page on which segmentation found nothing is there with its characters, and so is one without text."""
    rows = pd.read_csv(root.train_csv, keep_default_na=False)
    clf_gt = table(root, tmp_path / "clf_gt.csv", lambda rows: rows.assign(labels=""))
    splits = [read_split(config(clf_gt, fold=fold), root) for fold in range(3)]
    held_out = [image_id for split in splits for image_id in split.truth.image_ids]
    assert sorted(held_out) == sorted(rows["image_id"])
    for split in splits:
        assert split.valid.image_ids == split.truth.image_ids
        assert not set(split.train.image_ids) & set(split.valid.image_ids)
        assert len(split.valid.boxes) == 0 < len(split.truth.boxes)
        assert split.vocabulary.codes[-1] == SEG_FP and len(split.vocabulary) == 6


@pytest.mark.parametrize("pages", [0, 1, 2])
def test_pages_of_any_number(root: DataRoot, pages: int) -> None:
    """None, where there are more processes than pages."""
    labels = read_page_labels(root.train_csv)
    vocabulary = Vocabulary.from_train_csv(root.train_csv)
    own = labels.of_pages(labels.image_ids[:pages])
    found = pages_of(own, root.train_image, vocabulary, "train.csv")
    assert [page.image_id for page in found] == list(own.image_ids)
    assert sum(len(page.classes) for page in found) == len(own.boxes)


def test_a_book_alone_is_held_out(root: DataRoot, tmp_path: Path) -> None:
    split = read_split(config(table(root, tmp_path / "clf_gt.csv"), test_book="umgy"), root)
    assert split.valid.image_ids == ("umgy001-001", "umgy001-002")
    assert len(split.train.image_ids) == 11


def test_limits_spread_over_the_table(root: DataRoot, tmp_path: Path) -> None:
    split = read_split(config(table(root, tmp_path / "clf_gt.csv"), train_limit=3, test_limit=1), root)
    assert (len(split.train.image_ids), len(split.valid.image_ids)) == (3, 1)


def drop_rows(*numbers: int) -> Change:
    return lambda rows: rows.drop(index=list(numbers))


def rename_row(row: int, image_id: str) -> Change:
    def change(rows: pd.DataFrame) -> pd.DataFrame:
        rows.loc[row, "image_id"] = image_id
        return rows

    return change


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (drop_rows(0, 5), {}, r"clf_gt\.csv: expected all 13 pages of .*2 are missing"),
        (rename_row(2, "other_1"), {}, r"clf_gt\.csv, page other_1: expected pages of"),
        (set_labels(0, "U+4E00 1 1 5 5"), {}, r"clf_gt\.csv: expected the 6 codes of the vocabulary, got U\+4E00"),
        (set_labels(0, "U+3042 1 1 5"), {}, r"clf_gt\.csv, row 2, page 100000001_00001_1: expected groups of 5"),
        (drop_rows(), {"test_book": "umgi"}, "--test-book: expected a book of train.csv, got umgi; did you mean umgy"),
        (drop_rows(), {"n_folds": 7}, "got 6 books for 7 folds"),
    ],
)
def test_tables_that_do_not_match(
    root: DataRoot, tmp_path: Path, change: Change, options: dict[str, object], message: str
) -> None:
    clf_gt = table(root, tmp_path / "clf_gt.csv", change)
    with pytest.raises(InputError, match=message):
        read_split(config(clf_gt, **options), root)


def test_test_boxes_are_those_of_the_sample(root: DataRoot, tmp_path: Path) -> None:
    table(root, tmp_path / "segment_test_predictions.csv", source="solution.csv")
    boxes, sample = read_test_boxes(config(tmp_path / "clf_gt.csv"), root)
    assert boxes.image_ids == sample and set(boxes.boxes["code"]) == {SEG_FP}
    elsewhere = table(root, tmp_path / "fused.csv", set_labels(0, ""), source="solution.csv")
    fewer, _ = read_test_boxes(config(tmp_path / "clf_gt.csv", test_boxes=elsewhere), root)
    assert 0 < len(fewer.boxes) < len(boxes.boxes)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (drop_rows(1), r"fused\.csv, page test_100000009_00001_1: expected all pages of the sample submission"),
        (rename_row(1, "test_other"), r"fused\.csv, page test_other: expected a page of the sample submission"),
    ],
)
def test_test_boxes_of_other_pages(root: DataRoot, tmp_path: Path, change: Change, message: str) -> None:
    path = table(root, tmp_path / "fused.csv", change, source="solution.csv")
    with pytest.raises(InputError, match=message):
        read_test_boxes(config(tmp_path / "clf_gt.csv", test_boxes=path), root)


def test_pseudolabels_are_pages_of_the_test_images(root: DataRoot, tmp_path: Path) -> None:
    vocabulary = Vocabulary.from_train_csv(root.train_csv)
    path = table(root, tmp_path / "pseudolabels.csv.gz", source="solution.csv")
    pages = read_pseudolabels(
        config(tmp_path / "clf_gt.csv", pseudolabels=(path,), pseudolabels_oversample=2), root, vocabulary
    )
    assert len(pages) == 6
    assert all(page.path.is_file() and page.path.parent == root.test_images for page in pages)
    assert read_pseudolabels(config(tmp_path / "clf_gt.csv"), root, vocabulary) == []


def test_pseudolabels_with_unknown_codes(root: DataRoot, tmp_path: Path) -> None:
    vocabulary = Vocabulary.from_train_csv(root.train_csv)
    path = table(root, tmp_path / "pseudolabels.csv", set_labels(0, "U+4E00 1 1 5 5"), source="solution.csv")
    with pytest.raises(InputError, match=r"pseudolabels\.csv: expected the 6 codes of the vocabulary, got U\+4E00"):
        read_pseudolabels(config(tmp_path / "clf_gt.csv", pseudolabels=(path,)), root, vocabulary)


def test_pages_hold_their_boxes(root: DataRoot) -> None:
    labels = read_page_labels(root.train_csv)
    vocabulary = Vocabulary.from_train_csv(root.train_csv)
    pages = pages_of(labels, root.train_image, vocabulary, "train.csv")
    assert [page.image_id for page in pages] == list(labels.image_ids)
    for page, (image_id, boxes) in zip(pages, labels.by_page(), strict=True):
        assert page.image_id == image_id and page.path == root.train_image(image_id)
        assert vocabulary.decode(page.classes).tolist() == boxes["code"].tolist()
        expected = boxes[["x", "y"]].to_numpy(), boxes[["w", "h"]].to_numpy()
        assert (page.boxes_xyxy[:, :2] == expected[0]).all()
        assert (page.boxes_xyxy[:, 2:] == expected[0] + expected[1]).all()
