"""The events of a training run for TensorBoard, beside the JSON lines."""

import importlib.util
from pathlib import Path
from typing import Any

from kuzushiji.errors import InputError

FOLDER = "tensorboard"
_POSITION = ("kind", "epoch", "step", "seconds")


def check_installed() -> None:
    """Check that events can be written, before a run begins.

    Raises:
        InputError: the package is not installed; it is optional.
    """
    if importlib.util.find_spec("tensorboard") is None:
        raise InputError(
            "--tensorboard: expected the package tensorboard, it is not installed: pip install tensorboard"
        )


class TensorBoardLog:
    """Files of events in a folder `tensorboard`, shown by `tensorboard --logdir RUNS`."""

    def __init__(self, folder: Path, step: int) -> None:
        """Open them.

        Args:
            folder: Of the run.
            step: Number of updates so far: what an interrupted run wrote after it is not shown any more.

        Raises:
            InputError: the package is not installed, or the folder cannot be written.
        """
        check_installed()
        from torch.utils.tensorboard import SummaryWriter

        try:
            self._writer: SummaryWriter = SummaryWriter(str(folder / FOLDER), purge_step=step + 1)
        except OSError as error:
            raise InputError(f"{folder / FOLDER}: cannot be written: {error.strerror or error}") from error

    def append(self, *, kind: str, step: int, **event: Any) -> None:
        """Add the numbers of an event: `train/loss`, `train/lr` by update, `epoch/valid_f1` by epoch."""
        for name, value in event.items():
            if name not in _POSITION and isinstance(value, int | float):
                self._writer.add_scalar(f"{kind}/{name}", value, step)
        self._writer.flush()

    def close(self) -> None:
        """Finish the file."""
        self._writer.close()
