"""One update of the weights from a group of batches, and the moving average of the weights."""

import copy
from collections.abc import Callable
from typing import Any

import ignite.distributed as idist
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from kuzushiji.engine.optim import clip_gradients, gradients_of
from kuzushiji.engine.precision import Precision
from kuzushiji.engine.processes import world_size


class WeightUpdate:
    """Accumulates the gradients of several batches into the update of one large batch.

    The loss of a batch is a mean over its targets; batches count by their number of targets, over all processes.

    Args:
        optimizer: Of the weights.
        precision: Scales gradients where the number format needs it.
        max_grad_norm: Clip the gradients' norm to this; None: no clipping.
    """

    def __init__(
        self, optimizer: torch.optim.Optimizer, precision: Precision, max_grad_norm: float | None = None
    ) -> None:
        self.optimizer = optimizer
        self.precision = precision
        self.max_grad_norm = max_grad_norm
        self._unit: float | Tensor = 1.0
        self._total: float | Tensor = 0.0
        self._is_open = False

    @property
    def is_open(self) -> bool:
        """Whether gradients wait for `finish`."""
        return self._is_open

    def add(self, loss: Tensor, weight: float) -> None:
        """Add the gradients of a batch.

        Args:
            loss: Scalar, the mean over `weight` targets.
            weight: Number of targets, may be 0.
        """
        if not self.is_open:
            self.optimizer.zero_grad()  # sets them to None; apex has a method here that takes no arguments
            # Weights are relative to the first batch: gradients keep the size that float16 was scaled for.
            self._unit, self._total, self._is_open = _first_weight(weight, loss.device), 0.0, True
        share = weight / self._unit
        self._total = self._total + share
        self.precision.backward(loss * share)

    def finish(self) -> None:
        """Update the weights with the accumulated gradients."""
        self.precision.unscale(self.optimizer)
        self._divide(gradients_of(self.optimizer))
        if self.max_grad_norm is not None:
            clip_gradients(self.optimizer, self.max_grad_norm)
        self.precision.step(self.optimizer)
        self._is_open = False

    def _divide(self, gradients: list[Tensor]) -> None:
        """Turn sums over batches into means over their targets."""
        total = self._total
        if isinstance(total, Tensor):
            total = _mean_over_processes(total)
            torch._foreach_mul_(gradients, torch.where(total == 0, 1.0, 1 / total))
        elif gradients and total not in (0.0, 1.0):
            torch._foreach_div_(gradients, total)


def _first_weight(weight: float, device: torch.device) -> float | Tensor:
    """Return the mean weight of the processes, 1 in place of 0: a number, or with several of them on the device."""
    if world_size() == 1:
        return weight or 1.0
    mean = _mean_over_processes(torch.tensor(float(weight), device=device))
    return torch.where(mean == 0, 1.0, mean)


def _mean_over_processes(value: Tensor) -> Tensor:
    """Return the mean, without waiting for the device; `value` becomes the sum."""
    mean: Tensor = idist.all_reduce(value) / world_size()
    return mean


class Ema:
    """A copy of a model whose weights and running statistics follow the model's, smoothed.

    The decay starts low and climbs to its value, so that the first, random weights are soon forgotten: after n
    updates it is at most (1 + n) / (10 + n). An update that float16 skipped counts as one that changed nothing: to
    ask whether it was skipped would mean to wait for the device each time.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        if not 0 < decay < 1:
            raise ValueError(f"expected a decay between 0 and 1, got {decay}")
        self.decay = decay
        self.updates = 0
        self.model = copy.deepcopy(model).eval()
        self.model.requires_grad_(False)
        # Gathered once: training changes values in place. Frozen weights never differ from their copies.
        moving = [(own, other) for own, other in _pairs(self.model, model) if own.is_floating_point()]
        counters = [(own, other) for own, other in _pairs(self.model, model) if not own.is_floating_point()]
        self._averaged, self._followed = _columns(moving)
        self._counters, self._counted = _columns(counters)

    @torch.no_grad()
    def update(self) -> None:
        """Move the average towards the model, after an update of its weights."""
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        torch._foreach_lerp_(self._averaged, self._followed, 1 - decay)
        if self._counters:
            torch._foreach_copy_(self._counters, self._counted)

    def state_dict(self) -> dict[str, Any]:
        """Return the averaged model's state and the number of updates."""
        return {"model": self.model.state_dict(), "updates": self.updates}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what `state_dict` returned."""
        self.model.load_state_dict(state["model"])
        self.updates = state["updates"]


def averaged_with_start(
    model: nn.Module, share: float, new_rows: NDArray[np.bool_] | None = None
) -> Callable[[nn.Module], nn.Module] | None:
    """Return what is kept of the trained model: its weights averaged with those that it has now, before training.

    A fine-tuned model that is averaged so keeps most of what it has learned, and most of what it could do before
    (Wortsman et al. 2022, "Robust fine-tuning of zero-shot models").

    Args:
        model: As training starts.
        share: Of the weights of now; 0: the trained ones are kept as they are, and None is returned.
        new_rows: (classes,) which rows of the head's last layer mean nothing yet: these are kept as they were trained.
    """
    if not share:
        return None
    average = copy.deepcopy(model).requires_grad_(False).eval()
    start = {name: value.clone() for name, value in average.state_dict().items()}
    new = None if new_rows is None else torch.from_numpy(new_rows)

    @torch.no_grad()
    def kept(trained: nn.Module) -> nn.Module:
        after = trained.state_dict()
        for name, value in average.state_dict().items():
            if not value.is_floating_point():
                value.copy_(after[name])
                continue
            value.copy_(torch.lerp(after[name], start[name], share))
            if new is not None and name.startswith("head.") and len(value) == len(new):
                rows = new.to(value.device)
                value[rows] = after[name][rows]
        return average

    return kept


def _pairs(average: nn.Module, model: nn.Module) -> list[tuple[Tensor, Tensor]]:
    """Return the average's tensors and the model's: weights that are trained, and buffers."""
    weights = zip(average.parameters(), model.parameters(), strict=True)
    trained = [(own, other.detach()) for own, other in weights if other.requires_grad]
    return trained + list(zip(average.buffers(), model.buffers(), strict=True))


def _columns(pairs: list[tuple[Tensor, Tensor]]) -> tuple[list[Tensor], list[Tensor]]:
    return [own for own, _ in pairs], [other for _, other in pairs]
