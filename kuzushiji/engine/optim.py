"""Optimizers by name, the size of gradients, and the learning rate as a function of the step.

A step is one update of the weights; step 0 is the first. Factors multiply the optimizer's own learning rates. A
schedule has no state: nothing is saved, and it is the same after a restart.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

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


Factor = Callable[[int], float]


def updates_per_epoch(batches: int, accumulation_steps: int = 1) -> int:
    """Return the number of updates in an epoch of so many batches; a last, smaller group makes an update too."""
    return math.ceil(batches / accumulation_steps)


def cosine(step: int, total: int) -> float:
    """Return the factor of a half cosine from 1 at step 0 to 0 at step `total` (Loshchilov & Hutter 2017)."""
    return (1 + math.cos(math.pi * min(step / max(total, 1), 1))) / 2


def multistep(step: int, milestones: Sequence[int], gamma: float = 0.1) -> float:
    """Return `gamma` to the number of milestones (steps) that were reached."""
    return float(gamma ** sum(step >= milestone for milestone in milestones))


def warmup(step: int, length: int, start: float = 1e-3) -> float:
    """Return a factor that climbs in a straight line from `start` at step 0 to 1 at step `length`, and stays there."""
    if step >= length:
        return 1.0
    return start + (1 - start) * step / length


def build_factor(
    total: int,
    *,
    use_cosine: bool = False,
    cosine_step: int = 1,
    milestones: Sequence[int] = (),
    gamma: float = 0.1,
    warmup_steps: int = 0,
) -> Factor:
    """Return the factor of a whole training run: warm-up (once) times cosine or steps.

    Args:
        total: Number of updates of the run; the cosine reaches 0 there.
        use_cosine: Cosine; the milestones are not used then.
        cosine_step: Updates after which the cosine falls: 1, or those of an epoch.
        milestones: Updates at which the rate is multiplied by `gamma`.
        gamma: See `milestones`.
        warmup_steps: Length of the warm-up in updates; cut to the length of the run.
    """
    length = min(warmup_steps, max(total - 1, 0))

    def factor(step: int) -> float:
        at = step - step % cosine_step
        decay = cosine(at, total) if use_cosine else multistep(step, milestones, gamma)
        return warmup(step, length) * decay

    return factor


def factor_of(options: Any, batches: int) -> Factor:
    """Return the factor of a training with the options of `kuzushiji.training_options`, `batches` in an epoch."""
    updates = updates_per_epoch(batches, options.accumulation_steps)
    return build_factor(
        updates * options.epochs,
        use_cosine=options.uses_cosine,
        cosine_step=max(updates, 1) if options.cosine_by_epoch else 1,
        milestones=[epoch * updates for epoch in options.lr_steps],
        gamma=options.lr_gamma,
        warmup_steps=options.warmup_steps,
    )


class LRSchedule:
    """Sets the learning rates of an optimizer to `factor(step)` times what they were when it was built."""

    def __init__(self, optimizer: torch.optim.Optimizer, factor: Factor) -> None:
        self.optimizer = optimizer
        self.factor = factor
        for group in optimizer.param_groups:
            group.setdefault("initial_lr", group["lr"])

    def set_step(self, step: int) -> None:
        """Set the rates for update number `step`."""
        factor = self.factor(step)
        for group in self.optimizer.param_groups:
            group["lr"] = group["initial_lr"] * factor

    @property
    def rate(self) -> float:
        """The rate of the first parameter group."""
        return float(self.optimizer.param_groups[0]["lr"])
