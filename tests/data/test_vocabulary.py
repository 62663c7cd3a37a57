"""Class numbers come with a stored vocabulary."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from kuzushiji.data.labels import SEG_FP
from kuzushiji.data.vocabulary import Vocabulary, read_vocabulary, write_vocabulary
from kuzushiji.errors import InputError

A, B, C = "U+3042", "U+3044", "U+3046"


def test_codes_are_sorted_and_seg_fp_is_last() -> None:
    vocabulary = Vocabulary.from_codes([B, SEG_FP, A, B, "U+20B9F"])
    assert vocabulary.codes == ("U+20B9F", A, B, SEG_FP)
    assert (len(vocabulary), vocabulary.seg_fp) == (4, 3)
    assert Vocabulary.from_codes([]).codes == (SEG_FP,)


def test_encode_and_decode() -> None:
    vocabulary = Vocabulary.from_codes([A, B])
    for codes in ([B, SEG_FP, A], np.array([B, SEG_FP, A], dtype=object), pd.Series([B, SEG_FP, A], index=[7, 7, 7])):
        indices = vocabulary.encode(codes)
        assert indices.dtype == np.int32
        assert indices.tolist() == [1, 2, 0]
    assert vocabulary.decode(indices).tolist() == [B, SEG_FP, A]
    assert vocabulary.decode(np.array([[0, 1], [2, 0]])).tolist() == [[A, B], [SEG_FP, A]]
    assert vocabulary.encode([]).tolist() == vocabulary.decode(np.zeros(0, int)).tolist() == []


def test_unknown_code() -> None:
    with pytest.raises(InputError, match=r"somewhere: expected the 2 codes of the vocabulary, got U\+3044 and 1 more"):
        Vocabulary.from_codes([A]).encode([A, B, C, B], where="somewhere")


@pytest.mark.parametrize("index", [-1, 2])
def test_unknown_number(index: int) -> None:
    with pytest.raises(InputError, match="expected class numbers from 0 to 1"):
        Vocabulary.from_codes([A]).decode(np.array([0, index]))


def test_round_trip(tmp_path: Path) -> None:
    vocabulary = Vocabulary.from_codes([A, B])
    write_vocabulary(tmp_path / "vocabulary.json", vocabulary)
    assert read_vocabulary(tmp_path / "vocabulary.json") == vocabulary
    assert Vocabulary.from_json(vocabulary.to_json()) == vocabulary


def test_digests_differ_where_vocabularies_do() -> None:
    digests = {Vocabulary.from_codes(codes).digest() for codes in ([], [A], [B], [A, B], [A, B, SEG_FP])}
    assert len(digests) == 4


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "expected the JSON list"),
        ("{}", "got other JSON"),
        ("[1, 2]", "got other JSON"),
        (f'["{A}"]', "seg_fp last"),  # without seg_fp
        (f'["{B}", "{A}", "seg_fp"]', "expected a vocabulary of sorted codes"),
        (f'["{A}", "{A}", "seg_fp"]', "each once"),
        ("\ud800", "expected the JSON list"),
    ],
)
def test_damaged_file(text: str, line: str, tmp_path: Path) -> None:
    path = tmp_path / "vocabulary.json"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(InputError) as error:
        read_vocabulary(path)
    assert str(error.value).startswith(str(path))
    if text != "\ud800":  # no UTF-8 at all
        assert line in str(error.value)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"vocabulary.json: expected a vocabulary, cannot be read"):
        read_vocabulary(tmp_path / "vocabulary.json")


def test_from_train_csv(tiny_root: Path) -> None:
    assert Vocabulary.from_train_csv(tiny_root / "train.csv").codes[-1] == SEG_FP


def test_fault_7_stored_class_numbers_do_not_follow_the_train_csv_of_the_day(tmp_path: Path) -> None:
    yesterday = Vocabulary.from_codes([A, C])
    write_vocabulary(tmp_path / "vocabulary.json", yesterday)
    (tmp_path / "train.csv").write_text(f"image_id,labels\na,{A} 1 1 1 1 {B} 1 1 1 1 {C} 1 1 1 1\n")
    today = Vocabulary.from_train_csv(tmp_path / "train.csv")
    assert today.encode([C]).tolist() != yesterday.encode([C]).tolist()
    assert read_vocabulary(tmp_path / "vocabulary.json").encode([C]).tolist() == yesterday.encode([C]).tolist()


def test_fault_7_importing_reads_no_data(tmp_path: Path) -> None:
    # in an empty folder, with every file that is opened recorded
    script = """
import importlib, pkgutil, sys
opened = []
sys.addaudithook(lambda event, args: opened.append(str(args[0])) if event == "open" else None)
import kuzushiji.data, kuzushiji.metric, kuzushiji.scoring, kuzushiji.submission
for module in pkgutil.walk_packages(kuzushiji.data.__path__, "kuzushiji.data."):
    importlib.import_module(module.name)
print([name for name in opened if name.endswith((".csv", ".json", ".jpg", ".gz")) or "data/train" in name])
print([name for name in ("torch", "cv2", "jpeg4py") if name in sys.modules])
"""
    root = Path(__file__).parents[2]
    result = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env={"PYTHONPATH": str(root)}, capture_output=True, text=True
    )
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.splitlines() == ["[]", "[]"]
