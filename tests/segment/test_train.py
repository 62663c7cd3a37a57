"""The parts of a training that can be looked at without training."""

import dataclasses
from pathlib import Path

import pytest
import torch
from torch import nn

from kuzushiji.engine.optim import factor_of
from kuzushiji.segment.dataset import Crop, collate_crops
from kuzushiji.segment.detector import build_model, detector_config
from kuzushiji.segment.main import Segment
from kuzushiji.segment.train import build_step, crop_spec
from tests.published import assert_filled, without_random_start, write_published

RUN = ["--output-dir", "run"]


def test_schedule_of_the_reference() -> None:
    """3,129 training pages, two passes, batch 16: 391 updates an epoch; warm-up is over in epoch 2 and comes once."""
    factor = factor_of(Segment.parse_args(RUN), 391)
    assert factor(0) < 0.01
    assert factor(500) == pytest.approx(0.5, abs=0.01)
    assert factor(1000) == 1
    assert factor(391 * 35 - 1) == 1
    assert factor(391 * 35) == pytest.approx(0.1)
    assert factor(391 * 45 - 1) == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("words", "step", "expected"),
    [
        (["--cosine"], 391 * 45 // 2, 0.5),  # half-way
        (["--lr-steps", "10", "20"], 391 * 20, 0.01),  # two steps
        (["--lr-steps"], 391 * 44, 1.0),  # none
        (["--accumulation-steps", "2"], 196 * 35, 0.1),  # half as many updates
    ],
)
def test_other_schedules(words: list[str], step: int, expected: float) -> None:
    assert factor_of(Segment.parse_args([*RUN, *words]), 391)(step) == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize(
    ("words", "norm", "trainable_layers"),
    [
        ([], "frozen", 3),  # ImageNet weights, as the reference
        (["--weights", "w.pth"], "frozen", 3),
        (["--pretrained", "0"], "batch", 5),  # from scratch everything must be learned
        (["--pretrained", "0", "--norm", "group"], "group", 5),
        (["--trainable-layers", "0"], "frozen", 0),
    ],
)
def test_what_is_frozen(words: list[str], norm: str, trainable_layers: int) -> None:
    config = detector_config(Segment.parse_args([*RUN, *words]))
    assert (config.norm, config.trainable_layers) == (norm, trainable_layers)


def test_detector_of_the_reference() -> None:
    config = detector_config(Segment.parse_args(RUN))
    assert config.backbone == "resnet152"
    assert config.aspect_ratios == (0.5, 1, 2)
    assert (config.max_detections, config.nms_threshold, config.score_threshold) == (1000, 0.25, 0.5)


def test_crop_of_the_reference() -> None:
    spec = crop_spec(Segment.parse_args(RUN))
    assert (spec.out_width, spec.out_height, spec.min_height, spec.max_height) == (512, 384, 400, 533)


SMALL = """--model fasterrcnn_resnet18_fpn --pretrained 0 --norm group --fpn-channels 8 --box-head-size 8
    --rois-per-image 8 --anchors-per-image 8 --proposals-train 10 --proposals-test 10"""


def test_step_takes_crops_with_and_without_characters() -> None:
    torch.manual_seed(0)
    model = build_model(Segment.parse_args([*RUN, *SMALL.split()])).train()
    image = torch.zeros(3, 64, 64, dtype=torch.uint8)
    box = torch.tensor([[10.0, 10, 40, 40]])
    for boxes in ([box, box[:0]], [box[:0], box[:0]]):
        batch = collate_crops([Crop(image, each, f"page{number}", number) for number, each in enumerate(boxes)])
        output = build_step(model, torch.device("cpu"))(batch)
        assert torch.isfinite(output.loss)
        assert float(output.loss.detach()) == pytest.approx(float(sum(output.metrics.values())))
        assert output.weight == 2
        assert output.samples == ["page0", "page1"]
        output.loss.backward()
    assert has_gradient(model)


def test_weights_of_a_file(tmp_path: Path) -> None:
    config = Segment.parse_args([*RUN, *SMALL.split(), "--weights", str(tmp_path / "weights.pth")])
    torch.manual_seed(1)
    source = build_model(dataclasses.replace(config, weights=None)).get_submodule("backbone.body").state_dict()
    torch.save(source, tmp_path / "weights.pth")
    torch.manual_seed(2)
    filled = build_model(config).get_submodule("backbone.body").state_dict()
    assert all(torch.equal(filled[name], value) for name, value in source.items())


@pytest.mark.parametrize("depth", [18, 34, 50, 101, 152])
def test_every_backbone_is_filled_to_the_last_layer(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, depth: int
) -> None:
    numbers = write_published(tmp_path / "weights.pth", f"resnet{depth}")
    without_random_start(monkeypatch)
    words = (
        f"--model fasterrcnn_resnet{depth}_fpn --weights {tmp_path / 'weights.pth'} --fpn-channels 8 --box-head-size 8"
    )
    body = build_model(Segment.parse_args([*RUN, *words.split()])).get_submodule("backbone.body")
    assert_filled(body, numbers)
    assert {key.split(".")[0] for key in numbers if key not in body.state_dict()} == {"fc"}


def has_gradient(model: nn.Module) -> bool:
    return all(parameter.grad is not None for parameter in model.parameters() if parameter.requires_grad)


def test_images_of_the_dataset_are_normalised_by_the_detector() -> None:
    """Bytes go to the device; the detector makes them what ImageNet's weights expect."""
    model = build_model(Segment.parse_args([*RUN, *SMALL.split()])).eval()
    seen = []
    model.get_submodule("backbone").register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    with torch.no_grad():
        model([torch.full((3, 64, 64), 255, dtype=torch.uint8)])
    expected = (1 - torch.tensor([0.485, 0.456, 0.406])) / torch.tensor([0.229, 0.224, 0.225])
    torch.testing.assert_close(seen[0][0, :, 0, 0], expected)
