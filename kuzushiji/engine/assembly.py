"""What is put around a model and its optimizer before they train, and batch norm over the batches of all processes.

A batch is divided among processes; each sees a few crops, whose mean and variance are a poor guess of the batch's. With
these norms several processes compute what one would with the whole batch. PyTorch's own (`nn.SyncBatchNorm`, Ioffe &
Szegedy's statistics by all-reduce) has a fast kernel, on GPUs alone: it is used there.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from kuzushiji.engine.device import SMALLER_NETWORK, enough_memory
from kuzushiji.engine.precision import Precision
from kuzushiji.engine.processes import rank, world_size
from kuzushiji.engine.signals import Stopped, StopRequest
from kuzushiji.errors import InputError


@enough_memory("what a network trains with", SMALLER_NETWORK)
def assemble(
    model: nn.Module, optimizer: torch.optim.Optimizer, precision: Precision, *, compiled: bool = False
) -> tuple[nn.Module, torch.optim.Optimizer]:
    """Return the model and the optimizer to train with.

    Args:
        model: On its device; with `compiled` it has a `backbone`.
        optimizer: Of its parameters.
        precision: May change both.
        compiled: Compile the backbone, which is where the time goes; the rest has shapes that change with every batch.

    Raises:
        InputError: the memory of the device does not suffice.
    """
    model, optimizer = precision.prepare(model, optimizer)
    if world_size() > 1:
        model = with_common_statistics(model, precision.device)
    if compiled:
        # In place: names of weights stay, and a copy (the average) is not compiled. Training crops have one shape.
        model.get_submodule("backbone").compile(dynamic=False)
    if world_size() > 1:
        on_gpu = [precision.device] if precision.device.type == "cuda" else None
        model = DistributedDataParallel(model, device_ids=on_gpu, gradient_as_bucket_view=True)
        # Buffers were sent just now. They stay the same in all processes: they are frozen, or common statistics.
        # PyTorch's argument of this name would leave that out, and its successor is not in all versions.
        model.broadcast_buffers = False
        torch.manual_seed(torch.initial_seed() + rank())  # dropout differs from now on
    return model, optimizer


def gradients_stay(model: nn.Module) -> AbstractContextManager[Any]:
    """Return the context of a batch that is not the last of its update: processes need not share gradients yet."""
    return model.no_sync() if isinstance(model, DistributedDataParallel) else nullcontext()


def uncompiled(model: nn.Module) -> AbstractContextManager[Any]:
    """Return the context of an evaluation: whole pages differ in shape, each would be compiled anew."""
    if all(module._compiled_call_impl is None for module in model.modules()):
        return nullcontext()  # what follows takes seconds to import
    stance: AbstractContextManager[Any] = torch.compiler.set_stance("force_eager")
    return stance


@contextmanager
def able_to_compile(what: str, stop: StopRequest) -> Iterator[None]:
    """Turn a failure of torch.compile, as where there is no C++ compiler or no Triton, into one line.

    Raises:
        InputError: `what`, done in the block, cannot be compiled.
        Stopped: a signal has come, which the compiler's processes heard too: they failed because of it.
    """
    try:
        yield
    except RuntimeError as error:
        if not type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
            raise
        if stop.signum is not None:
            raise Stopped(stop.signum, whole=False) from error
        raise InputError(f"{what}: --compile: {_reason(error)}: train without it") from error


def _reason(error: RuntimeError) -> str:
    """Return the cause from a message of many lines: the first, and the compiler's last error."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip() and "TORCH_LOGS=" not in line]
    if not lines:
        return type(error).__name__
    said = [line for line in lines[1:] if "error" in line.lower()] or lines[1:]
    return ": ".join(line[:200] for line in (lines[0], *said[-1:]))


def bare_model(model: nn.Module) -> nn.Module:
    """Return the model without the wrapper of DistributedDataParallel or torch.compile."""
    for name in ("module", "_orig_mod"):
        inner = getattr(model, name, None)
        if isinstance(inner, nn.Module):
            return bare_model(inner)
    return model


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
