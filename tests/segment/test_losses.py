"""The losses of boxes that a detector is built with, and those of detectors from before they were options."""

from pathlib import Path
from typing import Any

import pytest

from detection.faster_rcnn import DetectorConfig
from kuzushiji.options import different_parameters, parameters
from kuzushiji.segment.config import SegmentConfig
from kuzushiji.segment.detector import build_model, detector_config

SMALL = {"model": "fasterrcnn_resnet18_fpn", "pretrained": False, "fpn_channels": 8, "box_head_size": 8}
BETAS = ("rpn_smooth_l1_beta", "box_smooth_l1_beta")


def config_of(**options: Any) -> SegmentConfig:
    return SegmentConfig(output_dir=Path("run"), **SMALL, **options)


@pytest.mark.parametrize(
    ("options", "betas"),
    [
        ({}, (1 / 9, 1 / 9)),  # torchvision's
        ({"rpn_smooth_l1_beta": 0.0, "box_smooth_l1_beta": 1.0}, (0, 1)),  # the reference's: L1 for proposals
    ],
)
def test_losses_of_boxes(options: dict[str, float], betas: tuple[float, float]) -> None:
    model = build_model(config_of(**options))
    assert (model.get_submodule("rpn").beta, model.get_submodule("roi_heads").beta) == betas


@pytest.mark.parametrize(
    ("options", "different"),
    [
        ({}, []),
        ({"rpn_smooth_l1_beta": 1 / 9}, []),
        ({"rpn_smooth_l1_beta": 0.0, "box_smooth_l1_beta": 1.0}, sorted(BETAS)),
    ],
)
def test_a_training_from_before_they_were_options_had_beta_one_ninth(
    options: dict[str, float], different: list[str]
) -> None:
    """It goes on with the same losses; where others are asked for, they are named."""
    then = {name: value for name, value in parameters(config_of()).items() if name not in BETAS}
    assert different_parameters(then, parameters(config_of(**options)), SegmentConfig) == different


def test_the_default_of_a_detector_is_that_of_the_options() -> None:
    """A checkpoint from before has a detector without them."""
    default = DetectorConfig()
    assert [getattr(detector_config(config_of()), name) for name in BETAS] == [getattr(default, name) for name in BETAS]
