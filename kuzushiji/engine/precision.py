"""Mixed precision: which numbers the network computes with, and the gradient scaling that goes with them."""

from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from kuzushiji.errors import InputError

LEVELS = ("O0", "O1")


@dataclass
class Precision:
    """The number format of the forward pass on a device.

    Attributes:
        device: Where the model runs.
        dtype: Format of matrix products and convolutions; `torch.float32` means no autocast.
        scaler: Keeps float16 gradients from vanishing; does nothing for the other formats. A stateful part of a
            checkpoint: its scale adapts during training.
    """

    device: torch.device
    dtype: torch.dtype = torch.float32
    scaler: torch.amp.GradScaler = field(init=False)

    def __post_init__(self) -> None:
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.dtype == torch.float16)

    @classmethod
    def from_level(cls, level: str, device: torch.device) -> "Precision":
        """Return the precision of an `--opt-level`.

        Args:
            level: `O0`: float32. `O1`: autocast, in bfloat16 where the device computes with it, else in float16.
            device: Where the model runs.

        Raises:
            InputError: the level is unknown.
        """
        if level not in LEVELS:
            raise InputError(f"--opt-level: expected one of {', '.join(LEVELS)}, got {level!r}")
        if level == "O0":
            return cls(device)
        # Pascal, Volta and Turing emulate bfloat16: PyTorch calls it supported, but float16 is what is fast there.
        emulated = device.type == "cuda" and torch.cuda.get_device_capability(device)[0] < 8
        return cls(device, torch.float16 if emulated else torch.bfloat16)

    def autocast(self) -> AbstractContextManager[Any]:
        """Return the context in which the forward pass and the loss are computed."""
        return torch.autocast(self.device.type, dtype=self.dtype, enabled=self.dtype != torch.float32)

    def backward(self, loss: Tensor) -> None:
        """Add the gradients of `loss`, scaled where the format needs it."""
        self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]

    def unscale(self, optimizer: torch.optim.Optimizer) -> None:
        """Bring gradients to their true size: before they are clipped or measured."""
        if self.scaler.is_enabled():
            self.scaler.unscale_(optimizer)

    def step(self, optimizer: torch.optim.Optimizer) -> None:
        """Update the weights; with float16, skip the update whose gradients overflowed."""
        self.scaler.step(optimizer)
        self.scaler.update()


def place(model: nn.Module, device: torch.device, *, channels_last: bool = True) -> nn.Module:
    """Move `model` to the device and lay its convolutions out with the channels last, and return it.

    Channels last is the layout that the fast kernels of today work in: on the CPU it is what makes bfloat16 pay.
    """
    model = model.to(device)
    return model.to(memory_format=torch.channels_last) if channels_last else model
