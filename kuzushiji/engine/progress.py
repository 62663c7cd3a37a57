"""The progress of a training run, and the losses of its last batches.

The progress is the state that a restart needs besides the weights. Losses stay on the device until they are read:
reading them at every step would wait for the device.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import ignite.distributed as idist
import torch
from torch import Tensor

from kuzushiji.engine.processes import gathered, is_main, rank, world_size
from kuzushiji.errors import InputError


@dataclass(frozen=True)
class StepOutput:
    """What a stage's `step` returns for one batch.

    Attributes:
        loss: Scalar with a graph: the mean over `weight` targets.
        weight: Number of targets of the batch (boxes, images): batches that are accumulated into one update count by
            it, which makes them equal to one large batch. May be 0.
        metrics: Further means over the same targets, for the progress bar and the events; scalars that stay on the
            device, so that nothing waits for it.
        samples: Names of the batch's samples (page ids), for the message when the loss is not finite.
    """

    loss: Tensor
    weight: float = 1.0
    metrics: Mapping[str, Tensor] = field(default_factory=dict)
    samples: Sequence[str] = ()


Metrics = dict[str, float]


@dataclass
class Progress:
    """The position within a run, a stateful part of a checkpoint.

    Attributes:
        epoch: The next epoch to train, from 0; equal to the number of epochs when the run is over.
        batches: Batches of that epoch that are done: above 0 only after an interruption.
        updates: Updates of the weights so far: the step of the schedule.
        seconds: Time spent, over all restarts.
        sums: Weighted sums of loss and metrics over the batches of this epoch.
        weight: Sum of their weights.
        last_epoch: Epoch that was evaluated last, -1 for none.
        last: Metrics of its evaluation.
        best_epoch: Epoch whose weights are in model_best.pth, -1 for none.
        best: Metrics of its evaluation.
    """

    epoch: int = 0
    batches: int = 0
    updates: int = 0
    seconds: float = 0.0
    sums: Metrics = field(default_factory=dict)
    weight: float = 0.0
    last_epoch: int = -1
    last: Metrics = field(default_factory=dict)
    best_epoch: int = -1
    best: Metrics = field(default_factory=dict)

    def count(self, values: Mapping[str, float], weight: float) -> None:
        """Count the values of a batch, means over `weight` targets."""
        self.weight += weight
        for name, value in values.items():
            self.sums[name] = self.sums.get(name, 0.0) + weight * value

    def means(self) -> Metrics:
        """Return the means over this epoch so far; empty before the first target."""
        return {name: total / self.weight for name, total in self.sums.items()} if self.weight else {}

    def rate(self, metrics: Metrics, key: str | None) -> bool:
        """Record the metrics of the current epoch, and return whether this epoch is the best so far.

        Args:
            metrics: The result; empty where nothing is evaluated.
            key: The metric that decides, higher is better; of equals the first is kept. Without it the last is best.
        """
        self.last_epoch, self.last = self.epoch, dict(metrics)
        value = math.nan if key is None else metrics[key]
        better = key is None or self.best_epoch < 0 or value > self.best[key] or math.isnan(self.best[key])
        if better:
            self.best_epoch, self.best = self.epoch, dict(metrics)
        return better

    def next_epoch(self) -> None:
        """Go on to the next epoch."""
        self.epoch, self.batches = self.epoch + 1, 0
        self.sums, self.weight = {}, 0.0

    def state_dict(self) -> dict[str, Any]:
        """Return all attributes."""
        return asdict(self)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Load the result of `state_dict`."""
        for item in fields(self):
            setattr(self, item.name, state[item.name])


def as_text(values: Metrics) -> str:
    """Return names and values as text, four digits after the point and none for whole numbers."""
    return ", ".join(f"{name} {value:.4f}".rstrip("0").rstrip(".") for name, value in values.items())


@dataclass(frozen=True)
class _Waiting:
    """A batch whose values have not been read: number of its update from 0, rate, values on the device, targets."""

    update: int
    rate: float
    names: tuple[str, ...]
    values: Tensor
    weight: float
    samples: Sequence[str]


class Losses:
    """Keeps the `StepOutput` values of each batch and adds them to the progress when they are read.

    Args:
        stage: Name of the run, for messages.
        progress: What the batches are counted into, one after the other, as if each had been read at once.
    """

    def __init__(self, stage: str, progress: Progress) -> None:
        self.stage = stage
        self.progress = progress
        self._waiting: list[_Waiting] = []

    def add(self, output: StepOutput, update: int, rate: float) -> None:
        """Note a batch of the update of that number, made with that learning rate."""
        names = ("loss", *output.metrics)
        values = torch.stack([value.detach().float() for value in (output.loss, *output.metrics.values())])
        self._waiting.append(_Waiting(update, rate, names, values, output.weight, output.samples))

    def values(self) -> list[float]:
        """Return the losses of this process that were not counted yet; waits for the device."""
        return self._rows()[:, 0].tolist()

    def check(self) -> None:
        """Check the losses of this process without counting them.

        Raises:
            InputError: one is not finite; names the first such step, from 1, its rate and its pages.
        """
        bad = self._first_bad()
        if bad is not None:
            raise InputError(bad[1])

    def read(self, stop: bool = False) -> bool:
        """Wait for the device, and count the batches that were added since the last time.

        With several processes all read at the same batch; what is counted is then of all of them.

        Args:
            stop: Whether this process was asked to stop.

        Returns:
            Whether any process was.

        Raises:
            InputError: as `check`, in the main process; the others end without a word, so that there is one message.
        """
        if world_size() == 1:
            self.check()
        rows, weights = self._rows(), torch.tensor([batch.weight for batch in self._waiting], dtype=torch.float64)
        if world_size() > 1:
            rows, weights, stop = _of_all_processes(rows, weights, stop)
            if not torch.isfinite(rows[:, 0]).all():
                raise _of_the_first(gathered(self._first_bad()))
        for batch, values, weight in zip(self._waiting, rows.tolist(), weights.tolist(), strict=True):
            self.progress.count(dict(zip(batch.names, values, strict=True)), weight)
        self._waiting = []
        return stop

    def _first_bad(self) -> tuple[int, str] | None:
        """Return the number, from 0, of this process's first batch with a non-finite loss, and the message.

        Its gradients reach all processes: non-finite losses one step later are not caused by their own pages.
        """
        for number, (batch, loss) in enumerate(zip(self._waiting, self.values(), strict=True)):
            if not math.isfinite(loss):
                where = f"process {rank()}, " if world_size() > 1 else ""
                samples = f", samples {', '.join(batch.samples)}" if batch.samples else ""
                return number, (
                    f"{self.stage}: expected a finite loss, got {loss} in epoch {self.progress.epoch + 1}, "
                    f"step {batch.update + 1} ({where}learning rate {batch.rate:g}{samples}): lower --lr or use "
                    "--opt-level O0; the best weights so far are intact"
                )
        return None

    def _rows(self) -> Tensor:
        """Return (batches, values) on the CPU; each batch has as many values."""
        if not self._waiting:
            return torch.zeros(0, 1, dtype=torch.float64)
        return torch.stack([batch.values for batch in self._waiting]).cpu().double()


def _of_the_first(bad: Sequence[tuple[int, str] | None]) -> BaseException:
    """Return what this process raises, from what `_first_bad` returned in all of them."""
    return InputError(min(each for each in bad if each is not None)[1]) if is_main() else SystemExit(1)


def _of_all_processes(rows: Tensor, weights: Tensor, stop: bool) -> tuple[Tensor, Tensor, bool]:
    """Return the means over the targets of all processes, the numbers of targets, and whether any is to stop."""
    sums = torch.cat([rows * weights[:, None], weights[:, None]], dim=1)
    message = torch.cat([sums.flatten(), torch.tensor([float(stop)], dtype=torch.float64)]).to(idist.device())
    total = idist.all_reduce(message).cpu()
    sums = total[:-1].view(len(rows), -1)
    return sums[:, :-1] / sums[:, -1:].clamp(min=1e-12), sums[:, -1], bool(total[-1] > 0)
