"""RoI align by rows gives what torchvision's kernels give, and the same gradients."""

import pytest
import torch
from torch import Tensor
from torchvision.ops import MultiScaleRoIAlign
from torchvision.ops import roi_align as torchvision_roi_align
from torchvision.ops.poolers import initLevelMapper

from detection import roi_align as module
from detection.roi_align import PyramidRoIAlign, roi_align

MAPS = torch.randn(2, 5, 12, 16, generator=torch.Generator().manual_seed(0))
ROIS = torch.tensor(
    [
        [0, 10.0, 12.0, 40.0, 36.0],
        [1, 0.0, 0.0, 128.0, 96.0],  # the whole image
        [1, 3.3, 4.4, 5.5, 6.6],  # smaller than a place of the map
        [0, 20.0, 20.0, 20.0, 20.0],  # no area
        [0, 30.0, 20.0, 25.0, 10.0],  # inside out
        [1, -30.0, -20.0, 20.0, 30.0],  # over the first edges
        [0, 100.0, 70.0, 160.0, 130.0],  # over the last edges
        [1, 500.0, 500.0, 600.0, 600.0],  # far outside
    ]
)


@pytest.mark.parametrize("aligned", [True, False])
@pytest.mark.parametrize(("size", "ratio"), [(3, 2), (7, 2), (1, 1), (2, 3)])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_as_torchvision_does(size: int, ratio: int, aligned: bool, layout: torch.memory_format) -> None:
    results = []
    for own in (True, False):
        maps = MAPS.to(memory_format=layout, copy=True).requires_grad_()
        cells = (
            roi_align(maps, ROIS, size=size, scale=1 / 8, ratio=ratio, aligned=aligned)
            if own
            else torchvision_roi_align(maps, ROIS, size, spatial_scale=1 / 8, sampling_ratio=ratio, aligned=aligned)
        )
        (cells * torch.linspace(-1, 1, cells.numel()).view(cells.shape)).sum().backward()
        assert maps.grad is not None
        results.append((cells.detach(), maps.grad))
    (cells, gradient), (expected, expected_gradient) = results
    assert cells.shape == (len(ROIS), 5, size, size)
    torch.testing.assert_close(cells, expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(gradient, expected_gradient, rtol=1e-4, atol=1e-5)


def test_no_boxes() -> None:
    maps = MAPS.clone().requires_grad_()
    cells = roi_align(maps, ROIS[:0], size=3, scale=1 / 8, ratio=2, aligned=True)
    assert cells.shape == (0, 5, 3, 3)
    cells.sum().backward()
    assert maps.grad is not None and not maps.grad.any()


def test_half_precision_is_read_as_float32() -> None:
    cells = roi_align(MAPS.bfloat16(), ROIS, size=3, scale=1 / 8, ratio=2, aligned=True)
    assert cells.dtype == torch.float32
    expected = roi_align(MAPS.bfloat16().float(), ROIS, size=3, scale=1 / 8, ratio=2, aligned=True)
    assert torch.equal(cells, expected)


def test_other_devices_and_graphs_have_the_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = roi_align(MAPS, ROIS, size=3, scale=1 / 8, ratio=2, aligned=True)
    calls: list[object] = []

    def recorded(*arguments: object, **options: object) -> Tensor:
        calls.append(arguments)
        return torchvision_roi_align(*arguments, **options)

    monkeypatch.setattr(module, "torchvision_roi_align", recorded)
    monkeypatch.setattr(module, "_by_rows", lambda _: False)
    found = roi_align(MAPS, ROIS, size=3, scale=1 / 8, ratio=2, aligned=True)
    assert len(calls) == 1
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def with_levels(kind: type[MultiScaleRoIAlign]) -> MultiScaleRoIAlign:
    pool = kind(["0", "1", "2"], output_size=7, sampling_ratio=2)
    pool.scales = [1 / 4, 1 / 8, 1 / 16]
    pool.map_levels = initLevelMapper(2, 4)
    return pool


@pytest.mark.parametrize(
    "counts",
    [
        (12, 9),
        (0, 5),  # an image without boxes
        (0, 0),
    ],
)
def test_a_pyramid(counts: tuple[int, int]) -> None:
    """Boxes of 10 to 900 pixels, so that every level has some."""
    random = torch.Generator().manual_seed(1)
    start = [torch.rand(count, 2, generator=random) * 60 for count in counts]
    sides = [10 * 90 ** torch.rand(count, 2, generator=random) for count in counts]
    boxes = [torch.cat([low, low + side], dim=1) for low, side in zip(start, sides, strict=True)]
    levels = with_levels(PyramidRoIAlign).map_levels(boxes)
    assert sum(counts) < 10 or len(levels.unique()) == 3
    shapes = [(64, 96), (32, 48), (16, 24)]
    features = {str(i): torch.randn(2, 6, *shape, generator=random) for i, shape in enumerate(shapes)}
    found, expected = (with_levels(kind)(features, boxes, []) for kind in (PyramidRoIAlign, MultiScaleRoIAlign))
    assert found.shape == (sum(counts), 6, 7, 7)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
