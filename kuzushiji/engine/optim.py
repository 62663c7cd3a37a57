"""Optimizers by name, and the size of gradients."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from kuzushiji.errors import InputError

OPTIMIZERS = ("sgd", "adamw")
_FUSED = ("cpu", "cuda", "mps", "xpu")
"""Devices with fused kernels; on the CPU an update of ResNet-18 takes half the time."""


def build_optimizer(
    parameters: Iterable[nn.Parameter],
    name: str,
    lr: float,
    *,
    momentum: float = 0.9,
    weight_decay: float = 0.0,
) -> torch.optim.Optimizer:
    """Return an optimizer of the parameters that are to be trained (those that require a gradient).

    With `sgd` all of them decay, as in the reference's recipe; with `adamw`, as is usual there, biases and norms
    (parameters of one dimension) do not.

    Args:
        parameters: Such as `model.parameters()`.
        name: `sgd` or `adamw`.
        lr: Learning rate before the schedule's factor.
        momentum: Of SGD; AdamW keeps its own two.
        weight_decay: Coupled (added to the gradient) in SGD, decoupled in AdamW.

    Raises:
        InputError: the name is unknown.
    """
    trained = [parameter for parameter in parameters if parameter.requires_grad]
    # One kernel for all weights: on a GPU it also spares waiting for the gradient scaler.
    fused = bool(trained) and trained[0].device.type in _FUSED
    if name == "sgd":
        return torch.optim.SGD(trained, lr=lr, momentum=momentum, weight_decay=weight_decay, fused=fused)
    if name == "adamw":
        groups = [
            {"params": [parameter for parameter in trained if parameter.ndim > 1], "weight_decay": weight_decay},
            {"params": [parameter for parameter in trained if parameter.ndim <= 1], "weight_decay": 0.0},
        ]
        return torch.optim.AdamW([group for group in groups if group["params"]], lr=lr, fused=fused)
    raise InputError(f"--optimizer: expected one of {', '.join(OPTIMIZERS)}, got {name!r}")


def gradients_of(optimizer: torch.optim.Optimizer) -> list[Tensor]:
    """Return the gradients of all parameters that have one."""
    return [
        parameter.grad
        for group in optimizer.param_groups
        for parameter in group["params"]
        if parameter.grad is not None
    ]


def clip_gradients(optimizer: torch.optim.Optimizer, max_norm: float) -> Tensor:
    """Scale all gradients down so that their common norm is at most `max_norm`; return the norm before (scalar)."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    return nn.utils.clip_grad_norm_(parameters, max_norm)
