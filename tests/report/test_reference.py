import importlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from kuzushiji.errors import InputError
from kuzushiji.metric import Counts
from kuzushiji.report.collect import Run
from kuzushiji.report.reference import default_folder, read_reference

FOLDER = Path(__file__).parents[2] / "_runs" / "reference"
WSL = "clf-wsl8d-mt256-frozen"
MADE = importlib.import_module("_runs.reference.make_params")


def run_with(params: dict[str, Any], kind: str = "clf", fold: int = 2) -> Run:
    """Return a run of ours with these parameters."""
    return Run(Path("."), kind, fold, {}, None, (), params)


def test_the_published_results() -> None:
    reference = read_reference(FOLDER)
    assert reference.kinds == ("segment", "clf", WSL, f"{WSL}-pseudo", f"{WSL}-pseudo-ft")
    assert [run.fold for run in reference.of_kind("clf")] == [0, 1, 2, 3, 4]
    run = reference.runs["clf", 3]
    assert (run.best_epoch, run.best_f1, run.last_f1, run.hours) == (47, 0.87918, 0.87610, 27.89)
    assert run.counts == Counts(117207, 10272, 21942) and run.counts.f1 == pytest.approx(run.best_f1, abs=5e-6)


def test_every_published_f1_is_that_of_its_counts() -> None:
    for run in read_reference(FOLDER).runs.values():
        assert run.counts.f1 == pytest.approx(run.best_f1, abs=1e-5), (run.kind, run.fold)


@pytest.fixture(scope="module")
def made() -> dict[str, dict[str, Any]]:
    """What our parsers make of the command lines that run-all.sh prints."""
    parameters: dict[str, dict[str, Any]] = MADE.reference_parameters()
    return parameters


@pytest.mark.parametrize("kind", ["segment", "clf", WSL, f"{WSL}-pseudo", f"{WSL}-pseudo-ft"])
def test_published_parameters_are_those_of_the_profile(made: dict[str, dict[str, Any]], kind: str) -> None:
    # An option that is newer than the file and that the profile leaves alone is no difference.
    published = json.loads((FOLDER / kind / "params.json").read_text(encoding="utf-8"))
    assert {key: made[kind].get(key) for key in published} == published, "python -m _runs.reference.make_params"


@pytest.mark.parametrize(
    ("kind", "expected"),
    [  # the specification's numbers, sections 2 to 4
        (
            "segment",
            {
                "model": "fasterrcnn_resnet152_fpn", "anchor_sizes": [12, 24, 32, 64, 96], "max_detections": 1000,
                "nms_threshold": 0.25, "score_threshold": 0.5, "long_side": 2048, "crop_min_height": 400,
                "crop_max_height": 533, "crop_width": 512, "crop_height": 384, "min_visible": 0.5, "optimizer": "sgd",
                "lr": 0.01, "momentum": 0.9, "wd": 1e-4, "batch_size": 16, "epochs": 45, "repeat_train_step": 2,
                "lr_steps": [35], "lr_gamma": 0.1, "warmup_steps": 1000, "color_hue_aug": 7, "color_sat_aug": 10,
                "color_val_aug": 10, "match_iou": 0.5, "n_folds": 5,
            },
        ),
        (
            "clf",
            {
                "base": "resnet152", "head_size": 1024, "head_dropout": 0.5, "crop_width": 512, "crop_height": 768,
                "test_height": 2528, "scale_aug": 0.3, "min_visible": 0.99, "color_hue_aug": 7, "color_sat_aug": 30,
                "color_val_aug": 30, "optimizer": "sgd", "momentum": 0.9, "wd": 1e-4, "batch_size": 10, "lr": 14e-3,
                "epochs": 50, "repeat_train": 6, "cosine": True, "n_tta": 4, "max_targets": 0, "frozen_start": False,
            },
        ),
        (
            WSL,
            {
                "base": "resnext101_32x8d_wsl", "batch_size": 12, "lr": 16e-3, "max_targets": 256, "frozen_start": True,
                "opt_level": "O1", "epochs": 50, "repeat_train": 6, "pseudolabels": [],
            },
        ),
        (f"{WSL}-pseudo", {"epochs": 50, "repeat_train": 4, "lr": 16e-3, "resume": None}),
        (
            f"{WSL}-pseudo-ft",
            {"epochs": 5, "repeat_train": 3, "lr": 1.6e-3, "resume": f"_runs/clf-fold0{WSL[3:]}/model_best.pth"},
        ),
    ],
)  # fmt: skip
def test_published_parameters_are_the_recipe(kind: str, expected: dict[str, Any]) -> None:
    params = read_reference(FOLDER).params[kind]
    assert {key: params[key] for key in expected} == expected


def test_help_of_make_params_writes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MADE, "reference_parameters", lambda: pytest.fail("it writes"))
    for words, code in ((["--help"], 0), (["--nope"], 2)):
        with pytest.raises(SystemExit) as end:
            MADE.main(words)
        assert end.value.code == code


def test_a_run_repeats_the_reference_when_its_recipe_is_the_same() -> None:
    reference = read_reference(FOLDER)
    same = dict(reference.params["clf"]) | {"fold": 2, "seed": 5, "device": "cuda:1", "output_dir": "elsewhere"}
    assert reference.other_parameters(run_with(same)) == ()
    assert reference.model_of(run_with(same)) is reference.runs["clf", 2]


def test_weights_from_a_file_in_place_of_a_download_are_the_same_recipe() -> None:
    reference = read_reference(FOLDER)
    offline = dict(reference.params["clf"]) | {"weights": "elsewhere/resnet152-394f9c45.pth"}
    assert reference.other_parameters(run_with(offline)) == ()


@pytest.mark.parametrize(
    ("changes", "kind", "expected"),
    [
        ({"lr": 0.5, "base": "resnet18"}, "clf", ("lr", "base")),
        ({}, "clf-resnet10t", None),  # no such kind
    ],
)
def test_another_recipe_is_no_repetition(changes: dict[str, Any], kind: str, expected: tuple[str, ...] | None) -> None:
    reference = read_reference(FOLDER)
    run = run_with(dict(reference.params["clf"]) | changes, kind)
    assert reference.other_parameters(run) == expected and reference.model_of(run) is None


def test_a_run_that_says_nothing_of_its_parameters_is_no_repetition() -> None:
    assert read_reference(FOLDER).model_of(run_with({})) is None


def test_a_parameter_that_the_run_does_not_know_is_passed_over() -> None:
    reference = read_reference(FOLDER)
    params = {key: value for key, value in reference.params["clf"].items() if key != "box_jitter"}
    assert reference.other_parameters(run_with(params)) == ()


def test_the_reference_of_the_current_folder_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert default_folder() == FOLDER
    (tmp_path / "_runs" / "reference").mkdir(parents=True)
    assert default_folder() == Path("_runs/reference")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, r"results\.csv: expected the reference's results as a table, got none"),
        ("", r"results\.csv: expected the reference's results as a table, got none"),
        ("stage,run\nsegment,segment\n", r"results\.csv: expected the column fold, got stage, run"),
        ("0.99173", r"results\.csv: expected numbers in fold, .*, got something else"),
    ],
)
def test_bad_input(tmp_path: Path, text: str | None, message: str) -> None:
    if text == "0.99173":
        text = (FOLDER / "results.csv").read_text(encoding="utf-8").replace(text, "much")
    if text is not None:
        (tmp_path / "results.csv").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        read_reference(tmp_path)


def test_damaged_parameters_are_named(tmp_path: Path) -> None:
    shutil.copytree(FOLDER, tmp_path / "reference")
    (tmp_path / "reference" / "clf" / "params.json").write_text("{")
    with pytest.raises(InputError, match=r"clf.params\.json: expected JSON"):
        read_reference(tmp_path / "reference")
