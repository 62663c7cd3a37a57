"""NVIDIA apex in the place of PyTorch's own mixed precision: `--amp-backend apex`.

Its levels: O1 patches functions to compute in float16, O2 keeps the model in float16 with float32 norms and master
weights in the optimizer, O3 is float16 throughout. The calls are those of its documentation (nvidia.github.io/apex).
"""

import importlib
import importlib.util
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from kuzushiji.engine.precision import Precision
from kuzushiji.errors import InputError

_NEEDED = ("initialize", "scale_loss", "state_dict", "load_state_dict")


class ApexPrecision(Precision):
    """Number format and loss scale by apex; its scale is the part of a checkpoint that PyTorch's scaler is otherwise.

    Raises:
        InputError: NVIDIA apex is not installed.
    """

    def __init__(self, level: str, device: torch.device) -> None:
        super().__init__(device)
        self.level = level
        self._amp = _nvidia_amp()
        self.scaler = _ApexScale(self._amp)
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


class _ApexScale:
    """The loss scale of apex as a part of a checkpoint."""

    def __init__(self, amp: Any) -> None:
        self._amp = amp

    def state_dict(self) -> dict[str, Any]:
        state: dict[str, Any] = self._amp.state_dict()
        return state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._amp.load_state_dict(state)

    def is_enabled(self) -> bool:
        return True


def _nvidia_amp() -> Any:
    """Return `apex.amp`, of NVIDIA's package and no other: PyPI has an unrelated one of that name."""
    try:
        amp = importlib.import_module("apex.amp")
    except ImportError as error:
        there = importlib.util.find_spec("apex") is not None
        got = "an unrelated package of that name, or one without amp" if there else "none"
        raise InputError(
            f"--amp-backend apex: expected NVIDIA apex with its amp (github.com/NVIDIA/apex), got {got}; "
            "use --amp-backend torch"
        ) from error
    missing = [name for name in _NEEDED if not hasattr(amp, name)]
    if missing:
        raise InputError(
            f"--amp-backend apex: expected NVIDIA apex with its amp (github.com/NVIDIA/apex), got a module without "
            f"{', '.join(missing)}; use --amp-backend torch"
        )
    return amp
