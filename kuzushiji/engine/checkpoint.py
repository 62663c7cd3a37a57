"""Checkpoints: named stateful parts and plain values, written atomically, read without running code."""

import pickle
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import nn

from kuzushiji.errors import InputError, KeptError
from kuzushiji.files import FORMATS, atomic_path
from kuzushiji.run_folder import CHECKPOINT, MODEL_BEST

FORMAT = f"kuzushiji-checkpoint-{FORMATS['.pth']}"


class Stateful(Protocol):
    """What can be a part of a checkpoint."""

    def state_dict(self) -> dict[str, Any]:
        """Return the state as tensors and plain values."""

    def load_state_dict(self, state: dict[str, Any]) -> object:
        """Take over a state."""


def save_checkpoint(path: Path, parts: Mapping[str, Stateful | nn.Module], meta: Mapping[str, Any]) -> None:
    """Write the states of `parts` and `meta` to `path`, whole or not at all.

    Args:
        path: The file.
        parts: What `load_state_dict` will bring back: model, optimizer, scaler, EMA, progress, random states.
        meta: Plain values (None, bool, numbers, strings, lists, dicts): stage, parameters, vocabulary, metrics.

    Raises:
        InputError: the file cannot be written.
    """
    state = {name: part.state_dict() for name, part in parts.items()}
    try:
        with atomic_path(path) as temporary:
            torch.save({"format": FORMAT, "meta": dict(meta), **state}, temporary)
    except (OSError, RuntimeError) as error:
        raise InputError(f"{path}: cannot be written: {_first_line(error)}") from error


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Return what `save_checkpoint` wrote: `meta`, and under each part's name its state; tensors on the CPU.

    Raises:
        InputError: the file is missing, damaged, not one of ours, or holds anything but tensors and plain values.
    """
    content = read_tensors(path)
    if not isinstance(content, dict) or content.get("format") != FORMAT or not isinstance(content.get("meta"), dict):
        raise InputError(f"{path}: expected a checkpoint of this program ({FORMAT}), got another kind of file")
    return content


def read_tensors(path: Path) -> Any:
    """Return the content of any file of torch.save, on the CPU, without running code from it.

    Raises:
        InputError: the file is missing, damaged, or holds anything but tensors and plain values.
    """
    _check_sums(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about the pickle protocol of foreign files
            return torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
    except pickle.UnpicklingError as error:
        raise InputError(
            f"{path}: refused, expected a file of torch.save with nothing but tensors and plain values, "
            "got something else, which could run code, or a damaged file"
        ) from error
    except Exception as error:  # the unpickler of a damaged file fails in any way there is
        raise _damaged(path, error) from error


def _check_sums(path: Path) -> None:
    """Check the sums of a zip file's members, which torch writes and does not look at; older formats have none.

    Raises:
        InputError: one does not fit: the file is damaged.
    """
    try:
        if not zipfile.is_zipfile(path):
            return
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
    except Exception as error:  # zipfile fails in several ways where a header is damaged
        raise _damaged(path, error) from error
    if damaged is not None:
        raise _damaged(path, ValueError(f"the sum of its part {damaged} is another"))


def _damaged(path: Path, error: Exception) -> InputError:
    return InputError(f"{path}: expected a file of torch.save, got a damaged or foreign file ({_first_line(error)})")


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


class EarlierRun(Protocol):
    """What a run is compared with; a `kuzushiji.record.StageRecord` is one."""

    stage: str

    def differences(self, parameters: Mapping[str, Any], inputs: Mapping[str, str] | None) -> list[str]:
        """Return what an earlier run, of these parameters and inputs, does not share with this one."""


def may_go_on(folder: Path, run: EarlierRun) -> bool:
    """Return whether training resumes from the checkpoint in its folder; False: it starts from the beginning.

    Raises:
        InputError: the checkpoint is damaged, or of another stage; the model of its best epoch is gone.
        KeptError: what is there is of another run, or is a model of several epochs without its checkpoint.
    """
    checkpoint, model = folder / CHECKPOINT, folder / MODEL_BEST
    path = checkpoint if checkpoint.exists() else model
    if not path.exists():
        return False
    state = load_checkpoint(path)
    meta = state["meta"]
    if meta.get("stage") != run.stage:
        raise InputError(f"{path}: expected a checkpoint of {run.stage}, got one of {meta.get('stage')}")
    if path == model and not meta.get("epoch"):
        return False  # a process was killed between its first model and its first checkpoint
    different = run.differences(meta.get("parameters") or {}, meta.get("inputs"))
    if different:
        raise KeptError(path, different)
    if path == model:
        raise KeptError(path, [f"its checkpoint {checkpoint.name} is missing"])
    if state["progress"]["best_epoch"] >= 0 and not model.exists():
        raise KeptError(path, [f"{model.name}, the best epoch so far, is missing"])
    return True
