"""Exponential moving average of the weights: the model to evaluate and to keep."""

import copy
from typing import Any

import torch
from torch import Tensor, nn


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


def _pairs(average: nn.Module, model: nn.Module) -> list[tuple[Tensor, Tensor]]:
    """Return the average's tensors and the model's: weights that are trained, and buffers."""
    weights = zip(average.parameters(), model.parameters(), strict=True)
    trained = [(own, other.detach()) for own, other in weights if other.requires_grad]
    return trained + list(zip(average.buffers(), model.buffers(), strict=True))


def _columns(pairs: list[tuple[Tensor, Tensor]]) -> tuple[list[Tensor], list[Tensor]]:
    return [own for own, _ in pairs], [other for _, other in pairs]
