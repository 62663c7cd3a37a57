"""The losses of boxes that a detector is built with."""

from pathlib import Path

import pytest

from kuzushiji.segment.config import SegmentConfig
from kuzushiji.segment.model import build_model

SMALL = {"model": "fasterrcnn_resnet18_fpn", "pretrained": False, "fpn_channels": 8, "box_head_size": 8}


@pytest.mark.parametrize(
    ("options", "betas"),
    [
        ({}, (0, 1)),  # the reference: L1 for proposals, smooth L1 for the head
        ({"rpn_smooth_l1_beta": 0.25, "box_smooth_l1_beta": 0.5}, (0.25, 0.5)),
    ],
)
def test_losses_of_boxes(options: dict[str, float], betas: tuple[float, float]) -> None:
    model = build_model(SegmentConfig(output_dir=Path("run"), **SMALL, **options))
    assert (model.get_submodule("rpn").beta, model.get_submodule("roi_heads").beta) == betas
