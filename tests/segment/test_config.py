"""The command line: the reference's numbers are the defaults, mistakes are one line, --help is instant."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kuzushiji.options import PREDICTIONS, from_checkpoint, parameters
from kuzushiji.segment.config import MODELS
from kuzushiji.segment.main import Segment, main

RUN = ["--output-dir", "run"]


def test_defaults_are_the_reference_recipe() -> None:
    config = Segment.parse_args(RUN)
    expected = {
        "model": "fasterrcnn_resnet152_fpn",
        "pretrained": True,
        "anchor_sizes": (12, 24, 32, 64, 96),
        "max_detections": 1000,
        "nms_threshold": 0.25,
        "score_threshold": 0.5,
        "long_side": 2048,
        "crop_min_height": 400,
        "crop_max_height": 533,
        "crop_width": 512,
        "crop_height": 384,
        "min_visible": 0.5,
        "color_hue_aug": 7,
        "color_sat_aug": 10,
        "color_val_aug": 10,
        "optimizer": "sgd",
        "lr": 0.01,
        "momentum": 0.9,
        "wd": 1e-4,
        "batch_size": 16,
        "epochs": 45,
        "repeat_train_step": 2,
        "lr_steps": (35,),
        "lr_gamma": 0.1,
        "warmup_steps": 1000,
        "n_folds": 5,
        "inference_long_side": 1685,
    }
    assert {name: getattr(config, name) for name in expected} == expected


@pytest.mark.parametrize(
    "words",
    [
        "--output-dir D --fold 3 --model fasterrcnn_resnet152_fpn",
        "--output-dir D --fold 3 --model fasterrcnn_resnet152_fpn --resume D/model_best.pth --test-only",
        "--output-dir D --fold 0 --model fasterrcnn_resnet152_fpn --resume D/model_best.pth --submission",
        "--output-dir D --fold 0 --resume D/model_best.pth --test-only 1",
        "--output-dir D --device cuda:1 --batch-size 8 --workers 16 --lr 0.02 --momentum 0.9 --wd 1e-4 --epochs 45 "
        "--lr-steps 35 40 --lr-gamma 0.1 --cosine 0 --pretrained 1 --score-threshold 0.5 --nms-threshold 0.25 "
        "--repeat-train-step 2 --n-folds 5",
        "--output-dir D --cosine",
        *(f"--output-dir D --model {model}" for model in MODELS),
    ],
)
def test_command_lines_of_the_reference(words: str) -> None:
    assert str(Segment.parse_args(words.split()).output_dir) == "D"


def test_given_options_are_known() -> None:
    config = Segment.parse_args([*RUN, "--fold=0", "--model", "fasterrcnn_resnet18_fpn"])
    assert config.given == {"output_dir", "fold", "model"}


def test_only_what_changes_the_result_is_compared() -> None:
    one = Segment.parse_args([*RUN, "--workers", "0", "--device", "cpu", "--cache-mib", "0", "--with-test", "1"])
    assert parameters(one) == parameters(Segment.parse_args(["--output-dir", "elsewhere"]))
    assert parameters(one) != parameters(Segment.parse_args([*RUN, "--lr", "0.02"]))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("", "--output-dir"),  # required
        ("--output-dir D --fold 5", "expected a fold from 0 to 4, got 5"),
        ("--output-dir D --fold -1", "--fold"),
        ("--output-dir D --model fasterrcnn_resnet51_fpn", "did you mean fasterrcnn_resnet50_fpn?"),
        ("--output-dir D --model resnet18", "did you mean fasterrcnn_resnet18_fpn?"),
        ("--output-dir D --bach-size 4", "did you mean --batch-size?"),
        ("--output-dir D --test-only", "expected the weights to use, --resume"),
        ("--output-dir D --submission", "expected the weights to use, --resume"),
        ("--output-dir D --resume R --test-only --submission", "got both"),
        ("--output-dir D --resume R --submission --with-test", "--with-test goes with training"),
        ("--output-dir D --resume R --weights W", "got both"),
        ("--output-dir D --crop-min-height 500 --crop-max-height 400", "got 500 and 400"),
        ("--output-dir D --anchor-sizes 8 16", "expected five, one a level, got 2"),
        ("--output-dir D --trainable-layers 6", "expected 0 to 5, got 6"),
        ("--output-dir D --norm group", "--pretrained 0"),
        ("--output-dir D --cosine 1 --lr-steps 3", "expected --cosine 1 or --lr-steps, got both"),
        ("--output-dir D --ema 1", "expected a decay below 1"),
        ("--output-dir D --cosine-by-epoch 1", "--cosine-by-epoch is about the cosine of the learning rate: expected"),
        ("--output-dir D --start-share 0.5", "--start-share averages with a model to start from: expected --start or"),
        ("--output-dir D --lr nan", "--lr"),
        ("--output-dir D --batch-size 0", "--batch-size"),
        ("--output-dir D --opt-level O7", "--opt-level"),
    ],
)
def test_bad_usage(words: str, message: str, failure: Callable[..., tuple[Any, str]]) -> None:
    code, line = failure(main, *words.split())
    assert code == 2
    assert message in line


@pytest.mark.parametrize("module", ["kuzushiji.segment", "kuzushiji.segment.merge", "kuzushiji.segment.fuse"])
def test_help_needs_nothing_heavy(module: str) -> None:
    """Neither torch nor pandas: they are what makes a start slow."""
    code = (
        f"import runpy, sys; sys.argv = ['x', '--help']\n"
        f"try: runpy.run_module({module!r}, run_name='__main__', alter_sys=True)\n"
        "except SystemExit as end: assert end.code == 0\n"
        "assert not {'torch', 'pandas', 'albumentations', 'cv2', 'pyarrow'} & set(sys.modules), 'heavy'"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "usage: python -m kuzushiji.segment" in done.stdout


def test_what_steers_inference_is_of_the_checkpoint_unless_it_is_given() -> None:
    """What the held-out boxes are called included: `--test-only` must not go back to the default."""
    decided = from_checkpoint(Segment.parse_args([*RUN, "--score-threshold", "0.1"]), PREDICTIONS)
    assert {"crop_height", "nms_threshold", "match_iou", "opt_level"} <= set(decided)
    assert not {"score_threshold", "lr", "epochs", "test_limit"} & set(decided)
