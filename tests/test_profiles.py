"""The recipes: the kaggle profile has each number of the reference, the modern one a reason for each choice."""

import re
import shlex
from functools import cache
from typing import Any

import pytest
import torch

from detection.faster_rcnn import PadAndNormalize
from tests.commands import command_of
from tests.test_run_all import ROOT, bash


@cache
def configs(profile: str) -> dict[str, Any]:
    """The config of each command of fold 0 and of the stages of all folds, by the name of what it makes."""
    found = {}
    for line in bash("run-all.sh", profile, "--dry-run").stdout.splitlines():
        if line.startswith("python -m kuzushiji."):
            _, _, module, *words = shlex.split(line)
            config = command_of(module).parse_args(words)
            folder = re.search(r"--output-dir \S*/(\S+)", line)
            found.setdefault(folder[1] if folder else module.removeprefix("kuzushiji."), config)
    return found


WSL = "clf-fold0-wsl8d-mt256-frozen"
BOTH = ("clf-fold0", WSL)
ALL_KINDS = (*BOTH, f"{WSL}-pseudo-ft", f"{WSL}-pseudo")


@pytest.mark.parametrize(
    ("runs", "numbers"),
    [
        # Section 2: the detector, its crops, its schedule
        (
            ("segment-fold0",),
            {
                "model": "fasterrcnn_resnet152_fpn", "pretrained": True, "anchor_sizes": (12, 24, 32, 64, 96),
                "max_detections": 1000, "nms_threshold": 0.25, "score_threshold": 0.5, "n_folds": 5,
                "long_side": 2048, "crop_min_height": 400, "crop_max_height": 533, "crop_width": 512,
                "crop_height": 384, "min_visible": 0.5, "inference_long_side": 1685, "test_scales": (1.0,),
                "color_hue_aug": 7, "color_sat_aug": 10, "color_val_aug": 10,
                "optimizer": "sgd", "lr": 0.01, "momentum": 0.9, "wd": 1e-4, "batch_size": 16, "accumulation_steps": 1,
                "epochs": 45, "repeat_train_step": 2, "lr_steps": (35,), "lr_gamma": 0.1, "cosine": False,
                "warmup_steps": 1000, "match_iou": 0.5, "ema": 0, "clip_grad": 0,
            },
        ),
        # Section 3: what all classifiers share
        (
            ALL_KINDS,
            {
                "pretrained": True, "head_size": 1024, "head_dropout": 0.5, "crop_width": 512, "crop_height": 768,
                "test_height": 2528, "scale_aug": 0.3, "min_visible": 0.99, "color_hue_aug": 7, "color_sat_aug": 30,
                "color_val_aug": 30, "optimizer": "sgd", "momentum": 0.9, "wd": 1e-4, "uses_cosine": True,
                "warmup_steps": 0, "accumulation_steps": 1, "label_smoothing": 0, "box_jitter": 0, "ema": 0,
                "n_tta": 4, "heights": (2528, 2781, 3034, 3286), "top_k": 50, "n_folds": 5,
            },
        ),
        (("clf-fold0",), {"base": "resnet152", "batch_size": 10, "lr": 14e-3, "epochs": 50, "repeat_train": 6}),
        ((WSL,), {"base": "resnext101_32x8d_wsl", "lr": 16e-3, "epochs": 50, "repeat_train": 6}),
        (
            ALL_KINDS[1:],
            {"batch_size": 12, "max_targets": 256, "frozen_start": True, "opt_level": "O1", "benchmark": True},
        ),
        # Section 4: pseudolabels, and the two kinds that learn from them
        (("classify.pseudolabel",), {"min_gap": 5, "max_second_score": 10}),
        ((f"{WSL}-pseudo-ft",), {"epochs": 5, "repeat_train": 3, "lr": 1.6e-3}),
        ((f"{WSL}-pseudo",), {"epochs": 50, "repeat_train": 4, "lr": 16e-3, "resume": None}),
        # Section 5: the second level
        (("classify.level2_features",), {"top_k": 3}),
        (
            ("classify.level2",),
            {"use_lgb": True, "use_xgb": True, "num_boost_round": 400, "early_stop": 20, "lr": 0.05, "eta": 0.15},
        ),
    ],
)  # fmt: skip
def test_the_kaggle_profile_has_the_reference_s_numbers(runs: tuple[str, ...], numbers: dict[str, Any]) -> None:
    for run in runs:
        config = configs("kaggle")[run]
        assert {name: getattr(config, name) for name in numbers} == numbers, run


def test_fine_tuning_starts_from_the_best_checkpoint() -> None:
    assert str(configs("kaggle")[f"{WSL}-pseudo-ft"].resume) == f"_runs/{WSL}/model_best.pth"


def test_the_modern_profile() -> None:
    found = configs("modern")
    assert {"segment-fold0", "clf-fold0", "clf-fold0-efficientnetv2m-pseudo", "classify.level2"} <= set(found)
    for name, config in found.items():
        if name.startswith(("segment-fold", "clf-")):
            assert config.opt_level == "O1" and config.compile and config.ema and config.batch_size == 16


def test_the_modern_backbones_are_there_for_everybody() -> None:
    from kuzushiji.classify.backbones import backbone_info

    for name in ("clf-fold0", "clf-fold0-efficientnetv2m"):
        assert backbone_info(configs("modern")[name].base).licence == "apache-2.0"


def test_every_choice_of_the_modern_profile_says_where_it_comes_from() -> None:
    """Each variable that chooses something follows a comment with a source."""
    text = (ROOT / "profiles" / "modern.env").read_text(encoding="utf-8")
    comment = ""
    sourced = []
    for line in text.splitlines():
        if line.startswith("#"):
            comment += line
        elif "=" in line and not line.startswith(" "):
            if re.search(r"\[(paper|reference|own run)\]", comment):
                sourced.append(line.partition("=")[0])
            comment = ""
    chosen = ("SEGMENT", "CLASSIFY", "FIRST_BACKBONE", "SECOND_NAME", "PSEUDOLABEL", "PSEUDO_FT", "PSEUDO")
    assert set(chosen) <= set(sourced)
    own_runs = re.findall(r"\b((?:benchmarks|tests)/[\w/]+\.py)", text)
    assert own_runs and all((ROOT / name).is_file() for name in own_runs)


BYTES = {"sgd": 12, "adamw": 16}
"""Of a weight in the best and the last checkpoint: both themselves, and the optimizer's one or two moments."""

OTHER_GB = 3.0 + 0.64 + 3.35
"""Tables, features of level 2 and strips at the competition's size, as docs/kaggle.rst derives them."""


@cache
def weights_of(network: str) -> int:
    """How many numbers the weights of a detector or a classifier are; none is made."""
    import torch

    from kuzushiji.classify.network import ModelConfig
    from kuzushiji.classify.network import build_model as build_classifier
    from kuzushiji.segment.detector import build_model as build_detector
    from kuzushiji.segment.main import Segment

    with torch.device("meta"):
        if network.startswith("fasterrcnn"):
            model = build_detector(
                Segment.parse_args(["--output-dir", "none", "--model", network, "--pretrained", "0"])
            )
        else:
            model = build_classifier(ModelConfig(network), 4213, pretrained=False)
    return sum(value.numel() for value in model.state_dict().values())


@pytest.mark.parametrize("profile", ["kaggle", "modern"])
def test_the_disk_of_a_profile_holds_what_it_writes(profile: str) -> None:
    models = [config for name, config in configs(profile).items() if name.startswith(("segment-fold0", "clf-fold0"))]
    assert len(models) == 5
    weights = [weights_of(getattr(model, "base", None) or model.model) for model in models]
    sizes = [BYTES[model.optimizer] + 4 * (model.ema > 0) for model in models]
    gb = 5 * sum(count * size for count, size in zip(weights, sizes, strict=True)) / 1e9 + OTHER_GB
    said = re.search(r"disk: about (\d+) GB", bash("run-all.sh", profile, "--dry-run").stdout)
    assert said is not None and gb <= int(said[1]) <= gb * 1.1


@pytest.mark.parametrize("profile", ["kaggle", "modern", "fullsize", "real", "demo", "tiny"])
def test_crops_of_the_detector_are_not_padded(profile: str) -> None:
    config = configs(profile)["segment-fold0"]
    crop = torch.zeros(3, config.crop_height, config.crop_width)
    batch, _ = PadAndNormalize()([crop, crop])
    assert batch.tensors.shape == (2, *crop.shape)
