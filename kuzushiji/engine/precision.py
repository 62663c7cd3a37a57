"""Mixed precision: which numbers the network computes with, and the gradient scaling that goes with them."""

import functools
import importlib
import importlib.util
import logging
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from kuzushiji.engine.device import SMALLER_NETWORK, enough_memory
from kuzushiji.errors import InputError

logger = logging.getLogger(__name__)

AUTO = "auto"
"""Of `--opt-level`: each machine chooses. A run of any level counts as one of this."""

LEVELS = ("O0", "O1", "O2", "O3")
BACKENDS = ("torch", "apex")
_APEX_CALLS = ("initialize", "scale_loss", "state_dict", "load_state_dict")
_MATRIX_UNITS_SINCE = (7, 0)
"""Compute capability from which on CUDA devices have tensor cores, without which half precision hardly pays."""

_HALF_SINCE = (5, 3)
"""Compute capability from which on CUDA devices compute in float16."""

_WORTH = 1.25
"""Gain in the trial of a processor from which on mixed precision is chosen: what was measured is far from it."""

_BFLOAT16_SINCE = (8, 0)
"""Pascal, Volta and Turing emulate bfloat16: PyTorch reports it as supported, but float16 is faster there."""


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
    scaler: Any = field(init=False)

    def __post_init__(self) -> None:
        self.scaler = _Scaler(self.device.type, enabled=self.dtype == torch.float16)

    @property
    def name(self) -> str:
        """The number format, such as `bfloat16`."""
        return str(self.dtype).removeprefix("torch.")

    @classmethod
    def from_level(cls, level: str, device: torch.device, backend: str = "torch") -> "Precision":
        """Return the precision of an `--opt-level`.

        Args:
            level: `auto`: see `best_level`. `O0`: float32. `O1`: autocast, in bfloat16 where the device computes with
                it, else in float16. `O2`, `O3`: weights in float16, which is apex's alone.
            device: Where the model runs.
            backend: `torch`, or `apex` for NVIDIA apex, which is not used for float32.

        Raises:
            InputError: the level or the backend is unknown, or the device or this machine lacks it.
        """
        if level == AUTO:
            level = best_level(device)
        if level not in LEVELS:
            raise InputError(f"--opt-level: expected one of {AUTO}, {', '.join(LEVELS)}, got {level!r}")
        if backend not in BACKENDS:
            raise InputError(f"--amp-backend: expected one of {', '.join(BACKENDS)}, got {backend!r}")
        if level == "O0":
            return cls(device)
        if backend == "apex":
            if device.type != "cuda":
                raise InputError(f"--amp-backend apex: expected a CUDA device, got {device}; use --amp-backend torch")
            return ApexPrecision(level, device)
        if level != "O1":
            raise InputError(
                f"--opt-level {level}: weights in float16 are apex's alone, expected --amp-backend apex, "
                "or O1, which takes their place in PyTorch"
            )
        return cls(device, _mixed_format(device))

    @classmethod
    def for_inference(cls, level: str, device: torch.device) -> "Precision":
        """Return the precision in which a model of that level is applied: all levels above O0 are autocast there."""
        return cls.from_level(level if level in (AUTO, "O0") else "O1", device)

    def prepare(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> tuple[nn.Module, torch.optim.Optimizer]:
        """Return what trains in this precision; to be called once for a training, before anything wraps the model."""
        return model, optimizer

    def autocast(self) -> AbstractContextManager[Any]:
        """Return the context in which the forward pass and the loss are computed."""
        return torch.autocast(self.device.type, dtype=self.dtype, enabled=self.dtype != torch.float32)

    def backward(self, loss: Tensor) -> None:
        """Add the gradients of `loss`, scaled where the format needs it."""
        self.scaler.scale(loss).backward()

    def unscale(self, optimizer: torch.optim.Optimizer) -> None:
        """Bring gradients to their true size: before they are clipped or measured."""
        if self.scaler.is_enabled():
            self.scaler.unscale_(optimizer)

    def step(self, optimizer: torch.optim.Optimizer) -> None:
        """Update the weights; with float16, skip the update whose gradients overflowed."""
        self.scaler.step(optimizer)
        self.scaler.update()


class ApexPrecision(Precision):
    """NVIDIA apex in the place of PyTorch's own mixed precision: `--amp-backend apex`.

    Its levels: O1 patches functions to compute in float16, O2 keeps the model in float16 with float32 norms and master
    weights in the optimizer, O3 is float16 throughout. The calls are those of its documentation
    (nvidia.github.io/apex). Its scale is the part of a checkpoint that PyTorch's scaler is otherwise.

    Raises:
        InputError: NVIDIA apex is not installed.
    """

    def __init__(self, level: str, device: torch.device) -> None:
        super().__init__(device)
        self.level = level
        self.scaler = self._amp = _nvidia_amp()
        self._optimizer: torch.optim.Optimizer | None = None

    @property
    def name(self) -> str:
        """The level, which apex makes number formats of."""
        return f"apex {self.level}"

    def prepare(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> tuple[nn.Module, torch.optim.Optimizer]:
        """Hand both to apex; to be called before anything wraps the model.

        From O2 on apex puts a method of its own in front of the model's `forward`, which casts all numbers that come
        in to float16, positions of boxes among them: above 512 pixels it counts in halves. The networks here cast
        their pictures and activations themselves, so it is taken away again.
        """
        model, self._optimizer = self._amp.initialize(model, optimizer, opt_level=self.level, verbosity=0)
        assert self._optimizer is not None
        model.__dict__.pop("forward", None)
        return model, self._optimizer

    def autocast(self) -> AbstractContextManager[Any]:
        """Return an empty context: apex has patched what it casts."""
        return nullcontext()

    def backward(self, loss: Tensor) -> None:
        """Add the gradients of `loss`, at their true size."""
        with self._amp.scale_loss(loss, self._optimizer) as scaled:
            scaled.backward()

    def unscale(self, optimizer: torch.optim.Optimizer) -> None:
        """Do nothing: gradients have their true size already."""

    def step(self, optimizer: torch.optim.Optimizer) -> None:
        """Update the weights; apex skips an update whose gradients overflowed."""
        optimizer.step()


class _Scaler(torch.amp.GradScaler):
    """Starts with a scale of its own where a checkpoint has none: it is of a device whose format needs no scale."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what `state_dict` returned, of any device."""
        if self.is_enabled() and not state_dict:
            logger.info("the checkpoint is of a device with another number format: the gradients' scale starts anew")
            return
        super().load_state_dict(state_dict)


def _nvidia_amp() -> Any:
    """Return `apex.amp`, of NVIDIA's package and no other: PyPI has an unrelated one of that name."""
    expected = "--amp-backend apex: expected NVIDIA apex with its amp (github.com/NVIDIA/apex), got"
    try:
        amp = importlib.import_module("apex.amp")
    except ImportError as error:
        there = importlib.util.find_spec("apex") is not None
        got = "an unrelated package of that name, or one without amp" if there else "none"
        raise InputError(f"{expected} {got}; use --amp-backend torch") from error
    missing = [name for name in _APEX_CALLS if not hasattr(amp, name)]
    if missing:
        raise InputError(f"{expected} a module without {', '.join(missing)}; use --amp-backend torch")
    return amp


def best_level(device: torch.device) -> str:
    """Return the level that `auto` means: O1 where there are matrix units for half precision, else O0.

    On a processor that is AMX. Processors with AVX-512-BF16 alone differ: some need half the time in mixed precision,
    others 1.65 times as much, so a short trial decides. Without either, mixed precision is slower.
    """
    if device.type == "cuda":
        return "O1" if torch.cuda.get_device_capability(device) >= _MATRIX_UNITS_SINCE else "O0"
    if device.type != "cpu":
        return "O0"
    pays = torch.cpu._is_amx_tile_supported() or (torch.cpu._is_avx512_bf16_supported() and _trial_gain() > _WORTH)
    return "O1" if pays else "O0"


@functools.cache
def _trial_gain() -> float:
    """Return how many times faster this processor trains two small convolutions in bfloat16 than in float32.

    Processor time, the least of three steps each, so that other work on the machine hardly matters; 0.3 s in all.
    """
    with torch.random.fork_rng(devices=[]):
        network = nn.Sequential(*[nn.Conv2d(64, 64, 3, padding=1) for _ in range(2)])
    network.to(memory_format=torch.channels_last)
    picture = torch.ones(4, 64, 56, 56).to(memory_format=torch.channels_last)

    def seconds(half: bool) -> float:
        start = time.process_time()
        with torch.enable_grad(), torch.autocast("cpu", dtype=torch.bfloat16, enabled=half):
            network(picture).float().sum().backward()
        return time.process_time() - start

    float32, bfloat16 = (min(seconds(half) for _ in range(3)) for half in (False, True))
    return float32 / bfloat16


def _mixed_format(device: torch.device) -> torch.dtype:
    """Return the format of autocast on a device.

    Raises:
        InputError: it has none.
    """
    lacking = not torch.amp.autocast_mode.is_autocast_available(device.type)
    capability = torch.cuda.get_device_capability(device) if device.type == "cuda" else _BFLOAT16_SINCE
    if lacking or capability < _HALF_SINCE:
        raise InputError(f"--opt-level O1: {device} does not compute in half precision, expected --opt-level O0")
    return torch.bfloat16 if capability >= _BFLOAT16_SINCE else torch.float16


def place(model: nn.Module, device: torch.device) -> nn.Module:
    """Move `model` to the device and lay its convolutions out with the channels last, and return it.

    Channels last is the layout that the fast kernels of today work in: on the CPU it is what makes bfloat16 pay.

    Raises:
        InputError: the memory of the device does not suffice.
    """
    with enough_memory(f"the network on {device}", SMALLER_NETWORK):
        return model.to(device).to(memory_format=torch.channels_last)
