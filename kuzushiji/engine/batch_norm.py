"""Batch norm over the batches of all processes, on any device.

A batch is divided among processes; each sees a few crops, whose mean and variance are a poor guess of the batch's. With
these norms several processes compute what one would with the whole batch. PyTorch's own (`nn.SyncBatchNorm`, Ioffe &
Szegedy's statistics by all-reduce) has a fast kernel, on GPUs alone: it is used there.
"""

from typing import Any

import torch
from torch import Tensor, distributed, nn

_THEN = ("drop", "act")
"""What timm's norms do after normalising, in this order."""


def with_common_statistics(model: nn.Module, device: torch.device) -> nn.Module:
    """Return the model with its batch norms replaced, in place; names and values of its state stay.

    Norms in a frozen part of the model stay as well: they are in evaluation mode, where nothing is shared.
    """
    if device.type == "cuda":
        from timm.layers import convert_sync_batchnorm  # PyTorch's loses the activation that timm's norms bring along

        converted: nn.Module = convert_sync_batchnorm(model)
        return converted
    for name, child in model.named_children():
        if isinstance(child, nn.BatchNorm1d | nn.BatchNorm2d):
            setattr(model, name, _CommonBatchNorm.of(child))
        else:
            with_common_statistics(child, device)
    return model


class _CommonBatchNorm(nn.modules.batchnorm._BatchNorm):
    """Normalises (n, channels, ...) by mean and variance over n of all processes."""

    @classmethod
    def of(cls, norm: Any) -> "_CommonBatchNorm":
        new = cls(norm.num_features, norm.eps, norm.momentum, norm.affine, norm.track_running_stats)
        new.weight, new.bias = norm.weight, norm.bias
        new._buffers.update(norm._buffers)
        for name in _THEN:
            if hasattr(norm, name):
                setattr(new, name, getattr(norm, name))
        return new.train(norm.training)

    def _check_input_dim(self, input: Tensor) -> None:
        """Take any number of dimensions."""

    def forward(self, values: Tensor) -> Tensor:
        normed = self._normalise(values) if self.training else super().forward(values)
        for name in _THEN:
            normed = getattr(self, name)(normed) if hasattr(self, name) else normed
        return normed

    def _normalise(self, values: Tensor) -> Tensor:
        x = values.float()
        axes = [axis for axis in range(x.ndim) if axis != 1]
        count = x.new_full((1,), x.numel() / x.shape[1])
        sums: Tensor = _Sum.apply(torch.cat([x.sum(axes), count]))
        total = sums[-1]
        shape = (1, -1, *(1,) * (x.ndim - 2))
        mean = sums[:-1] / total
        centred = x - mean.view(shape)
        squares: Tensor = _Sum.apply(centred.square().sum(axes))
        variance = squares / total
        with torch.no_grad():
            self._follow(mean, variance * total / (total - 1))
        scale = torch.rsqrt(variance + self.eps) * self.weight
        return (centred * scale.view(shape) + self.bias.view(shape)).to(values.dtype)

    def _follow(self, mean: Tensor, unbiased: Tensor) -> None:
        if self.running_mean is None or self.running_var is None:
            return
        momentum = self.momentum or 0.0
        self.running_mean.lerp_(mean, momentum)
        self.running_var.lerp_(unbiased, momentum)
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)


class _Sum(torch.autograd.Function):
    """The sum of a tensor over all processes; the gradient of each summand is the sum of all gradients."""

    @staticmethod
    def forward(_context: Any, values: Tensor) -> Tensor:
        total = values.clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(_context: Any, gradient: Tensor) -> Tensor:
        total = gradient.clone()
        distributed.all_reduce(total)
        return total
