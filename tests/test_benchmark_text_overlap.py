"""The benchmark of shared texts, by hand and on books of the demo."""

import json
from pathlib import Path

import numpy as np
import pytest

from kuzushiji.data.labels import PageLabels, write_page_labels
from kuzushiji.data.paths import DataRoot
from kuzushiji.demo.__main__ import main as demo
from tests.benchmark_scripts import load

FIRST, SECOND, OTHER = "いろはにほへとちりぬるをわ", "かよたれそつねならむうゐの", "あさきゆめみしゑひもせすん"


def labels(pages: dict[str, str]) -> PageLabels:
    """Pages of one column each."""
    codes = [f"U+{ord(character):04X}" for text in pages.values() for character in text]
    number = np.repeat(np.arange(len(pages)), [len(text) for text in pages.values()])
    boxes = [[50, 20 * place, 15, 15] for text in pages.values() for place in range(len(text))]
    return PageLabels.from_arrays(list(pages), number, codes, np.array(boxes, dtype=np.float64))


def test_pieces_that_other_pages_have_are_counted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script = load(monkeypatch, "text_overlap")
    root = DataRoot(tmp_path)
    write_page_labels(root.train_csv, labels({"100_1": FIRST, "100_2": SECOND, "200_1": FIRST}))
    write_page_labels(root.solution_csv, labels({"test_1": SECOND.replace("た", "だ"), "test_2": OTHER}))
    script.main([str(tmp_path), "--folds", "2"])
    told = json.loads(capsys.readouterr().out)[tmp_path.name]
    assert told["test"] == {"pages": 2, "pieces": 12, "known": 0.5, "pages_known_by_half": 1}  # without voicing marks
    assert told["held-out"]["0"] == {"pages": 1, "pieces": 6, "known": 1.0, "pages_known_by_half": 1}
    assert told["held-out"]["1"] == {"pages": 2, "pieces": 12, "known": 0.5, "pages_known_by_half": 1}
    assert told["test characters"] == {
        "all": 26, "of classes that no training page has": 14, "such classes": 14,
    }  # fmt: skip


def test_books_of_the_demo_share_next_to_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With one text for all books it was 0.95 of the pieces."""
    size = "--books 3 --pages 6 --test-books 1 --test-pages 2 --page-height 200 --workers 1"
    assert demo([str(tmp_path / "books"), *size.split()]) == 0
    told = load(monkeypatch, "text_overlap").measure(DataRoot(tmp_path / "books"), 3)
    for part in (told["test"], *told["held-out"].values()):
        assert part["pieces"] > 50
        assert part["known"] < 0.01
        assert part["pages_known_by_half"] == 0
