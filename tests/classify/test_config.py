"""The command line of the networks: the reference's recipe by default, contradictions refused."""

import shlex
from pathlib import Path

import pytest

from kuzushiji.classify.config import ClassifyConfig
from kuzushiji.classify.main import Classify, TrainClassifier
from kuzushiji.data.paths import DataRoot
from kuzushiji.errors import InputError
from kuzushiji.options import PREDICTIONS, WEIGHTS

MINIMUM = ["clf_gt.csv", "--output-dir", "out"]
SPEC_SECTION_8 = shlex.split(
    """--fold 1 --base resnet152 --test-height 2528 --crop-height 768 --crop-width 512 --scale-aug 0.3
    --color-hue-aug 7 --color-sat-aug 30 --color-val-aug 30 --n-tta 4 --pseudolabels a.csv b.csv
    --pseudolabels-oversample 2 --test-book umgy --n-folds 5 --train-limit 5 --test-limit 6 --head-dropout 0.5
    --frozen-start 1 --device cpu --opt-level O1 --benchmark 1 --batch-size 12 --max-targets 256 --workers 8
    --lr 16e-3 --wd 1e-4 --optimizer sgd --accumulation-steps 2 --epochs 50 --repeat-train 6 --cosine 1
    --print-model --detailed-postfix _x"""
)


def test_defaults_are_the_reference_s_recipe() -> None:
    config = Classify.parse_args(MINIMUM)
    expected = {
        "base": "resnet152", "head_size": 1024, "head_dropout": 0.5, "crop_width": 512, "crop_height": 768,
        "test_height": 2528, "scale_aug": 0.3, "min_visible": 0.99, "batch_size": 10, "lr": 14e-3, "momentum": 0.9,
        "wd": 1e-4, "epochs": 50, "repeat_train": 6, "optimizer": "sgd", "n_tta": 4, "top_k": 50, "box_jitter": 0.0,
        "color_hue_aug": 7, "color_sat_aug": 30, "color_val_aug": 30, "n_folds": 5, "pretrained": True,
    }  # fmt: skip
    assert {name: getattr(config, name) for name in expected} == expected
    assert config.uses_cosine
    assert config.heights == (2528, 2781, 3034, 3286)
    assert config.test_boxes_path == Path("segment_test_predictions.csv")


def test_all_flags_of_the_reference_are_read() -> None:
    config = Classify.parse_args([*MINIMUM, *SPEC_SECTION_8])
    assert config.pseudolabels == (Path("a.csv"), Path("b.csv"))
    assert config.max_targets == 256 and config.frozen_start and config.print_model and config.benchmark
    assert config.output("detailed.parquet") == Path("out/detailed_x.parquet")
    assert config.given >= {"base", "fold", "cosine", "pseudolabels"}
    assert not Classify.parse_args([*MINIMUM, "--drop-lr-epoch", "40"]).uses_cosine
    assert Classify.parse_args([*MINIMUM, "--resume", "m.pth", "--submission"]).submission
    assert Classify.parse_args([*MINIMUM, "--resume", "m.pth", "--test-only", "1"]).test_only


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--test-only", "expected the weights to use, --resume"),
        ("--submission", "expected the weights to use, --resume"),
        ("--test-only --submission --resume m.pth", "got both"),
        ("--with-test --submission --resume m.pth", "--with-test goes with training"),
        ("--resume m.pth --weights w.pth", "expected one, got both"),
        ("--cosine 1 --drop-lr-epoch 3", "--cosine 1 or --drop-lr-epoch"),
        ("--fold 5", "expected a fold from 0 to 4, got 5"),
        ("--head-dropout 1", "below 1, got 1"),
        ("--detailed-postfix a/b", "expected a part of a file name"),
        ("--weights books --base resnet152", "--weights books: expected a backbone with packaged weights"),
    ],
)
def test_contradictions(words: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        assert Classify.parse_args([*MINIMUM, *words.split()]).weights_file


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--crop-hight 3", "did you mean --crop-height"),
        ("--lr fast", "expected a number of at least 0"),
        ("--batch-size 0", "whole number of at least 1"),
        ("--scale-aug 2", "between 0 and 1"),
        ("--optimizer adam", "invalid choice"),
        ("--frozen-start maybe", "expected 0 or 1"),
    ],
)
def test_bad_usage(words: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        Classify.parse_args([*MINIMUM, *words.split()])
    error = capsys.readouterr().err
    assert caught.value.code == 2 and error.count("\n") == 1 and message in error


def test_what_decides_the_weights_and_what_the_predictions() -> None:
    """Another number of sizes does not train again; another learning rate does; workers change nothing."""

    def parameters(**options: object) -> tuple[object, object]:
        config = ClassifyConfig(clf_gt=Path("a"), output_dir=Path("b"), **options)
        return config.parameters_of(WEIGHTS), config.parameters_of(PREDICTIONS)

    training, inference = parameters()
    assert parameters(workers=7, device="cpu", data_root=Path("x")) == (training, inference)
    assert parameters(n_tta=1)[0] == training != parameters(lr=1.0)[0]
    assert parameters(n_tta=1)[1] != inference == parameters(lr=1.0)[1]


def test_a_checkpoint_decides_what_flags_do_not() -> None:
    resumed = Classify.parse_args([*MINIMUM, "--resume", "m.pth"]).parameters_of(WEIGHTS)
    assert {name for name, value in resumed.items() if value is None} >= {"base", "head_size", "test_height"}
    resumed = Classify.parse_args([*MINIMUM, "--resume", "m.pth", "--base", "resnet18"]).parameters_of(WEIGHTS)
    assert resumed["base"] == "resnet18"


def test_weights_that_come_with_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kuzushiji.packaged._FOLDER", tmp_path)
    (tmp_path / "resnet18.safetensors").touch()
    config = Classify.parse_args([*MINIMUM, "--weights", "books", "--base", "resnet18"])
    assert config.weights_file == tmp_path / "resnet18.safetensors"
    assert config.weights_file in TrainClassifier(config, DataRoot(tmp_path), Path()).inputs()
    with pytest.raises(InputError, match=r"packaged weights \(resnet18\), got resnet34"):
        assert Classify.parse_args([*MINIMUM, "--weights", "books", "--base", "resnet34"]).weights_file
    assert Classify.parse_args([*MINIMUM, "--weights", "w.pth"]).weights_file == Path("w.pth")
    assert Classify.parse_args(MINIMUM).weights_file is None
