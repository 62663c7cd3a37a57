"""The command line of the check."""

import json
import shutil
from pathlib import Path

import pytest

from kuzushiji import cli
from kuzushiji.data import check


def test_a_good_root(tiny_root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check.main([str(tiny_root), "--workers", "2"]) == 0
    captured = capsys.readouterr()
    assert captured.out.startswith("13 training pages of 6 books, 1 empty; ") and captured.out.endswith(": 0 faults\n")
    assert captured.err == ""  # no progress bar where there is no terminal


def test_faults_are_lines_on_standard_output(
    tiny_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = shutil.copytree(tiny_root, tmp_path / "root")
    (root / "train_images" / "umgy001-001.jpg").unlink()
    (root / "test_images" / "test_100000009_00001_1.jpg").write_bytes(b"")
    with pytest.raises(SystemExit) as exit_:
        cli.run(check.main, [str(root)])
    lines = capsys.readouterr().out.splitlines()
    assert exit_.value.code == 1
    assert len(lines) == 3
    assert "page umgy001-001: " in lines[0] and "page test_100000009_00001_1: " in lines[1]
    assert lines[2].endswith(": 2 faults")


def test_the_findings_as_json(tiny_root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check.main([str(tiny_root), "--json", "--workers", "1"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["faults"], found["train_pages"], found["test_pages"]) == ([], 13, 3)


def test_no_data_root(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        cli.run(check.main, [str(tmp_path / "nowhere")])
    captured = capsys.readouterr()
    assert (exit_.value.code, captured.out) == (1, "")
    assert (
        captured.err.startswith(f"error: {tmp_path / 'nowhere'}: expected a folder") and captured.err.count("\n") == 1
    )


def test_the_root_of_the_environment(
    tiny_root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KUZUSHIJI_DATA", str(tiny_root))
    assert check.main([]) == 0


@pytest.mark.parametrize("argv", [["--workers", "0"], ["a", "b"], ["--worker", "1"]])
def test_bad_usage(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        cli.run(check.main, argv)
    assert exit_.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1
