"""One update of the weights from a group of batches."""

import ignite.distributed as idist
import torch
from torch import Tensor

from kuzushiji.engine.optim import clip_gradients, gradients_of
from kuzushiji.engine.precision import Precision


class WeightUpdate:
    """Gathers the gradients of several batches into the update that one large batch would make.

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
        self._unit = 0.0
        self._total = 0.0

    @property
    def is_open(self) -> bool:
        """Whether gradients wait for `finish`."""
        return self._unit > 0

    def add(self, loss: Tensor, weight: float) -> None:
        """Add the gradients of a batch.

        Args:
            loss: Scalar, the mean over `weight` targets.
            weight: Number of targets, may be 0.
        """
        if not self.is_open:
            self.optimizer.zero_grad(set_to_none=True)
            # Weights are relative to the first batch: gradients keep the size that float16 was scaled for.
            self._unit, self._total = _mean_over_processes(weight) or 1.0, 0.0
        self._total += weight / self._unit
        self.precision.backward(loss * (weight / self._unit))

    def finish(self) -> None:
        """Update the weights from what was added."""
        self.precision.unscale(self.optimizer)
        total = _mean_over_processes(self._total)
        if total not in (0.0, 1.0):
            torch._foreach_div_(gradients_of(self.optimizer), total)
        if self.max_grad_norm is not None:
            clip_gradients(self.optimizer, self.max_grad_norm)
        self.precision.step(self.optimizer)
        self._unit = 0.0


def _mean_over_processes(value: float) -> float:
    world = idist.get_world_size()
    return float(idist.all_reduce(value)) / world if world > 1 else value
