"""Batch norm over the batches of all processes, on any device.

A batch is divided among processes; each sees a few crops, whose mean and variance are a poor guess of the batch's. With
these norms several processes compute what one would with the whole batch. PyTorch's own (`nn.SyncBatchNorm`, Ioffe &
Szegedy's statistics by all-reduce) has a fast kernel, on GPUs alone: it is used there.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.nn.functional import all_reduce


def with_common_statistics(model: nn.Module, device: torch.device) -> nn.Module:
    """Return the model with its batch norms replaced, in place; names and values of its state stay.

    Norms in a frozen part of the model stay as well: they are in evaluation mode, where nothing is shared.
    """
    if device.type == "cuda":
        converted: nn.Module = nn.SyncBatchNorm.convert_sync_batchnorm(model)  # type: ignore[no-untyped-call]
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
        return new.train(norm.training)

    def _check_input_dim(self, input: Tensor) -> None:
        """Take any number of dimensions."""

    def forward(self, values: Tensor) -> Tensor:
        if not self.training:
            return super().forward(values)
        x = values.float()
        axes = [axis for axis in range(x.ndim) if axis != 1]
        count = x.new_full((1,), x.numel() / x.shape[1])
        sums: Tensor = all_reduce(torch.cat([x.sum(axes), count]))  # type: ignore[no-untyped-call]
        total = sums[-1]
        shape = (1, -1, *(1,) * (x.ndim - 2))
        mean = sums[:-1] / total
        centred = x - mean.view(shape)
        squares: Tensor = all_reduce(centred.square().sum(axes))  # type: ignore[no-untyped-call]
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
