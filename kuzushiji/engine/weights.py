"""Weights from a file into a network; a layer that should be filled and is not is an error."""

import contextlib
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

from kuzushiji.engine.checkpoint import read_tensors
from kuzushiji.engine.processes import first_of_machine_first
from kuzushiji.errors import InputError

Loaded = TypeVar("Loaded")

HEADS = ("fc.", "head.", "classifier.")
"""Classifier heads of published networks: never needed here."""

_WRAPPERS = ("module.", "_orig_mod.", "backbone.", "body.")
_COUNTER = "num_batches_tracked"
"""Buffer of batch norms that only a cumulative average uses, which no network here has."""

_CONTAINERS = ("model", "state_dict", "weights")
_CLIENTS = ("huggingface_hub", "httpx", "httpx2", "requests", "http")
_SCALE = ".scale_of_rows"  # after the name of a tensor in 8 bits
_SHOWN = 3


def load_weights(
    module: nn.Module,
    path: Path,
    *,
    architecture: str,
    cut_off: Sequence[str] = (),
    lacking: Sequence[str] = (),
    rename: Callable[[str], str] = str,
) -> None:
    """Fill all parameters and buffers of `module` from a file; its heads (`HEADS`) are never used.

    Names lose the prefixes that wrappers give them (`module.`, `body.` …); values are converted to the module's
    number format, so that files of float16 will do.

    Args:
        module: The network, or its backbone.
        path: `.safetensors`, or a file of torch.save with a state dict (bare, or under `model` or `state_dict`).
        architecture: Name of what `module` is, for messages.
        cut_off: Beginnings of names that the module lacks on purpose, such as `layer4.`.
        lacking: Beginnings of names that the file leaves out on purpose: those keep the values they have.
        rename: Gives the module's name for a name in the file, once that has lost its prefixes.

    Raises:
        InputError: the file cannot be read; a parameter stays unfilled or has another shape; the file has layers that
            the module lacks.
    """
    found = {rename(_bare(name)): value for name, value in read_state(path).items()}
    wanted = module.state_dict()
    missing = [
        name
        for name in wanted
        if name not in found and not name.endswith(_COUNTER) and not name.startswith(tuple(lacking))
    ]
    wrong = [name for name in wanted if name in found and found[name].shape != wanted[name].shape]
    unused = (name for name in found if name not in wanted and not name.startswith((*HEADS, *cut_off)))
    foreign = [name for name in unused if not name.endswith(_COUNTER)]
    expected = f"{path}: expected weights of {architecture}, got"
    if missing:
        raise InputError(f"{expected} a file without {_listed(missing)}")
    if wrong:
        first = wrong[0]
        shapes = f"{tuple(found[first].shape)} instead of {tuple(wanted[first].shape)}"
        raise InputError(f"{expected} other shapes for {_listed(wrong)} ({shapes})")
    if foreign:
        raise InputError(f"{expected} layers that it does not have: {_listed(foreign)}")
    taken = {name: found[name].to(value.dtype) for name, value in wanted.items() if name in found}
    module.load_state_dict(taken, strict=False)


def read_state(path: Path) -> dict[str, Tensor]:
    """Return the named tensors in a `.safetensors` file or a file of torch.save, on the CPU.

    Raises:
        InputError: the file is missing, damaged, or holds no tensors.
    """
    content = _read_safetensors(path) if path.suffix == ".safetensors" else read_tensors(path)
    if isinstance(content, Mapping):
        for key in _CONTAINERS:
            if isinstance(content.get(key), Mapping):
                content = content[key]
                break
    if not isinstance(content, Mapping) or not content:
        raise InputError(f"{path}: expected named tensors, got {type(content).__name__}")
    state = {name: value for name, value in content.items() if isinstance(value, Tensor)}
    if len(state) != len(content):
        other = next(name for name in content if name not in state)
        raise InputError(f"{path}: expected named tensors, got something else under {other!r}")
    return state


def pretrained_or_explain(load: Callable[[], Loaded], name: str) -> Loaded:
    """Return `load()`, which may download weights; if that fails, the error says how to supply them.

    Of several processes on a machine the first downloads them.

    Args:
        load: Calls torchvision, timm or the like.
        name: Of the weights, as published.

    Raises:
        InputError: the weights are neither in the cache nor to be had.
    """
    try:
        # torch.hub prints its download messages to standard output.
        with first_of_machine_first(), contextlib.redirect_stdout(sys.stderr):
            return load()
    except Exception as error:
        if not _is_of_download(error):
            raise
        reason = (str(error).splitlines() or [type(error).__name__])[0][:120]
        raise InputError(
            f"weights {name}: expected them in the cache or on the network, got neither ({reason}); "
            "fetch the file on another machine and pass it with --weights FILE, or train without with --pretrained 0"
        ) from error


def _is_of_download(error: Exception) -> bool:
    """Return whether a download failed: an OSError for urllib, one of its client's own kind for huggingface_hub."""
    damaged = isinstance(error, RuntimeError) and "invalid hash" in str(error)  # torch.hub, after a broken download
    return isinstance(error, OSError) or damaged or type(error).__module__.partition(".")[0] in _CLIENTS


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return from_8_bits(load_file(path))
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
    except SafetensorError as error:
        raise InputError(f"{path}: expected a safetensors file, got a damaged or foreign one ({error})") from error


def in_8_bits(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return weights with matrices and kernels as int8, and beside each the scale (float32) of each of its rows.

    A row is what belongs to one output: its largest value becomes 127. Vectors and whole numbers stay as they are.
    """
    packed: dict[str, Tensor] = {}
    for name, value in state.items():
        packed[name] = value
        if value.is_floating_point() and value.dim() > 1:
            rows = value.float().flatten(1)
            scale = (rows.abs().amax(dim=1) / 127).clamp_min(torch.finfo(torch.float32).tiny)
            packed[name] = torch.round(rows / scale[:, None]).to(torch.int8).reshape(value.shape)
            packed[name + _SCALE] = scale
    return packed


def from_8_bits(packed: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights, as float32, that `in_8_bits` packed; others as they are."""
    state = {}
    for name, value in packed.items():
        if name.endswith(_SCALE) and name.removesuffix(_SCALE) in packed:
            continue
        scale = packed.get(name + _SCALE)
        state[name] = value if scale is None else value.float() * scale.reshape(-1, *[1] * (value.dim() - 1))
    return state


def _bare(name: str) -> str:
    while name.startswith(_WRAPPERS):
        name = name.partition(".")[2]
    return name


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
