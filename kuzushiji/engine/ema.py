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

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Move the average towards the model, after an update of its weights."""
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        mine, theirs = _tensors(self.model), _tensors(model)
        pairs = list(zip(mine, theirs, strict=True))
        smooth = [(own, other) for own, other in pairs if own.is_floating_point()]
        torch._foreach_lerp_([own for own, _ in smooth], [other.detach() for _, other in smooth], 1 - decay)
        for own, other in pairs:
            if not own.is_floating_point():
                own.copy_(other)

    def state_dict(self) -> dict[str, Any]:
        """Return the averaged model's state and the number of updates."""
        return {"model": self.model.state_dict(), "updates": self.updates}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what `state_dict` returned."""
        self.model.load_state_dict(state["model"])
        self.updates = state["updates"]


def _tensors(model: nn.Module) -> list[Tensor]:
    return [*model.parameters(), *model.buffers()]
