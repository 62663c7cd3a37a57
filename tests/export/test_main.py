"""Exported models: they read as the run does, alone; what goes wrong."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open

from kuzushiji import cli
from kuzushiji.bundle.loading import load_bundle
from kuzushiji.bundle.model_files import find_models
from kuzushiji.classify.level2.pairs import count_pairs, write_pairs
from kuzushiji.data.vocabulary import Vocabulary
from kuzushiji.errors import InputError
from kuzushiji.export.__main__ import main
from kuzushiji.predict.__main__ import main as predict
from kuzushiji.run_folder import LANGUAGE, READING
from tests.models import some_of, write_classifier

Failed = Callable[..., tuple[Any, str]]


@pytest.fixture
def failed(capsys: pytest.CaptureFixture[str]) -> Failed:
    """Run a command that must fail; return its exit code and the one line that it prints."""

    def run(*words: object) -> tuple[Any, str]:
        with pytest.raises(SystemExit) as exit_:
            cli.run(main, [str(word) for word in words])
        error = capsys.readouterr().err.strip()
        assert "\n" not in error
        return exit_.value.code, error

    return run


@pytest.fixture(scope="module")
def exported(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All models and the second level: read-only."""
    out = tmp_path_factory.mktemp("exported") / "out"
    assert main([str(models), str(out)]) == 0
    return out


def read_json(models: Path, image: Path, out: Path) -> dict[str, Any]:
    assert predict([str(image), "--models", str(models), "--output", str(out), "--device", "cpu"]) == 0
    content: dict[str, Any] = json.loads((out / f"{image.stem}.json").read_text())
    return content


def test_reads_as_the_run_does(models: Path, exported: Path, tiny_root: Path, tmp_path: Path) -> None:
    image = sorted((tiny_root / "test_images").iterdir())[0]
    expected = read_json(models, image, tmp_path / "of_run")
    assert expected["characters"]
    read = read_json(exported, image, tmp_path / "of_export")
    assert read.pop("models") != expected.pop("models"), "their files are others"
    assert read == expected


def test_files(exported: Path) -> None:
    names = {str(path.relative_to(exported)) for path in exported.rglob("*") if path.is_file()}
    level2 = {name for name in names if name.startswith("level2_models/")}
    classifiers = {f"clf-fold{fold}{kind}.safetensors" for fold in range(3) for kind in ("", "-b")}
    detectors = {f"segment-fold{fold}.safetensors" for fold in range(2)}
    assert names - level2 == {"bundle.json", "vocabulary.json", *classifiers, *detectors}
    assert {"level2_models/level2.json", "level2_models/fold0.lgb.txt"} <= level2
    with safe_open(exported / "clf-fold0.safetensors", "pt") as file:
        assert file.metadata() == {"format": "pt"}


def test_nothing_is_a_pickle(exported: Path) -> None:
    for path in exported.rglob("*"):
        if path.is_file():
            start = path.read_bytes()[:4]
            assert not start.startswith((b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05", b"PK\x03\x04")), path


def test_description(exported: Path) -> None:
    facts = json.loads((exported / "bundle.json").read_text())
    assert facts["format"] == "kuzushiji-bundle-1" and facts["classes"] == 6 and facts["level2"] is True
    assert facts["licence"] == "MIT" and "torch" in facts["versions"]
    assert [item["f1"] for item in facts["detectors"]] == [0.5, 0.5]
    assert [item["f1"] for item in facts["classifiers"]] == [0.75] * 6
    assert facts["licences"]["clf-fold0"] == "trained from random weights"
    assert find_models(exported).kinds == ("clf", "clf-b")


def test_float16_has_half_the_size(light: Path, tiny_root: Path, tmp_path: Path) -> None:
    sizes = []
    for words in ([], ["--float16"]):
        out = tmp_path / f"out{len(words)}"
        assert main([str(light), str(out), *words]) == 0
        sizes.append(sum(path.stat().st_size for path in out.rglob("*") if path.is_file()))
    assert 0.49 < sizes[1] / sizes[0] < 0.52
    image = sorted((tiny_root / "test_images").iterdir())[0]
    whole, half = (read_json(tmp_path / f"out{n}", image, tmp_path / f"read{n}") for n in (0, 1))
    boxes = [np.array([item["box"] for item in page["characters"]]) for page in (whole, half)]
    assert boxes[0].shape == boxes[1].shape and np.abs(boxes[0] - boxes[1]).max() <= 1


def test_int8_has_a_quarter_of_the_size_and_finds_nearly_the_same_boxes(
    light: Path, tiny_root: Path, tmp_path: Path
) -> None:
    sizes = []
    for name, words in (("whole", []), ("eight", ["--int8"])):
        assert main([str(light), str(tmp_path / name), *words]) == 0
        sizes.append(sum(path.stat().st_size for path in (tmp_path / name).glob("*.safetensors")))
    assert 0.24 < sizes[1] / sizes[0] < 0.3
    image = sorted((tiny_root / "test_images").iterdir())[0]
    pages = [read_json(tmp_path / name, image, tmp_path / f"read-{name}") for name in ("whole", "eight")]
    counts = [len(page["characters"]) for page in pages]
    assert counts[0] > 0 and abs(counts[0] - counts[1]) <= max(2, 0.2 * counts[0])


def test_an_exported_folder_can_be_exported(exported: Path, tmp_path: Path) -> None:
    assert main([str(exported), str(tmp_path / "again")]) == 0
    first, again = (json.loads((folder / "bundle.json").read_text()) for folder in (exported, tmp_path / "again"))
    assert again == first


def test_the_language_goes_along_and_is_read_with(light: Path, tiny_root: Path, tmp_path: Path) -> None:
    vocabulary = Vocabulary.from_train_csv(tiny_root / "train.csv")
    run = some_of(light, tmp_path / "run", *(path.name for path in light.iterdir()))
    text = np.tile(np.arange(len(vocabulary) - 1), 40)  # each character has its one successor
    write_pairs(run / LANGUAGE, count_pairs([text], len(vocabulary)))
    assert (
        main([str(run), str(tmp_path / "with")]) == 0 and main([str(run), str(tmp_path / "no"), "--level2", "0"]) == 0
    )
    assert not (tmp_path / "no" / LANGUAGE).exists()
    image = sorted((tiny_root / "test_images").iterdir())[0]
    pages = [
        read_json(models, image, tmp_path / f"of-{models.name}") for models in (run, tmp_path / "with", tmp_path / "no")
    ]
    text_of = [[(item["code"], item["probability"]) for item in page["characters"]] for page in pages]
    assert text_of[0] == text_of[1] != text_of[2]
    assert len({page["models"] for page in pages}) == 3


def test_pages_with_small_characters_are_read_larger(light: Path, tiny_root: Path, tmp_path: Path) -> None:
    """Both from a run and from what it exports; where they are not small, all stays."""
    image = sorted((tiny_root / "test_images").iterdir())[0]
    usual = read_json(light, image, tmp_path / "usual")["characters"]
    for name, size, same in (("small", 0.5, False), ("large", 0.001, True)):
        run = some_of(light, tmp_path / name, *(path.name for path in light.iterdir()))
        (run / READING).write_text(json.dumps({"character_size": size}), encoding="utf-8")
        assert main([str(run), str(tmp_path / f"{name}-exported")]) == 0
        folders = (run, tmp_path / f"{name}-exported")
        pages = [read_json(models, image, tmp_path / f"of-{models.name}")["characters"] for models in folders]
        assert pages[0] == pages[1] and (pages[0] == usual) == same


@pytest.mark.parametrize("content", ["[]", '{"character_size": "much"}', '{"character_size": 2}'])
def test_a_wrong_size_of_characters_is_named(content: str, light: Path, tmp_path: Path) -> None:
    run = some_of(light, tmp_path / "run", *(path.name for path in light.iterdir()))
    (run / READING).write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match="reading.json: expected a character_size between 0 and 1, got"):
        find_models(run)


def test_summary(light: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(light), str(tmp_path / "out")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["model", "size", "F1", "SHA-256"]
    assert [line.split()[0] for line in lines[1:3]] == ["segment-fold0", "clf-fold0"]
    assert lines[-1].endswith("MB, 6 classes, without the second level")
    assert main([str(light), str(tmp_path / "out"), "--force", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["bytes"] > 1e6


def test_output_exists(light: Path, tmp_path: Path, failed: Failed) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").write_text("mine")
    assert failed(light, out) == (1, f"error: {out}: exists and is not empty; --force writes into it")
    code, error = failed(light, out / "mine.txt")
    assert code == 1 and error.endswith("mine.txt: expected a folder to write to, got a file")
    code, error = failed(light, light)
    assert code == 1 and error.endswith("expected another folder than that of the models")


def test_no_permission_to_write(light: Path, tmp_path: Path, failed: Failed) -> None:
    (tmp_path / "file").write_text("")
    code, error = failed(light, tmp_path / "file" / "out")
    assert code == 1 and "cannot make it" in error


def test_damaged_second_level(models: Path, tmp_path: Path, failed: Failed) -> None:
    runs = some_of(models, tmp_path / "runs", "segment-fold0", "clf-fold0")
    shutil.copytree(models / "level2_models", runs / "level2_models")
    (runs / "level2_models" / "fold0.lgb.txt").write_text("changed")
    code, error = failed(runs, tmp_path / "out")
    assert code == 1 and "fold0.lgb.txt: expected the file that was saved with level2.json, got another" in error
    assert not (tmp_path / "out").exists()
    assert main([str(runs), str(tmp_path / "out"), "--level2", "0"]) == 0
    assert find_models(tmp_path / "out").level2 is None
    before = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert failed(runs, tmp_path / "out", "--force") == (code, error)  # what was there is there, and reads pages
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == before
    assert find_models(tmp_path / "out").level2 is None


def test_missing_models(light: Path, tmp_path: Path, failed: Failed) -> None:
    code, error = failed(some_of(light, tmp_path / "runs", "clf-fold0"), tmp_path / "out")
    assert code == 1 and "expected at least one detector (segment-fold*/model_best.pth), got none" in error
    code, error = failed(some_of(light, tmp_path / "runs2", "segment-fold0"), tmp_path / "out")
    assert code == 1 and "expected at least one classifier (clf-fold*/model_best.pth), got none" in error


def test_models_of_different_vocabularies(light: Path, tmp_path: Path, failed: Failed) -> None:
    runs = some_of(light, tmp_path / "runs", "segment-fold0", "clf-fold0")
    write_classifier(runs / "clf-fold1", 0, Vocabulary.from_codes(["U+3042"]))
    code, error = failed(runs, tmp_path / "out")
    assert code == 1 and "expected the vocabulary of" in error
    assert not (tmp_path / "out").exists()


def test_what_a_killed_export_left_is_removed(light: Path, tmp_path: Path) -> None:
    left = tmp_path / "out" / ".out.tmp-12345678"
    left.mkdir(parents=True)
    (left / "segment-fold0.safetensors").write_text("half")
    assert main([str(light), str(tmp_path / "out")]) == 0
    assert not left.exists() and len(find_models(tmp_path / "out").detectors) == 1


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("bundle.json", "{}", "expected a description of models"),
        ("bundle.json", "no JSON", "expected JSON"),
        ("clf-fold0.safetensors", "no weights", "expected the file that was written with bundle.json, got another"),
    ],
)
def test_damaged_folder(
    light: Path, tiny_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, content: str,
    message: str,
) -> None:  # fmt: skip
    out = tmp_path / "out"
    assert main([str(light), str(out)]) == 0
    (out / name).write_text(content)
    image = next((tiny_root / "test_images").iterdir())
    with pytest.raises(SystemExit) as exit_:
        cli.run(predict, [str(image), "--models", str(out), "--output", str(tmp_path / "read"), "--device", "cpu"])
    assert exit_.value.code == 1 and message in capsys.readouterr().err


def test_missing_file_and_file_elsewhere(light: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert main([str(light), str(out)]) == 0
    (out / "clf-fold0.safetensors").unlink()
    with pytest.raises(InputError, match=r"clf-fold0.safetensors: expected the file that bundle.json names"):
        find_models(out)
    text = (out / "bundle.json").read_text().replace('"clf-fold0.safetensors"', '"../clf-fold0.safetensors"')
    (out / "bundle.json").write_text(text)
    with pytest.raises(InputError, match="is no name of a file"):
        find_models(out)


@pytest.mark.parametrize(
    ("part", "key", "value"),
    [
        ("detectors", "config", None),  # None: the key is not there
        ("detectors", "config", 7),
        ("detectors", "config", {"body": "resnet18", "no_such": 1}),
        ("detectors", "long_sides", 640),
        ("classifiers", "config", None),
        ("classifiers", "config", {"base": "resnet18", "no_such": 1}),
        ("classifiers", "heights", None),
        ("classifiers", "test_height", None),
    ],
)
def test_damaged_description(light: Path, tmp_path: Path, part: str, key: str, value: object) -> None:
    out = tmp_path / "out"
    assert main([str(light), str(out)]) == 0
    description = json.loads((out / "bundle.json").read_text())
    description[part][0].pop(key)
    if value is not None:
        description[part][0][key] = value
    (out / "bundle.json").write_text(json.dumps(description))
    with pytest.raises(InputError, match=r"expected a description of .*safetensors in bundle.json, got a"):
        load_bundle(find_models(out), torch.device("cpu"))
