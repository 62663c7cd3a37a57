"""Folds of pages, and data roots without test pages: what the two training commands make of them."""

import shutil
from pathlib import Path

import pytest

from kuzushiji.classify import main as classify
from kuzushiji.classify.inputs import read_split
from kuzushiji.data.labels import read_page_labels
from kuzushiji.data.paths import DataRoot
from kuzushiji.errors import InputError
from kuzushiji.segment import main as segment
from kuzushiji.segment.fold_pages import read_fold


@pytest.fixture
def one_book(tiny_root: Path, tmp_path: Path) -> Path:
    """A data root of three training pages of one book, without test pages."""
    root = tmp_path / "data"
    (root / "train_images").mkdir(parents=True)
    lines = (tiny_root / "train.csv").read_text().splitlines()
    chosen = [line for line in lines if line.startswith("100000003_")]
    (root / "train.csv").write_text("\n".join([lines[0], *chosen]) + "\n")
    for line in chosen:
        name = f"{line.split(',')[0]}.jpg"
        shutil.copy(tiny_root / "train_images" / name, root / "train_images" / name)
    return root


def test_segment_divides_pages(one_book: Path) -> None:
    words = ["--output-dir", str(one_book / "out"), "--n-folds", "3"]
    with pytest.raises(InputError, match="got 1 books for 3 folds; --split pages divides pages"):
        read_fold(segment.Segment.parse_args(words), DataRoot(one_book))
    held_out = []
    for fold in range(3):
        config = segment.Segment.parse_args([*words, "--fold", str(fold), "--split", "pages"])
        pages = read_fold(config, DataRoot(one_book))
        assert (len(pages.train.image_ids), len(pages.held_out.image_ids)) == (2, 1)
        held_out += pages.held_out.image_ids
    assert sorted(held_out) == sorted(read_page_labels(one_book / "train.csv").image_ids)


def test_classify_holds_out_the_same_pages(one_book: Path) -> None:
    for fold in range(3):
        words = ["--n-folds", "3", "--fold", str(fold), "--split", "pages", "--output-dir", str(one_book / "out")]
        split = read_split(classify.Classify.parse_args([str(one_book / "train.csv"), *words]), DataRoot(one_book))
        found = read_fold(segment.Segment.parse_args(words), DataRoot(one_book))
        assert split.truth.image_ids == found.held_out.image_ids and len(split.train.image_ids) == 2


@pytest.mark.parametrize("with_test", ["0", "1"])
def test_without_test_pages_there_is_no_part_for_them(with_test: str, one_book: Path, tiny_root: Path) -> None:
    words = ["--output-dir", str(one_book / "out"), "--with-test", with_test, "--n-folds", "3"]
    found, read = segment.Segment.parse_args(words), classify.Classify.parse_args([str(one_book / "train.csv"), *words])
    assert list(segment.Segment(found).parts_asked_for(DataRoot(one_book))) == ["train", "held_out"]
    assert list(classify.Classify(read).parts_asked_for(DataRoot(one_book))) == ["train", "held_out"]
    expected = ["train", "held_out", *(["test"] if with_test == "1" else [])]
    assert list(segment.Segment(found).parts_asked_for(DataRoot(tiny_root))) == expected
    assert list(classify.Classify(read).parts_asked_for(DataRoot(tiny_root))) == expected
