"""One page never ends the run."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from kuzushiji import cli
from kuzushiji.predict.__main__ import main
from kuzushiji.predict.reader import BundleReader
from kuzushiji.predict.records import Output

Failed = Callable[..., tuple[int, list[str]]]


@pytest.fixture
def failed(light: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Failed:
    """Run the command; return its exit code, and the lines on standard error that name a failure."""

    def run(*words: object) -> tuple[int, list[str]]:
        argv = [*map(str, words), "--models", str(light), "--output", str(tmp_path / "out"), "--device", "cpu"]
        with pytest.raises(SystemExit) as exit_:
            cli.run(main, argv)
        error = capsys.readouterr().err
        assert "Traceback" not in error
        return int(str(exit_.value.code)), [line for line in error.splitlines() if line.startswith(("failed", "error"))]

    return run


def test_whatever_happens_to_a_page_is_its_line(
    pages: Path, tmp_path: Path, failed: Failed, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = BundleReader.read

    def odd(reader: BundleReader, image: Any, *, name: str = "", **more: Any) -> Any:
        if name == "page1":
            raise TypeError("no\nsuch thing")
        return read(reader, image, name=name, **more)

    monkeypatch.setattr(BundleReader, "read", odd)
    code, lines = failed(pages, "--formats", "text", "csv")
    assert (code, lines) == (1, [f"failed: {pages}/page1.jpg: cannot be read: TypeError: no\\nsuch thing"])
    assert (tmp_path / "out" / "page2.txt").is_file()


def test_a_page_that_vanishes_after_listing(
    pages: Path, tmp_path: Path, failed: Failed, monkeypatch: pytest.MonkeyPatch
) -> None:
    def prepare(output: Output, **_: bool) -> None:
        (output.folder / "records").mkdir(parents=True)
        (pages / "page1.jpg").unlink()

    monkeypatch.setattr(Output, "prepare", prepare)
    assert failed(pages) == (1, [f"failed: {pages}/page1.jpg: cannot be read: No such file or directory"])
    assert (tmp_path / "out" / "page2.txt").is_file()


def test_a_page_whose_files_cannot_be_written(
    pages: Path, tmp_path: Path, failed: Failed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder stands where its text should: the next page is read. Without the folder of results none is."""

    def prepare(output: Output, **_: bool) -> None:
        (output.folder / "records").mkdir(parents=True)
        (output.folder / "page1.txt").mkdir()

    monkeypatch.setattr(Output, "prepare", prepare)
    code, (line,) = failed(pages)
    assert code == 1 and line.startswith(f"failed: {pages}/page1.jpg: ") or "page1.txt: cannot be written" in line
    assert (tmp_path / "out" / "page2.txt").is_file()


def test_a_lost_disk_ends_the_run(pages: Path, failed: Failed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Output, "_probe", lambda _: (_ for _ in ()).throw(OSError(5, "Input/output error")))
    monkeypatch.setattr(Output, "prepare", lambda *_, **__: None)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.mkstemp", refuse)
    code, (line,) = failed(pages)
    assert code == 1 and line.startswith("error: ") and line.endswith("cannot write there: Permission denied")


def test_names_of_any_kind_are_read(pages: Path, tmp_path: Path, failed: Failed) -> None:
    import os

    picture = (pages / "page1.jpg").rename(pages / "line\nbreak \x1b[31m.jpg")
    (pages / "page2.jpg").rename(os.fsdecode(os.fsencode(pages / "x") + "頁.jpg".encode("cp932")))
    (pages / ("a." + "b" * 117 + ".png")).write_bytes(picture.read_bytes())
    assert failed(pages, "--formats", "text", "json", "page", "alto", "csv", "--json", "1") == (0, [])
    xml = (tmp_path / "out" / ("a." + "b" * 117 + ".page.xml")).read_text()
    assert 'imageFilename="../pages/a.b' in xml
    found = {path.name for path in (tmp_path / "out").glob("*.json")}
    assert found == {"line_break _[31m.json", "x頁.json", "a." + "b" * 117 + ".json"}
    assert json.loads((tmp_path / "out" / "x頁.json").read_text())["image"] == "x頁.jpg"


def test_closed_standard_input(failed: Failed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", None)
    assert failed("-") == (1, ["error: expected names of pages on standard input (-), it is closed"])


def test_results_are_no_pages_of_the_next_run(light: Path, pages: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [str(pages), "--models", str(light), "--output", str(pages / "out"), "--device", "cpu", "--json", "1"]
    assert main([*words, "--formats", "text", "overlay"]) == 0
    capsys.readouterr()
    assert main([*words, "--formats", "text", "overlay", "--resume", "1"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert (summary["read"], summary["skipped"]) == (0, 2)


def test_what_is_odd_is_noted(light: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = io.BytesIO()
    Image.fromarray(np.full((90, 60, 3), 200, np.uint8)).save(file, "JPEG")
    (tmp_path / "page.jpg").write_bytes(file.getvalue()[:-2])
    words = [str(tmp_path / "page.jpg"), "--models", str(light), "--output", str(tmp_path / "out"), "--device", "cpu"]
    assert main([*words, "--json", "1"]) == 0
    output = capsys.readouterr()
    note = f"{tmp_path}/page.jpg: the JPEG has no end marker; all rows are there"
    assert json.loads(output.out)["notes"][0] == note and f"note: {note}" in output.err.splitlines()
