"""A part of the pages by each of several processes, joined afterwards; and one model of each kind in place of all."""

import json
import shutil
from pathlib import Path

import pytest

from kuzushiji import cli
from kuzushiji.bundle.model_files import find_models
from kuzushiji.errors import InputError
from kuzushiji.locks import hold
from kuzushiji.predict.__main__ import main
from kuzushiji.predict.config import PredictConfig
from kuzushiji.predict.records import shard_place
from kuzushiji.predict.run import load_reader
from kuzushiji.predict.stopwatch import Stopwatch


def predict(models: Path, output: Path, *words: object) -> int:
    words = (*words, "--models", models, "--output", output, "--device", "cpu", "--formats", "text", "csv", "--json")
    return main([str(word) for word in words])


@pytest.fixture
def three(pages: Path) -> Path:
    """Three pages, and a file that is none."""
    shutil.copy(pages / "page1.jpg", pages / "page3.jpg")
    (pages / "page4.jpg").write_text("no picture")
    return pages


def test_shards_are_joined(light: Path, three: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert predict(light, whole, three) == 1

    def counts(*words: object) -> tuple[int, int, int]:
        capsys.readouterr()
        predict(light, parts, three, *words)
        summary = json.loads(capsys.readouterr().out)
        return summary["read"], summary["skipped"], len(summary["failed"])

    assert [counts("--shard", f"{number}/3") for number in (2, 3, 1)] == [(1, 0, 0), (1, 0, 0), (1, 0, 1)]
    assert not (parts / "submission.csv").exists()
    assert counts("--shard", "2/3") == (0, 1, 0)  # again: a shard goes on
    assert counts("--resume") == (0, 3, 1)
    for path in whole.iterdir():
        assert not path.is_file() or path.read_bytes() == (parts / path.name).read_bytes()


def test_a_shard_is_read_once_at_a_time(light: Path, pages: Path, tmp_path: Path) -> None:
    with hold(shard_place(tmp_path / "out", 1, 2)):
        with pytest.raises(InputError, match="shard-1-of-2"):
            predict(light, tmp_path / "out", pages, "--shard", "1/2")
        assert predict(light, tmp_path / "out", pages, "--shard", "2/2") == 0


def test_a_folder_with_other_files_takes_no_shard(light: Path, pages: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="exists and is not empty"):
        predict(light, tmp_path / "out", pages, "--shard", "1/2")


@pytest.mark.parametrize("text", ["0/2", "3/2", "1", "a/b", "1/0", "-1/2", "1/2/3"])
def test_no_shard(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        cli.run(main, ["page.jpg", "--output", "out", f"--shard={text}"])
    assert end.value.code == 2 and "expected K/N with K from 1 to N" in capsys.readouterr().err


def test_fast_takes_one_model_of_each_kind(models: Path) -> None:
    def counts(**options: bool) -> tuple[int, int, bool]:
        config = PredictConfig(pages=(), models=str(models), device="cpu", **options)
        bundle = load_reader(config, find_models(models), Stopwatch())._bundle
        return len(bundle.detectors), len(bundle.classifiers), bundle.level2 is not None

    assert counts(fast=True) == (1, 1, False)
    assert min(counts()[:2]) > 1 and counts()[2]
