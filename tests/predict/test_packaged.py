"""Models that come with the package: listed, used without being named, asked for by name."""

import json
from pathlib import Path

import pytest

from kuzushiji import cli
from kuzushiji import named_models as packaged
from kuzushiji.errors import InputError
from kuzushiji.export.__main__ import main as export
from kuzushiji.models import main as models_command
from kuzushiji.predict.__main__ import main

FACTS = {"trained_on": "made-up pages", "licence": "CC BY-SA 4.0", "f1": {"a": 0.5, "b": 0.7}, "cer": {"a": 0.25}}


@pytest.fixture
def readers(light: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two packaged models: `reader`, which the index describes, and `books`."""
    folder = tmp_path / "readers"
    folder.mkdir()
    for name in ("reader", "books"):
        assert export([str(light), str(folder / name), "--float16"]) == 0
    write_index(folder, {"reader": FACTS})
    monkeypatch.setattr(packaged, "FOLDER", folder)
    return folder


def write_index(folder: Path, readers: object) -> None:
    (folder / "index.json").write_text(json.dumps({"format": packaged.FORMAT, "readers": readers}))


def test_list(readers: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert models_command(["--json"]) == 0
    books, reader = json.loads(capsys.readouterr().out)["models"]
    assert {name: reader[name] for name in FACTS} == FACTS and not reader["as_published"]
    assert (books["name"], books["licence"], books["f1"]) == ("books", "MIT", {})
    write_index(readers, {"reader": {**FACTS, "digest": reader["digest"]}})
    assert models_command([]) == 0
    row = capsys.readouterr().out.splitlines()[-1]
    assert "CC BY-SA 4.0" in row and "0.600" in row and "0.250" in row and "not as published" not in row


def test_no_models(readers: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(packaged, "FOLDER", readers / "none")
    capsys.readouterr()
    assert models_command([]) == 0
    assert capsys.readouterr().out.startswith("no models come with this package")
    with pytest.raises(InputError, match="reader: expected the models of this name .* got a package without"):
        packaged.models_folder("reader")


def test_a_page_without_naming_models_or_a_folder(
    readers: Path, pages: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(pages / "page1.jpg"), "--models", str(readers / "reader"), "--output", str(tmp_path / "out")]) == 0
    capsys.readouterr()
    assert main([str(pages / "page1.jpg")]) == 0
    assert capsys.readouterr().out == (tmp_path / "out" / "page1.txt").read_text()
    assert main([str(pages), "--models", "books"]) == 0
    assert capsys.readouterr().out.startswith("page1\n")


def test_bad_names(readers: Path, pages: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, end in (("raeder", "; did you mean reader?"), ("none", "")):
        with pytest.raises(SystemExit) as exit_:
            cli.run(main, [str(pages), "--models", name])
        assert exit_.value.code == 1
        assert (
            capsys.readouterr()
            .err.strip()
            .endswith(f"{name}: expected a folder of models (of run-all.sh or kuzushiji.export), got none{end}")
        )
    with pytest.raises(SystemExit) as exit_:
        cli.run(main, [str(pages), "--resume"])
    assert exit_.value.code == 2
    assert "--resume: expected a folder for the results too, --output OUT, got none" in capsys.readouterr().err


def test_a_damaged_file(readers: Path, pages: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = next((readers / "reader").glob("segment*.safetensors"))
    path.write_bytes(path.read_bytes()[:-5] + b"other")
    with pytest.raises(SystemExit):
        cli.run(main, [str(pages)])
    assert f"{path}: expected the file that was written with bundle.json, got another" in capsys.readouterr().err


@pytest.mark.parametrize(
    "content",
    ["[]", '{"format": "other", "readers": {}}', '{"format": "kuzushiji-readers-1", "readers": {"reader": {"f1": 3}}}'],
)
def test_a_damaged_index(readers: Path, content: str) -> None:
    (readers / "index.json").write_text(content)
    with pytest.raises(InputError, match="index.json: expected a description of"):
        packaged.packaged_models()


def test_the_index_of_the_package_fits_its_folders() -> None:
    described = json.loads((packaged.FOLDER / packaged.INDEX).read_text())["readers"]
    assert set(packaged.packaged_models()) <= set(described)


def test_machine_written_models_warn_on_other_pages(
    readers: Path, pages: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bundle = readers / "books" / "bundle.json"
    bundle.write_text(json.dumps({**json.loads(bundle.read_text()), "machine_written": True}))
    assert main([str(pages / "page1.jpg"), "--models", "books"]) == 0
    assert "books: these models were trained on machine-written pages alone" in caplog.text
    caplog.clear()
    root = tmp_path / "root"
    (root / "test_images").mkdir(parents=True)
    (root / "record-demo.json").touch()
    (pages / "page1.jpg").rename(root / "test_images" / "page1.jpg")
    assert main([str(root / "test_images"), "--models", "books"]) == 0
    assert "machine-written" not in caplog.text
