"""The classifier: sizes, order of the head, what is frozen, and that boxes read the right pixels."""

import pytest
import torch
from torch import nn

from kuzushiji.classify.backbones import Backbone, build_backbone
from kuzushiji.classify.network import (
    ModelConfig,
    RoIClassifier,
    RowsLinear,
    build_head,
    build_model,
    roi_cells,
    roi_features,
    rois_of,
)
from kuzushiji.errors import InputError

MEAN, STD = (0.5, 0.25, 0.75), (0.1, 0.2, 0.4)


class MeanColours(Backbone):
    """Maps are the mean colours of cells: what a box reads can be told beforehand."""

    channels = (3, 3)
    start = ()
    cut_off = ()

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return nn.functional.avg_pool2d(images, 8), nn.functional.avg_pool2d(images, 16)


def small_classifier(backbone: Backbone | None = None, **options: bool) -> RoIClassifier:
    config = ModelConfig("resnet18", head_size=16)
    return RoIClassifier(backbone or MeanColours(), 5, config, mean=MEAN, std=STD, **options)


@pytest.mark.parametrize(
    ("base", "features"),
    [
        ("resnet18", 3_456),  # (128 + 256) * 9
        ("resnet34", 3_456),
        ("resnet152", 13_824),  # the reference's: (512 + 1024) * 9
        ("resnext101_32x8d_wsl", 13_824),
        ("resnet10t", 3_456),  # a timm model
    ],
)
def test_features_of_a_box(base: str, features: int) -> None:
    with torch.device("meta"):
        assert roi_features(build_backbone(base, pretrained=False)) == features


def test_head_is_the_reference_s() -> None:
    head = build_head(13_824, 1024, 4_213, 0.5)
    kinds = [nn.Dropout, nn.Linear, nn.ReLU, nn.Dropout, nn.BatchNorm1d, nn.Linear]
    assert all(isinstance(layer, kind) for layer, kind in zip(head, kinds, strict=True))
    assert [layer.p for layer in head if isinstance(layer, nn.Dropout)] == [0.5, 0.5]
    assert [(layer.in_features, layer.out_features) for layer in head if isinstance(layer, nn.Linear)] == [
        (13_824, 1024),
        (1024, 4_213),
    ]


@pytest.mark.parametrize("n", [0, 1, 31, 32, 33])
def test_linear_layers_of_the_head_compute_what_linear_layers_do(n: int) -> None:
    torch.manual_seed(0)
    plain = nn.Linear(7, 5)
    rows = RowsLinear(7, 5)
    rows.load_state_dict(plain.state_dict())
    given, same = (torch.rand(n, 7, generator=torch.Generator().manual_seed(1)).requires_grad_() for _ in range(2))
    torch.testing.assert_close(rows(given), plain(same))
    rows(given).square().sum().backward()
    plain(same).square().sum().backward()
    torch.testing.assert_close(rows.weight.grad, plain.weight.grad)
    torch.testing.assert_close(rows.bias.grad, plain.bias.grad)
    torch.testing.assert_close(given.grad, same.grad)


def test_frozen_start_keeps_weights_and_statistics() -> None:
    model = build_model(ModelConfig("resnet18", head_size=16), 5, pretrained=False, frozen_start=True)
    start = ("backbone.conv1.", "backbone.bn1.", "backbone.layer1.")
    for name, parameter in model.named_parameters():
        assert parameter.requires_grad != name.startswith(start), name
    before = {name: value.clone() for name, value in model.state_dict().items() if name.startswith(start)}
    model.eval()
    model.train()  # must not put the frozen norms back into training
    for name, module in model.named_modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.training != f"{name}.".startswith(start), name
    boxes = torch.tensor([[0, 4, 4, 30, 30], [0, 8, 8, 40, 40]], dtype=torch.float32)
    model(torch.randint(0, 255, (1, 64, 64, 3), dtype=torch.uint8), boxes).sum().backward()
    assert before and all(torch.equal(model.state_dict()[name], value) for name, value in before.items())
    assert model.backbone.get_parameter("layer2.0.conv1.weight").grad is not None


def test_frozen_start_of_a_backbone_that_does_not_tell_its_start() -> None:
    with pytest.raises(InputError, match="--frozen-start 1"):
        small_classifier(frozen_start=True)


def test_pictures_are_normalised_by_the_model() -> None:
    colour = torch.tensor([[[[128, 64, 191]]]], dtype=torch.uint8)
    normalised = small_classifier().normalise(colour).flatten()
    expected = (colour.flatten() / 255 - torch.tensor(MEAN)) / torch.tensor(STD)
    torch.testing.assert_close(normalised, expected)


@pytest.mark.parametrize("stride", [8, 16])
@pytest.mark.parametrize("corner", [(0, 0), (1, 2), (4, 3)])
def test_a_box_reads_the_pixels_under_it(stride: int, corner: tuple[int, int]) -> None:
    """A box of 3 x 3 cells of the map, its edges on theirs: each of its cells is the mean of what a cell covers."""
    picture = torch.zeros(1, 3, 8 * stride, 8 * stride)
    column, row = corner
    x0, y0 = column * stride, row * stride
    for i in range(3):
        for j in range(3):
            picture[:, 0, y0 + i * stride : y0 + (i + 1) * stride, x0 + j * stride : x0 + (j + 1) * stride] = 3 * i + j
    boxes = torch.tensor([[0, x0, y0, x0 + 3 * stride, y0 + 3 * stride]], dtype=torch.float32)
    cells = roi_cells(nn.functional.avg_pool2d(picture, stride), boxes, stride)[0, 0]
    # Two points a direction lie a quarter of a cell off its centre, and are mixed with the neighbours on both sides.
    assert cells[1, 1] == pytest.approx(4)
    assert float(cells[1, 0]) < float(cells[1, 1]) < float(cells[1, 2])
    assert float(cells[0, 1]) < float(cells[1, 1]) < float(cells[2, 1])


def test_a_box_reads_its_own_picture_of_the_batch() -> None:
    pictures = torch.stack([torch.full((3, 64, 64), float(number)) for number in range(3)])
    boxes = torch.tensor([[2, 8, 8, 40, 40], [0, 8, 8, 40, 40], [1, 8, 8, 40, 40]], dtype=torch.float32)
    assert roi_cells(pictures, boxes, 1)[:, 0, 1, 1].tolist() == [2, 0, 1]


def test_colour_under_the_box_is_learned_in_few_steps() -> None:
    """Random colours under random boxes: wrong coordinates, or the wrong picture of a batch, would stop this."""
    torch.manual_seed(0)
    model = small_classifier()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.03)
    palette = torch.tensor([[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 0], [0, 0, 0]], dtype=torch.uint8)
    accuracy = 0.0
    for _ in range(40):
        pictures = torch.full((2, 96, 96, 3), 128, dtype=torch.uint8)
        classes = torch.randint(5, (2, 4))
        rois = []
        for picture in range(2):
            for number, (x, y) in enumerate([(4, 4), (52, 4), (4, 52), (52, 52)]):
                x0, y0 = x + int(torch.randint(8, ())), y + int(torch.randint(8, ()))
                pictures[picture, y0 : y0 + 30, x0 : x0 + 30] = palette[classes[picture, number]]
                rois.append([picture, x0, y0, x0 + 30, y0 + 30])
        logits = model(pictures, torch.tensor(rois, dtype=torch.float32))
        accuracy = float((logits.argmax(1) == classes.flatten()).float().mean())
        optimizer.zero_grad()
        nn.functional.cross_entropy(logits, classes.flatten()).backward()
        optimizer.step()
        model.head[0].p = model.head[3].p = 0.0
    assert accuracy == 1.0


def test_mixed_precision_gives_float32_logits_near_those_of_float32() -> None:
    torch.manual_seed(0)
    model = build_model(ModelConfig("resnet18", head_size=16), 5, pretrained=False).eval()
    pictures = torch.randint(0, 255, (1, 64, 96, 3), dtype=torch.uint8)
    boxes = torch.tensor([[0, 4, 4, 30, 30], [0, 8, 8, 90, 60]], dtype=torch.float32)
    with torch.no_grad():
        exact = model(pictures, boxes)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            mixed = model(pictures, boxes)
    assert mixed.dtype == torch.float32
    torch.testing.assert_close(mixed, exact, atol=0.1, rtol=0.1)


def test_no_boxes_no_logits() -> None:
    logits = small_classifier().eval()(torch.zeros(1, 32, 32, 3, dtype=torch.uint8), torch.zeros(0, 5))
    assert logits.shape == (0, 5)


@pytest.mark.parametrize(
    ("counts", "numbers"),
    [
        ((2, 1), [0, 0, 1]),
        ((0, 3), [1, 1, 1]),  # a picture without boxes
        ((0, 0), []),
        ((), []),  # no picture
    ],
)
def test_rois_name_their_picture(counts: tuple[int, ...], numbers: list[int]) -> None:
    rois = rois_of([torch.ones(count, 4) for count in counts])
    assert rois.shape == (len(numbers), 5)
    assert rois[:, 0].tolist() == numbers


@pytest.mark.parametrize("width", [1000, 1008, 1023])
def test_boxes_are_found_by_the_strides_of_the_maps(width: int) -> None:
    """Not by map width / picture width, as the reference did: with 63 columns for 1,000 pixels, 7 pixels off here."""

    class Ramps(MeanColours):
        """Maps whose numbers are the places in the picture, as large as a network's: what is left over counts."""

        def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            height, width = images.shape[-2:]
            columns = [(torch.arange(-(-width // stride)) + 0.5) * stride for stride in (8, 16)]
            rows = [-(-height // stride) for stride in (8, 16)]
            return tuple(own.expand(1, 3, n, -1) for own, n in zip(columns, rows, strict=True))  # type: ignore[return-value]

    classifier = small_classifier(Ramps()).eval()
    features = classifier.features(
        torch.zeros(1, 64, width, 3, dtype=torch.uint8), torch.tensor([[0, 880.0, 20, 928, 44]])
    )
    torch.testing.assert_close(features.view(6, 3, 3).mean(dim=(1, 2)), torch.full((6,), 904.0))
