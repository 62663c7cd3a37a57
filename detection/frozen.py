"""Frozen batch norms that are computed as part of the convolution before them.

A frozen norm multiplies and shifts each channel by numbers that never change, so the convolution can do it: its weights
are multiplied by the scale, and the shift is its bias. By itself the norm would read and write each map once more, and
under autocast its float32 numbers would turn every map of the network into float32.
"""

from typing import Any

import torch
from torch import Tensor, nn
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
        normed: Tensor = self._conv_forward(maps, self.weight * norm.scale.view(-1, 1, 1, 1), norm.shift)
        return normed


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
