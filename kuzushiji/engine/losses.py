"""Losses of the last batches, kept on the device until they are read: reading them at every step would wait for it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import ignite.distributed as idist
import torch
from torch import Tensor

from kuzushiji.engine.processes import gathered, is_main, rank, world_size
from kuzushiji.engine.progress import Progress
from kuzushiji.engine.training import StepOutput
from kuzushiji.errors import InputError


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
        losses: list[float] = self._rows()[:, 0].tolist()
        return losses

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
