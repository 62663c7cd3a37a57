"""Models are trained further on a few pages, with one command; what comes out is a run like any other."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from kuzushiji.bundle.model_files import find_models
from kuzushiji.bundle.stored import read_classifier
from kuzushiji.classify.level2.pairs import count_pairs, read_language, write_pairs
from kuzushiji.engine.weights import read_state
from kuzushiji.errors import InputError
from kuzushiji.export.__main__ import main as export
from kuzushiji.finetune import run
from kuzushiji.finetune.__main__ import main
from kuzushiji.finetune.starting_models import read_source
from kuzushiji.predict.__main__ import main as predict
from kuzushiji.report.__main__ import main as report
from kuzushiji.run_folder import LANGUAGE, READING
from tests.models import some_of

QUICK = ["--detector-epochs", "1", "--classifier-epochs", "1", "--threads", "1", "--device", "cpu", "--lr", "1e-5"]


@pytest.fixture(scope="module", autouse=True)
def _one_update() -> Iterator[None]:
    """An epoch is a batch: what is learned is not looked at."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "DETECTOR_CROPS", (1, 4))
        patch.setattr(run, "CLASSIFIER_CROPS", (1, 4))
        yield


@pytest.fixture(scope="module")
def data(tiny_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three pages of one book; 一 is a character that the models do not have, and え and お are not there."""
    folder = tmp_path_factory.mktemp("data")
    table = pd.read_csv(tiny_root / "train.csv", keep_default_na=False)
    table = table[table["image_id"].str.startswith("100000003")]
    for old in ("U+3048", "U+304A"):
        table["labels"] = table["labels"].str.replace(old, "U+4E00")
    (folder / "train_images").mkdir()
    for name in table["image_id"]:
        shutil.copy(tiny_root / "train_images" / f"{name}.jpg", folder / "train_images")
    table.to_csv(folder / "train.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def source(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with one detector, one classifier and a language."""
    folder = some_of(models, tmp_path_factory.mktemp("source") / "run", "segment-fold0", "clf-fold0")
    n_classes = len(find_vocabulary(folder))
    write_pairs(folder / LANGUAGE, count_pairs([np.array([0, 1, 0, 1])], n_classes))
    (folder / READING).write_text('{"character_size": 0.01}', encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def tuned(data: Path, source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What came of it: read-only."""
    folder = tmp_path_factory.mktemp("tuned") / "run"
    assert main([str(data), "--from", str(source), "--output", str(folder), *QUICK]) == 0
    return folder


def weights(folder: Path, name: str) -> dict[str, torch.Tensor]:
    content = torch.load(folder / name / "model_best.pth", weights_only=True)
    state: dict[str, torch.Tensor] = content["model"]
    return state


def vocabulary(folder: Path) -> list[str]:
    codes: list[str] = json.loads((folder / "clf-fold0" / "vocabulary.json").read_text())
    return codes


def find_vocabulary(folder: Path) -> tuple[str, ...]:
    files = find_models(folder)
    return read_classifier(files, files.classifiers[0]).vocabulary.codes


def test_summary(tuned: Path) -> None:
    facts = json.loads((tuned / "finetune.json").read_text())
    assert (facts["pages"], facts["held out"], facts["classes"], facts["new classes"]) == (2, 1, 7, 1)
    for scores in (facts["before"], facts["after"]):
        assert set(scores) == {"boxes", "characters", "cer"}
    assert json.loads((tuned / "pages.json").read_text())["held_out"] == ["100000003_00002_1"]


@pytest.mark.parametrize(
    ("pages", "of_page", "of_all", "repeats"), [(1, 6, 40, 40), (2, 6, 40, 20), (3, 6, 40, 14), (10, 6, 40, 6)]
)
def test_few_pages_come_more_often(pages: int, of_page: int, of_all: int, repeats: int) -> None:
    assert run.repeats(pages, of_page, of_all) == repeats


def test_settings_come_from_the_models(tuned: Path, source: Path) -> None:
    detector = json.loads((tuned / "segment-fold0" / "params.json").read_text())
    assert detector["test_long_side"] == 120 and detector["score_threshold"] == 0.05
    assert (detector["max_detections"], detector["nms_threshold"], detector["long_side"]) == (12, 0.3, 2048)
    classifier = json.loads((tuned / "clf-fold0" / "params.json").read_text())
    assert classifier["test_height"] == 120 and classifier["tta_heights"] == [120, 132]
    assert classifier["base"] == "resnet18"


def test_the_new_models_are_averaged_with_the_old(tuned: Path) -> None:
    for name in ("segment-fold0", "clf-fold0"):
        assert json.loads((tuned / name / "params.json").read_text(encoding="utf-8"))["start_share"] == 0.5
        files = (tuned / name / file for file in ("checkpoint.pth", "model_best.pth"))
        last, kept = (torch.load(file, weights_only=True) for file in files)
        start = read_state(tuned / "start" / f"{name}.safetensors")
        for key, value in kept["model"].items():
            if key in start and start[key].shape == value.shape and value.is_floating_point():
                torch.testing.assert_close(value, (start[key] + last["model"][key]) / 2)


def test_old_characters_keep_their_rows(tuned: Path, source: Path) -> None:
    """え and お have no box on these pages; 一 is new."""
    old, new = weights(source, "clf-fold0"), weights(tuned, "clf-fold0")
    codes = vocabulary(tuned)
    before = json.loads((tuned / "start" / "vocabulary.json").read_text())
    assert codes == sorted({*before, "U+4E00"} - {"seg_fp"}) + ["seg_fp"]
    for code in ("U+3048", "U+304A"):
        then, now = old["head.5.weight"][before.index(code)], new["head.5.weight"][codes.index(code)]
        assert torch.allclose(then, now, rtol=1e-4)  # but for the weight decay


def test_the_run_is_one_like_any_other(tuned: Path, data: Path, tmp_path: Path) -> None:
    """predict, export, report and finetune take it."""
    files = find_models(tuned)
    assert [path.parent.name for path in files.detectors] == ["segment-fold0"]
    for name in ("segment-fold0/clf_gt.csv", "clf-fold0/detailed.parquet", "clf-fold0/metrics-oof.json"):
        assert (tuned / name).is_file()
    assert read_source(str(tuned)).seen == {"100000003_00001_1", "100000003_00003_1"}
    words = ["--device", "cpu", "--formats", "json", "text", "--opt-level", "O0"]
    pages, read = str(data / "train_images"), {}
    assert export([str(tuned), str(tmp_path / "exported")]) == 0
    for folder in (tuned, tmp_path / "exported"):
        output = tmp_path / f"read-{folder.name}"
        assert predict([pages, "--models", str(folder), "--output", str(output), *words]) == 0
        read[folder] = [path.read_text(encoding="utf-8") for path in sorted(output.glob("1*.txt"))]
    assert len(read[tuned]) == 3 and read[tuned] == read[tmp_path / "exported"]
    again = ["--from", str(tmp_path / "exported"), "--output", str(tmp_path / "again"), *QUICK]
    assert main([str(data), *again]) == 0
    assert report([str(tuned), "--data-root", str(data)]) == 0 and (tuned / "report.html").is_file()


def test_language_and_size_of_characters_are_carried_over(tuned: Path, source: Path) -> None:
    before, after = (read_language(folder / LANGUAGE, len(find_vocabulary(folder))) for folder in (source, tuned))
    assert len(after.frequency) == len(before.frequency) + 1 and after.frequency.sum() > before.frequency.sum() + 9
    assert find_models(tuned).language == tuned / LANGUAGE
    assert find_models(tuned).character_size == 0.01


def test_what_is_left_out_is_said(models: Path, caplog: pytest.LogCaptureFixture) -> None:
    files = read_source(str(models)).files
    assert (len(files.detectors), len(files.classifiers), files.level2) == (1, 1, None)
    assert "of its models the first detector and the first classifier are trained further" in caplog.text
    assert "its second level does not fit models that are trained further, and is left out" in caplog.text


def test_what_is_done_is_skipped(tuned: Path, data: Path, source: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        assert main([str(data), "--from", str(source), "--output", str(tuned), *QUICK]) == 0
    assert caplog.text.count("already done, skipped") == 4


def test_one_page_with_one_class_and_only_these(data: Path, source: Path, tmp_path: Path) -> None:
    table = pd.read_csv(data / "train.csv").head(1)
    table["labels"] = table["labels"].str.replace(r"U\+[0-9A-F]+", "U+4E00", regex=True)
    shutil.copytree(data / "train_images", tmp_path / "data" / "train_images")
    table.to_csv(tmp_path / "data" / "train.csv", index=False)
    words = ["--from", str(source), "--output", str(tmp_path / "run"), "--only-these", *QUICK]
    assert main([str(tmp_path / "data"), *words]) == 0
    facts = json.loads((tmp_path / "run" / "finetune.json").read_text())
    assert facts["before"] is None and facts["after"] is None and facts["held out"] == 0
    assert vocabulary(tmp_path / "run") == ["U+4E00", "seg_fp"]
    for name in ("segment-fold0", "clf-fold0"):  # the last epoch counts: there is nothing to choose by
        assert json.loads((tmp_path / "run" / name / "params.json").read_text())["evaluate_every"] == 0


def test_what_cannot_be(data: Path, tuned: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected another folder than that of the models to start from"):
        main([str(data), "--from", str(tuned), "--output", str(tuned)])
    with pytest.raises(InputError, match="none: expected the data root .DATA. with the corrected pages, got no folder"):
        main(["none", "--output", str(tmp_path / "run")])
    assert not (tmp_path / "run").exists()
    with pytest.raises(InputError, match="none-such: expected a folder of models"):
        main([str(data), "--from", "none-such", "--output", str(tmp_path / "run")])
    shutil.copytree(data, tmp_path / "data")
    table = pd.read_csv(data / "train.csv").iloc[[0, 2]]
    table.to_csv(tmp_path / "data" / "train.csv", index=False)
    with pytest.raises(InputError, match="expected pages that the models have not seen, got 2 that they were trained"):
        main([str(tmp_path / "data"), "--from", str(tuned), "--output", str(tmp_path / "run")])
    image = tmp_path / "data" / "train_images" / f"{table['image_id'].iloc[0]}.jpg"
    table.assign(image_id=lambda rows: "new_" + rows["image_id"]).to_csv(tmp_path / "data" / "train.csv", index=False)
    with pytest.raises(InputError, match="page new_.*: expected its image .*, it is missing .and 1 more"):
        main([str(tmp_path / "data"), "--from", str(tuned), "--output", str(tmp_path / "run")])
    image.write_text("no picture")
    pd.read_csv(data / "train.csv").to_csv(tmp_path / "data" / "train.csv", index=False)
    with pytest.raises(InputError, match=rf"{image.name}: expected a JPEG, .* got 10 bytes that are none"):
        main([str(tmp_path / "data"), "--from", str(tuned), "--output", str(tmp_path / "run")])
    assert not (tmp_path / "run").exists()
