"""What a training step waits for on a GPU, which computes ahead only while nothing waits (`tests.cuda_stand_in`)."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import nn

from kuzushiji.classify.dataset import Batch
from kuzushiji.classify.network import ModelConfig
from kuzushiji.classify.network import build_model as build_classifier
from kuzushiji.classify.train import Step
from kuzushiji.engine.loader import SampleKey
from kuzushiji.engine.optim import build_optimizer
from kuzushiji.engine.precision import Precision, place
from kuzushiji.engine.update import Ema, WeightUpdate
from kuzushiji.segment.config import SegmentConfig
from kuzushiji.segment.dataset import Crop, collate_crops
from kuzushiji.segment.detector import build_model as build_detector
from kuzushiji.segment.train import build_step
from tests.cuda_stand_in import StandIn, cuda_stand_in

CUDA = torch.device("cuda", 0)
DETECTOR = SegmentConfig(
    output_dir=Path("run"), model="fasterrcnn_resnet18_fpn", pretrained=False, norm="frozen", trainable_layers=3,
    fpn_channels=8, box_head_size=8, rois_per_image=8, anchors_per_image=8, proposals_train=10,
)  # fmt: skip


def second_step(device: StandIn, model: nn.Module, step: Any, batch: Any) -> None:
    """Train twice; what is counted is the second step, when what is made once is there."""
    precision = Precision.from_level("O1", CUDA)
    update = WeightUpdate(build_optimizer(model.parameters(), "sgd", 0.01), precision, max_grad_norm=1.0)
    average = Ema(model, 0.9)
    for _ in range(2):
        device.reset()
        with precision.autocast():
            output = step(batch)
        update.add(output.loss, output.weight)
        update.finish()
        average.update()


def test_a_step_of_the_detector() -> None:
    """Non-maximum suppression of all four crops in one call, and the number of regions of each level of the pyramid."""
    with cuda_stand_in() as device:
        model = place(build_detector(DETECTOR), CUDA).train()
        box = torch.tensor([[10.0, 10, 40, 40]])
        image = torch.zeros(3, 64, 64, dtype=torch.uint8)
        crops = [Crop(image, boxes, "page", number) for number, boxes in enumerate([box, box[:0], box, box])]
        batch = collate_crops(crops)
        pinned = batch._replace(
            images=batch.images.pin_memory(), boxes_xyxy=batch.boxes_xyxy.pin_memory(), seeds=batch.seeds.pin_memory()
        )
        second_step(device, model, build_step(model, CUDA), pinned)
        assert sorted(operation for operation, _ in device.waits.elements()) == ["nms", "tolist"], device.waits
    assert sum(device.launches.values()) <= 820  # 799 were counted


def test_a_step_of_the_classifier() -> None:
    with cuda_stand_in() as device:
        model = build_classifier(ModelConfig("resnet18", head_size=8), 5, pretrained=False, frozen_start=True)
        place(model, CUDA)
        model.train()
        rois = torch.tensor([[0.0, 4, 4, 30, 30], [1, 8, 8, 40, 40]])
        images = torch.zeros(2, 64, 64, 3, dtype=torch.uint8)
        batch = Batch(images, rois, torch.tensor([1, 2]), (SampleKey(0, 0, 0),)).pin_memory()
        pages: Any = SimpleNamespace(pages=[SimpleNamespace(image_id="page")])
        second_step(device, model, Step(model, pages, 0.0, CUDA), batch)
        assert not device.waits


def test_the_average_takes_one_operation_for_all_weights_and_one_for_all_counters() -> None:
    with cuda_stand_in() as device:
        model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Linear(4, 4), nn.BatchNorm1d(4)).to(CUDA)
        average = Ema(model, 0.9)
        device.reset()
        average.update()
        names = sorted(name for name, _ in device.launches.elements())
    assert names == ["_foreach_copy_", "_foreach_lerp_"]
