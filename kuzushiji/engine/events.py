"""The log of a training run: events as JSON lines, and the same for TensorBoard."""

import importlib.util
import json
import math
from pathlib import Path
from typing import Any

from kuzushiji.errors import InputError
from kuzushiji.files import atomic_write_text


class EventLog:
    """A file of one JSON object a line, appended to; each has at least `kind`, `epoch`, `step` and `seconds`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, **event: Any) -> None:
        """Add one line.

        Raises:
            InputError: the file cannot be written.
        """
        line = json.dumps({key: _plain(value) for key, value in event.items()}, ensure_ascii=False)
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(line + "\n")
        except OSError as error:
            raise InputError(f"{self.path}: cannot be written: {error.strerror or error}") from error

    def truncate(self, step: int) -> None:
        """Drop what was written after update number `step`, when a run goes on from there, and a line cut short."""
        kept = [json.dumps(event, ensure_ascii=False) for event in self.read() if event["step"] <= step]
        atomic_write_text(self.path, "".join(line + "\n" for line in kept))

    def read(self) -> list[dict[str, Any]]:
        """Return all events in order; none where there is no file; from a damaged or unfinished line on, none."""
        if not self.path.exists():
            return []
        events = []
        for line in self.path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                event = json.loads(line)
            except ValueError:
                break  # the process was killed while it wrote this line
            if not isinstance(event, dict) or not isinstance(event.get("step"), int):
                break
            events.append(event)
        return events


def _plain(value: Any) -> Any:
    """Round what is only looked at: seven digits are what float32 holds. JSON has no NaN."""
    if not isinstance(value, float):
        return value
    return float(f"{value:.7g}") if math.isfinite(value) else None


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
