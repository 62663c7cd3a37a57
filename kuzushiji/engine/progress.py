"""The progress of a training run: the state that a restart needs besides the weights."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

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
