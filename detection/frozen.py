"""Frozen batch norms that are computed as part of the convolution before them.

A frozen norm multiplies and shifts each channel by numbers that never change, so the convolution can do it: its weights
are multiplied by the scale, and the shift is its bias. By itself the norm would read and write each map once more, and
under autocast its float32 numbers would turn every map of the network into float32.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.ops import FrozenBatchNorm2d


class FoldedNorm(FrozenBatchNorm2d):  # type: ignore[misc]
    """A frozen norm that does nothing by itself; the convolution applies `scale` and `shift` (channels,).

    Names and values of its state are those of a batch norm.
    """

    scale: Tensor
    shift: Tensor

    def __init__(self, num_features: int, eps: float = 1e-5) -> None:
        super().__init__(num_features, eps)
        self.register_buffer("scale", torch.ones(num_features), persistent=False)
        self.register_buffer("shift", torch.zeros(num_features), persistent=False)
        self._set()

    def forward(self, maps: Tensor) -> Tensor:
        """Return the maps as they are."""
        return maps

    def _load_from_state_dict(self, *arguments: Any) -> None:
        super()._load_from_state_dict(*arguments)
        self._set()

    @torch.no_grad()
    def _set(self) -> None:
        self.scale.copy_(self.weight * (self.running_var + self.eps).rsqrt())
        self.shift.copy_(self.bias - self.running_mean * self.scale)


class _NormedConvolution(nn.Conv2d):
    """A convolution that also applies the norm after it, the only one in `norms`.

    In a tuple the norm is no module of this one, so that the state has it once.
    """

    norms: tuple[FoldedNorm]

    def forward(self, maps: Tensor) -> Tensor:
        (norm,) = self.norms
        weight = self.weight * norm.scale.view(-1, 1, 1, 1)
        has_gradient = maps.requires_grad or weight.requires_grad
        if maps.device.type == "cuda" and not has_gradient and self._is_product(maps):
            return _product(maps, weight.flatten(1), norm.shift)
        normed: Tensor = self._conv_forward(maps, weight, norm.shift)
        return normed

    def _is_product(self, maps: Tensor) -> bool:
        """Return whether each place of the maps, whose numbers lie together, is multiplied by itself."""
        steps = (*self.kernel_size, *self.stride)
        return set(steps) == {1} and not any(self.padding) and maps.is_contiguous(memory_format=torch.channels_last)


def _product(maps: Tensor, weight: Tensor, shift: Tensor) -> Tensor:
    """Return a convolution of one place by (out, in) weights as a matrix product.

    cuBLAS adds the shift while it multiplies; after cuDNN's convolution that is an operation of its own, which reads
    and writes the result once more. The result is a view: where it is changed in place, as ResNets do, its gradient
    would be copied, which costs more than is saved.
    """
    places = maps.permute(0, 2, 3, 1)
    rows = functional.linear(places.flatten(0, 2), weight, shift)
    return rows.view(*places.shape[:3], -1).permute(0, 3, 1, 2)


def fold_norms(model: nn.Module) -> None:
    """Let convolutions apply the `FoldedNorm` that follows each among the modules of its parent, in place.

    In torchvision's ResNets each convolution is followed by its norm, which gets what it puts out and nothing else.
    """
    for parent in model.modules():
        children = list(parent.children())
        for convolution, norm in zip(children, children[1:], strict=False):
            if isinstance(convolution, nn.Conv2d) and isinstance(norm, FoldedNorm):
                convolution.__class__ = _NormedConvolution
                assert isinstance(convolution, _NormedConvolution)
                convolution.norms = (norm,)
