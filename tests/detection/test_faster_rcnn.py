"""The detector on white rectangles on black."""

import dataclasses

import pytest
import torch
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.image_list import ImageList
from torchvision.ops import FrozenBatchNorm2d

from detection.faster_rcnn import BACKBONES, DetectorConfig, PadAndNormalize, build_detector

SMALL = DetectorConfig(
    backbone="resnet18",
    box_head_size=32,
    rois_per_image=32,
    fpn_channels=16,
    norm="group",
    trainable_layers=5,
    proposals_train=200,
    proposals_test=100,
    score_threshold=0.05,
)


def page(height: int, width: int, boxes: list[list[int]]) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    image = torch.zeros((3, height, width), dtype=torch.uint8)
    for left, top, right, bottom in boxes:
        image[:, top:bottom, left:right] = 255
    target = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)
    return image, {"boxes": target, "labels": torch.ones(len(boxes), dtype=torch.int64)}


def build(**changes):
    torch.manual_seed(0)
    return build_detector(dataclasses.replace(SMALL, **changes))


@pytest.fixture(scope="module")
def trained():
    """Return a detector after some steps, and its losses."""
    detector = build().train()
    optimizer = torch.optim.AdamW(detector.parameters(), lr=1e-3)
    boxes = [[4, 4, 28, 28], [36, 8, 60, 32], [20, 36, 44, 60]]
    pages = [page(64, 64, boxes[:2]), page(64, 64, boxes[1:])]
    losses = []
    for _ in range(30):
        loss = sum(detector([image for image, _ in pages], [target for _, target in pages]).values())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    return detector, losses, pages


def test_learns_rectangles(trained):
    detector, losses, pages = trained
    assert sum(losses[-5:]) < 0.7 * sum(losses[:5])
    with torch.no_grad():
        found = detector.eval()([image for image, _ in pages])
    best = found[0]["boxes"][:4]
    iou = torch.stack([overlap(best, truth) for truth in pages[0][1]["boxes"]])
    assert (iou.amax(dim=1) > 0.5).all()


def overlap(boxes: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    from torchvision.ops import box_iou

    return box_iou(boxes, truth[None])[:, 0]


def test_boxes_lie_within_their_images_of_different_sizes(trained):
    detector, _, _ = trained
    detector.eval()
    sizes = [(96, 96), (70, 130), (33, 40)]
    with torch.no_grad():
        found = detector([page(*size, [[4, 4, 28, 28]])[0] for size in sizes])
    for (height, width), result in zip(sizes, found, strict=True):
        assert result["boxes"].shape == (len(result["scores"]), 4)
        assert result["boxes"].dtype == torch.float32
        assert (result["boxes"] >= 0).all()
        assert (result["boxes"] <= torch.tensor([width, height, width, height])).all()
        assert (result["scores"].diff() <= 0).all()
    assert len(found[0]["boxes"]) > 0


def test_an_image_gets_the_same_boxes_alone_and_in_a_padded_batch(trained):
    detector, _, _ = trained
    detector.eval()
    image = page(64, 64, [[8, 8, 32, 32]])[0]
    with torch.no_grad():
        alone = detector([image])[0]
        beside = detector([image, page(64, 64, [])[0]])[0]
    torch.testing.assert_close(alone["boxes"], beside["boxes"], atol=1e-2, rtol=1e-4)


def test_trains_on_crops_without_any_character():
    detector = build().train()
    image, target = page(64, 64, [])
    losses = detector([image, image], [target, target])
    assert set(losses) == {"loss_classifier", "loss_box_reg", "loss_objectness", "loss_rpn_box_reg"}
    sum(losses.values()).backward()
    assert all(torch.isfinite(loss) for loss in losses.values())
    assert losses["loss_box_reg"].item() == 0


def test_uint8_and_float_images_are_the_same():
    image = torch.randint(0, 256, (3, 40, 70), dtype=torch.uint8)
    batches = [PadAndNormalize()([given])[0] for given in (image, image.float() / 255)]
    torch.testing.assert_close(batches[0].tensors, batches[1].tensors)
    assert batches[0].tensors.shape == (1, 3, 64, 96)
    assert batches[0].image_sizes == [(40, 70)]
    assert (batches[0].tensors[..., 40:, :] == 0).all()  # the padding is the mean colour


def test_losses_and_boxes_are_float32_under_autocast():
    detector = build()
    image, target = page(64, 96, [[8, 8, 32, 32]])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        losses = detector.train()([image], [target])
        with torch.no_grad():
            found = detector.eval()([image])[0]
    assert {loss.dtype for loss in losses.values()} == {torch.float32}
    assert found["boxes"].dtype == found["scores"].dtype == torch.float32


def test_anchors_are_exact_under_autocast():
    """bfloat16 has 8 bits: left to torchvision, anchors beyond pixel 256 would be rounded to even pixels and more."""
    detector = build().eval()
    seen = []
    detector.rpn.anchor_generator.register_forward_hook(lambda *call: seen.append(call[2][0]))
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        detector([torch.zeros(3, 64, 640)])
    anchors = seen[0]
    assert anchors.dtype == torch.float32
    centers = (anchors[:, 0] + anchors[:, 2]) / 2
    assert set(centers[: 3 * 160].unique().tolist()) == set(range(0, 640, 4))


def test_anchors_lie_on_the_strides_of_their_levels():
    """torchvision would compute a stride of 48 for the last level here, and not 64."""
    detector = build().eval()
    seen = []
    detector.rpn.anchor_generator.register_forward_hook(lambda *call: seen.append(call[2]))
    with torch.no_grad():
        detector([torch.zeros(3, 96, 160)] * 2)
    assert torch.equal(*seen[0])
    of_level = seen[0][0].split([3 * 24 * 40, 3 * 12 * 20, 3 * 6 * 10, 3 * 3 * 5, 3 * 2 * 3])
    for stride, anchors in zip((4, 8, 16, 32, 64), of_level, strict=True):
        centers = (anchors[:, :2] + anchors[:, 2:]) / 2
        assert centers[:, 0].unique().tolist() == list(range(0, 160, stride))
        assert centers[:, 1].unique().tolist() == list(range(0, 96, stride))


def test_anchors_of_a_batch_of_whole_strides_are_torchvision_s():
    generator = build().rpn.anchor_generator
    batch = ImageList(torch.zeros(1, 3, 128, 192), [(128, 192)])
    maps = [torch.zeros(1, 16, 128 // stride, 192 // stride) for stride in (4, 8, 16, 32, 64)]
    torch.testing.assert_close(generator(batch, maps), AnchorGenerator.forward(generator, batch, maps), rtol=0, atol=0)


def test_region_pooling_does_not_depend_on_the_first_batch():
    detector = build().eval()
    scales = list(detector.roi_heads.box_roi_pool.scales)
    with torch.no_grad():
        detector([torch.rand(3, 65, 65)])  # padded to 96: torchvision would take 1/2 for the first level
    assert detector.roi_heads.box_roi_pool.scales == scales == [1 / 4, 1 / 8, 1 / 16, 1 / 32]


def test_thresholds_and_limits_are_wired(trained):
    detector, _, pages = trained
    state, image = detector.state_dict(), pages[0][0]

    def found(**changes):
        other = build(**changes).eval()
        other.load_state_dict(state)
        with torch.no_grad():
            return other([image])[0]

    usual = found()
    assert len(found(max_detections=1)["boxes"]) == 1 < len(usual["boxes"])
    assert (found(score_threshold=0.3)["scores"] > 0.3).all()
    assert (usual["scores"] > 0.05).all()
    assert len(found(nms_threshold=0.9)["boxes"]) > len(usual["boxes"]) >= len(found(nms_threshold=0.05)["boxes"])


@pytest.mark.parametrize(
    ("norm", "kind"), [("frozen", FrozenBatchNorm2d), ("batch", torch.nn.BatchNorm2d), ("group", torch.nn.GroupNorm)]
)
def test_norm(norm, kind):
    assert isinstance(build(norm=norm).backbone.body.bn1, kind)


@pytest.mark.parametrize(
    ("layers", "trained_parts"),
    [
        (0, []),
        (2, ["layer3", "layer4"]),
        (3, ["layer2", "layer3", "layer4"]),  # as torchvision does with pretrained weights
        (5, ["bn1", "conv1", "layer1", "layer2", "layer3", "layer4"]),
    ],
)
def test_trainable_layers(layers, trained_parts):
    body = build(trainable_layers=layers).backbone.body
    assert sorted({name.split(".")[0] for name, p in body.named_parameters() if p.requires_grad}) == trained_parts


@pytest.mark.parametrize("backbone", [name for name in BACKBONES if name not in ("resnet101", "resnet152")])
def test_backbones(backbone):
    with torch.no_grad():
        features = build(backbone=backbone).backbone(torch.zeros(1, 3, 64, 64))
    assert [tuple(f.shape[1:]) for f in features.values()] == [
        (16, 16, 16),
        (16, 8, 8),
        (16, 4, 4),
        (16, 2, 2),
        (16, 1, 1),
    ]


def test_the_recipe_of_the_reference():
    config = DetectorConfig()
    assert config.backbone == "resnet152"
    assert (config.anchor_sizes, config.aspect_ratios) == ((12, 24, 32, 64, 96), (0.5, 1.0, 2.0))
    assert (config.max_detections, config.nms_threshold, config.score_threshold) == (1000, 0.25, 0.5)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"backbone": "resnet20"}, "backbone"),
        ({"norm": "layer"}, "norm"),
        ({"anchor_sizes": (12, 24)}, "5 anchor sizes"),
        ({"trainable_layers": 6}, "trainable layers"),
    ],
)
def test_refuses(wrong, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(SMALL, **wrong)
