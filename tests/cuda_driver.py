"""What a machine with CUDA devices answers, for `tests.cuda_stand_in`: the driver's functions, and where a tensor is.

A tensor on the device is one on the CPU whose storage is marked: views share the mark, and it ends with the storage.
"""

import contextlib
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._foreach_utils import _group_tensors_by_device_and_dtype
from torch.utils._python_dispatch import _disable_current_modes

CUDA = torch.device("cuda", 0)
CPU = torch.device("cpu")


def on_device(tensor: Tensor) -> bool:
    """Return whether a tensor is marked as being on the device."""
    return marked(tensor, "on_device")


def marked(tensor: Tensor, name: str) -> bool:
    """Return whether the tensor's storage has that mark: `on_device` or `pinned`."""
    try:
        return getattr(tensor.untyped_storage(), name, False)
    except (NotImplementedError, RuntimeError):  # a tensor without storage, such as a sparse one
        return False


def mark(tensor: Tensor, value: bool) -> None:
    """Put the tensor, and all that share its storage, on the device or on the CPU."""
    with contextlib.suppress(NotImplementedError, RuntimeError):
        tensor.untyped_storage().on_device = value  # type: ignore[attr-defined]


class _Generator(torch.Generator):
    """A generator that keeps in mind of which device it was asked to be."""

    device_asked = CPU

    def __new__(cls, device: Any = "cpu") -> "_Generator":
        generator = super().__new__(cls, "cpu")
        generator.device_asked = torch.device(device)
        return generator


class _Autocast(torch.autocast):
    """Autocast of the device is the CPU's here."""

    def __init__(self, device_type: str, *args: Any, **kwargs: Any) -> None:
        super().__init__("cpu" if device_type == "cuda" else device_type, *args, **kwargs)


def _pin_memory(tensor: Tensor, device: Any = None) -> Tensor:
    if on_device(tensor):
        raise RuntimeError("cannot pin 'torch.cuda.FloatTensor' only dense CPU tensors can be pinned")
    pinned = tensor.clone()
    pinned.untyped_storage().pinned = True  # type: ignore[attr-defined]
    return pinned


def _copied_withmark(deepcopy: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def copied(tensor: Tensor, memo: Any) -> Tensor:
        with _disable_current_modes():  # it would seem to copy to the CPU
            result = deepcopy(tensor, memo)
        mark(result, on_device(tensor))
        return result

    return copied


def _grouped(*args: Any, **kwargs: Any) -> Any:
    """Group tensors as C++ does, with the devices that they are marked with."""
    groups = _group_tensors_by_device_and_dtype(*args, **kwargs)
    return {(_device_of(lists[0][0]), dtype): (lists, numbers) for (_, dtype), (lists, numbers) in groups.items()}


def _device_of(tensor: Tensor) -> torch.device:
    return CUDA if on_device(tensor) else tensor.device


def replaced(
    capability: tuple[int, int], devices: int, synchronize: Callable[[], None]
) -> Iterator[tuple[Any, str, Any]]:
    """Yield what is replaced: owner, name, and what takes its place."""
    current = [0]
    properties = types.SimpleNamespace(
        major=capability[0], minor=capability[1], name="stand-in", total_memory=1 << 34, multi_processor_count=1
    )
    driver: dict[str, Any] = {
        "_cuda_getDeviceCount": lambda: devices,
        "_cuda_getDevice": lambda: current[0],
        "_cuda_setDevice": lambda number: current.__setitem__(0, number),
        "_cuda_isInBadFork": False,
        "_cuda_isCurrentStreamCapturing": lambda: False,
        "_cuda_synchronize": synchronize,
        "_cuda_memoryStats": lambda _number: {},
        "_accelerator_getAccelerator": lambda: torch.device("cuda"),
        "_accelerator_getDeviceIndex": lambda: current[0],
        "_accelerator_setDeviceIndex": lambda number: current.__setitem__(0, number),
        "_accelerator_getStream": lambda _number: types.SimpleNamespace(is_capturing=lambda: False),
    }
    yield from ((torch._C, name, value) for name, value in driver.items())
    yield torch.cuda, "_initialized", True
    yield torch.cuda, "_cached_device_count", devices
    yield torch.cuda, "_get_device_properties", lambda _number: properties
    yield torch.cuda, "default_generators", tuple(torch.Generator() for _ in range(devices))
    yield torch, "Generator", _Generator
    yield torch, "autocast", _Autocast
    yield torch.amp, "autocast", _Autocast
    yield Tensor, "pin_memory", _pin_memory
    yield Tensor, "is_pinned", lambda tensor, device=None: marked(tensor, "pinned")
    yield Tensor, "__deepcopy__", _copied_withmark(Tensor.__deepcopy__)
    yield nn.Parameter, "__deepcopy__", _copied_withmark(nn.Parameter.__deepcopy__)
    for module in ("torch.nn.utils.clip_grad", "torch.optim.optimizer"):
        yield sys.modules[module], "_group_tensors_by_device_and_dtype", _grouped
