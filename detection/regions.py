"""Regions of a batch as tensors of one shape: overlap, deltas, and a random choice among them.

Nothing here depends on how many regions an image has: images with fewer boxes have rows of zeros, and a mask says
what counts. On a GPU no operation waits for its result, and one operation serves all images.
"""

import math

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

_LARGEST_LOG = math.log(1000 / 16)
"""A region grows by at most this factor, as in torchvision: `exp` of more could overflow."""

_KEYS = 1 << 61
"""Random keys are below this."""

_STEP, _MIX = -0x61C8864680B583EB, ((30, -0x40A7B892E31B1A47), (27, -0x6B2FB644ECCEEE15), (31, 1))
"""Constants of SplitMix64 (Steele, Lea, Flood 2014) as signed numbers: its increment; shifts and factors."""

Weights = tuple[float, float, float, float]
"""Of the four deltas (x, y, width, height): the network predicts each times its weight."""


def padded(boxes_xyxy: list[Tensor]) -> Tensor:
    """Return the boxes (n, 4) of each image as (images, m, 4); m is at least 1, rows without a box are zero."""
    one = boxes_xyxy[0].new_zeros(1, 4)
    rows: Tensor = pad_sequence([*boxes_xyxy, one], batch_first=True)
    return rows[:-1]


def pairwise_iou(boxes_xyxy: Tensor, regions_xyxy: Tensor) -> Tensor:
    """Return the IoU (images, m, n) of boxes (images, m, 4) and regions (images, n, 4), or (1, n, 4) for all images.

    What has no area has an IoU of 0 with everything. Pairs that do not meet may have one below 0: one more pass over
    the largest tensor of a training step would be needed to make it 0.
    """
    left, top, right, bottom = boxes_xyxy[..., None].unbind(2)
    lefts, tops, rights, bottoms = regions_xyxy[:, None].unbind(3)
    area, areas = (right - left) * (bottom - top), (rights - lefts) * (bottoms - tops)
    height = torch.minimum(bottom, bottoms).sub_(torch.maximum(top, tops))
    shared = torch.minimum(right, rights).sub_(torch.maximum(left, lefts)).clamp_(min=0).mul_(height)
    return shared / (area + areas.clamp(min=torch.finfo(areas.dtype).tiny)).sub_(shared)


def rows_of(values: Tensor, numbers: Tensor) -> Tensor:
    """Return of each image the rows (images, k, c) that `numbers` (images, k) names, out of (images, n, c)."""
    return values.gather(1, numbers[..., None].expand(-1, -1, values.shape[2]))


def encode(boxes_xyxy: Tensor, regions_xyxy: Tensor, weights: Weights) -> Tensor:
    """Return the deltas (..., 4) that turn regions into boxes (Ren et al. 2015, equation 2)."""
    sides, own_sides = (some[..., 2:] - some[..., :2] for some in (boxes_xyxy, regions_xyxy))
    shift = ((boxes_xyxy[..., :2] + 0.5 * sides) - (regions_xyxy[..., :2] + 0.5 * own_sides)) / own_sides
    growth = (sides / own_sides).log_()
    return torch.stack(
        [part * weight for part, weight in zip((*shift.unbind(-1), *growth.unbind(-1)), weights, strict=True)], dim=-1
    )


def decode(deltas: Tensor, regions_xyxy: Tensor, weights: Weights) -> Tensor:
    """Return the boxes (..., 4) that deltas make of regions."""
    dx, dy, dw, dh = (part / weight for part, weight in zip(deltas.unbind(-1), weights, strict=True))
    sides = regions_xyxy[..., 2:] - regions_xyxy[..., :2]
    centre = torch.stack([dx, dy], dim=-1) * sides + (regions_xyxy[..., :2] + 0.5 * sides)
    half = torch.stack([dw, dh], dim=-1).clamp_(max=_LARGEST_LOG).exp_() * sides * 0.5
    return torch.cat([centre - half, centre + half], dim=-1)


def random_keys(seeds: Tensor, n: int) -> Tensor:
    """Return (images, n) int64 random numbers from 0 to 2**61 - 1 by seeds (images,) int64, on any device the same.

    Key i is what SplitMix64 gives in its step i after a seed.
    """
    keys = seeds[:, None] + torch.arange(n, device=seeds.device) * _STEP
    for shift, factor in _MIX:
        # The shift of signed numbers draws in copies of the sign.
        keys = (keys ^ ((keys >> shift) & ((1 << (64 - shift)) - 1))) * factor
    return keys & (_KEYS - 1)


def draw(labels: Tensor, seeds: Tensor, most: int, object_share: float) -> tuple[Tensor, Tensor, Tensor]:
    """Draw up to `most` regions of each image, among them at most a certain share of objects.

    Args:
        labels: (images, n): 1 an object, 0 background, -1 neither of both.
        seeds: (images,) int64, of the images.
        most: Regions drawn of an image; fewer where there are not as many.
        object_share: Largest share of `most` that are objects.

    Returns:
        Numbers (images, k) of regions, k = min(most, n): objects, then background, then what was not drawn. Whether
        each is an object, and whether it was drawn.
    """
    n = labels.shape[1]
    keys = random_keys(seeds, n)
    is_object = labels == 1
    most_objects = min(int(most * object_share), n)
    if most_objects:
        of_objects = torch.where(is_object, keys, -1)
        is_object = is_object & (of_objects >= of_objects.topk(most_objects, dim=1).values[:, -1:])
    else:
        is_object = torch.zeros_like(is_object)
    keys = torch.where(is_object, keys + _KEYS, torch.where(labels == 0, keys, -1))
    drawn, numbers = keys.topk(min(most, n), dim=1)
    return numbers, drawn >= _KEYS, drawn >= 0
