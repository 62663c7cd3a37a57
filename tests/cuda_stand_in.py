"""A stand-in for a CUDA device on machines without one: CPU tensors that are marked as being on `cuda:0`.

    with cuda_stand_in() as device:
        main([..., "--device", "cuda"])
    device.waits, device.launches  # counted by operation and place

What is replaced is what torch asks the driver for (`torch._C._cuda_*`) and where a tensor is. All checks of torch above
that are its own. The mark is an attribute of a tensor's storage, so views share it and it ends with the storage.

- An operation on tensors of both devices raises, as does `numpy()` of a marked tensor.
- `waits` counts what waits for the device: `item`, `nonzero` and boolean masks, `nms`, every copy to the CPU, blocking
  copies to the device, and as "copy from pageable memory" those that block only because memory is not pinned.
- `launches` counts operations that start at least one kernel; views and allocations are not among them.

What it cannot show: numbers of CUDA kernels, memory, and what C++ code asks about a tensor's device.
"""

import collections
import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import torch
import torch._dynamo
import torch.distributed.tensor  # imported late, under the modes below, both fail
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from tests.cuda_driver import CPU, CUDA, mark, marked, on_device, replaced

_ROOT = Path(__file__).resolve().parents[1]
_OURS = tuple(str(_ROOT / name) + "/" for name in ("kuzushiji", "detection", "benchmarks"))
_LIBRARIES = ("/torchvision/", "/timm/", "/ignite/")
_COPIES = {"copy_", "_to_copy", "_local_scalar_dense"}
_WAIT = {
    "_local_scalar_dense", "nonzero", "nonzero_numpy", "masked_select", "_unique", "_unique2", "unique_dim",
    "unique_consecutive", "equal", "nms", "bincount",
}  # fmt: skip
_INDEX = {"index", "index_put", "index_put_", "_index_put_impl_"}
_ALLOCATE = {
    "empty", "empty_like", "empty_strided", "empty_permuted", "new_empty", "new_empty_strided", "resize_", "set_",
    "is_same_size", "_reshape_alias", "_unsafe_view",
}  # fmt: skip

Counts = collections.Counter[tuple[str, str]]


class StandIn:
    """What was counted, by name of the operation and place: file and line of our code, and of a library below it.

    Attributes:
        waits: Operations that wait for the device.
        launches: Operations that start a kernel.
    """

    def __init__(self) -> None:
        self.waits: Counts = collections.Counter()
        self.launches: Counts = collections.Counter()

    def reset(self) -> None:
        """Forget what was counted."""
        self.waits.clear()
        self.launches.clear()

    def wait(self, operation: str) -> None:
        """Count a wait at the place that is running."""
        self.waits[operation, _place()] += 1


@contextlib.contextmanager
def cuda_stand_in(capability: tuple[int, int] = (9, 0), devices: int = 1) -> Iterator[StandIn]:
    """Make the machine one with CUDA devices of that compute capability for the length of the block.

    Tensors can be on the first device alone; of several, others can only be chosen.
    """
    device = StandIn()
    with contextlib.ExitStack() as stack:
        for owner, name, value in replaced(capability, devices, lambda: device.wait("synchronize")):
            stack.enter_context(mock.patch.object(owner, name, value, create=True))
        stack.enter_context(_Operations(device))
        stack.enter_context(_Functions(device))
        yield device


def _tensors(values: Any) -> list[Tensor]:
    return [value for value in tree_leaves(values) if isinstance(value, Tensor)]


def _place() -> str:
    """Return the innermost line of our code that is running, and after it that of a library which it called."""
    frame, library = sys._getframe(1), ""
    while frame is not None:
        name = frame.f_code.co_filename
        if name.startswith(_OURS):
            own = f"{name[len(str(_ROOT)) + 1 :]}:{frame.f_lineno}"
            return f"{own} > {library}" if library else own
        if not library and any(part in name for part in _LIBRARIES):
            library = f"{name.rsplit('/', 1)[1]}:{frame.f_lineno}"
        frame = frame.f_back  # type: ignore[assignment]
    return library or "elsewhere"


def _wanted(device: Any) -> bool | None:
    """Return whether a `device` argument names the stand-in; None where there is none."""
    if device is None:
        return None
    return torch.device(device).type == "cuda"


class _Operations(TorchDispatchMode):
    """Marks the results of operations, refuses mixed devices, and counts."""

    def __init__(self, device: StandIn) -> None:
        super().__init__()
        self.device = device

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = func._schema.name.split("::")[-1]
        given = _tensors((args, kwargs))
        marks = [on_device(tensor) for tensor in given]
        if any(marks):
            self._check(name, given, marks, args)
            self._count(name, func, args, kwargs)
        result = func(*args, **kwargs)
        if name == "copy_":
            self._count_copy(args[0], args[1])
        else:
            marked = any(marks) or _Functions.is_computing
            storages = {tensor.untyped_storage()._cdata for tensor in given} if given else set()
            for tensor in _tensors(result):
                if tensor.untyped_storage()._cdata not in storages:
                    mark(tensor, marked)
        return result

    @staticmethod
    def _check(name: str, given: list[Tensor], marks: list[bool], args: Any) -> None:
        """Raise where devices are mixed: numbers of no dimension may come from the CPU, and so may indices."""
        if name in _COPIES:
            return
        allowed = {id(each) for each in _tensors(args[1])} if name in _INDEX and on_device(args[0]) else set()
        for tensor, is_there in zip(given, marks, strict=True):
            if not is_there and tensor.ndim and id(tensor) not in allowed:
                shape = tuple(tensor.shape)
                raise RuntimeError(
                    f"Expected all tensors to be on the same device, but {name} got one of {shape} on cpu and "
                    f"others on {CUDA} ({_place()})"
                )

    def _count(self, name: str, func: Any, args: Any, kwargs: Any) -> None:
        if name in _WAIT or (name == "repeat_interleave" and kwargs.get("output_size") is None):
            self.device.wait(name)
        elif name in _INDEX:
            indices = _tensors(args[1])
            masks = [each for each in indices if each.dtype in (torch.bool, torch.uint8)]
            fills = name != "index" and args[2].ndim == 0  # becomes a masked_fill
            if masks and not fills:
                self.device.wait(f"{name} by mask")
            if not all(on_device(each) for each in indices):
                self.device.wait(f"{name} from the CPU")
        if not func.is_view and name not in _ALLOCATE | {"_local_scalar_dense"}:
            self.device.launches[name, _place()] += 1

    def _count_copy(self, target: Tensor, source: Tensor) -> None:
        if on_device(source) and not on_device(target):
            self.device.wait("copy to the CPU")
        elif on_device(target) and not on_device(source) and source.ndim:
            self.device.wait("blocking copy")


class _Functions(TorchFunctionMode):
    """Answers what Python code asks about a tensor's device, and moves tensors between devices.

    Attributes:
        is_computing: Whether a function works on marked tensors: what C++ code allocates there is on the device.
    """

    is_computing = False

    def __init__(self, device: StandIn) -> None:
        super().__init__()
        self.device = device

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if func == Tensor.device.__get__:  # type: ignore[attr-defined]
            return CUDA if on_device(args[0]) else func(*args)
        if func == Tensor.is_cuda.__get__:  # type: ignore[attr-defined]
            return on_device(args[0])
        if func in (Tensor.to, Tensor.cuda, Tensor.cpu):
            return self._moved(func, *args, **kwargs)
        if args and isinstance(args[0], Tensor) and on_device(args[0]):
            if func in (Tensor.numpy, Tensor.__array__):
                raise TypeError(f"can't convert {CUDA} device type tensor to numpy ({_place()})")
            if func is Tensor.tolist:
                self.device.wait("tolist")
        wanted = _wanted(kwargs.get("device"))
        if wanted is not None:
            return self._made(func, wanted, args, kwargs)
        before = _Functions.is_computing
        _Functions.is_computing = before or any(on_device(tensor) for tensor in _tensors((args, kwargs)))
        try:
            return func(*args, **kwargs)
        finally:
            _Functions.is_computing = before

    def _made(self, func: Any, wanted: bool, args: Any, kwargs: Any) -> Any:
        """Return the tensor that a function makes on the device it is told."""
        generator = kwargs.get("generator")
        if generator is not None and (getattr(generator, "device_asked", CPU).type == "cuda") != wanted:
            raise RuntimeError(f"Expected a generator of the tensor's device ({_place()})")
        result = func(*args, **{**kwargs, "device": CPU if wanted else kwargs["device"]})
        for tensor in _tensors(result):
            if tensor.device.type == "cpu":
                mark(tensor, wanted)
        if wanted and func in (torch.tensor, torch.as_tensor, torch.asarray):
            self.device.wait("blocking copy")
        return result

    def _moved(self, func: Any, tensor: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """Return a tensor on the device that `to`, `cuda` or `cpu` say."""
        copy = kwargs.pop("copy", False)
        if func is not Tensor.to:
            device, dtype, non_blocking, layout = (CPU if func is Tensor.cpu else CUDA), None, False, None
        elif args and isinstance(args[0], Tensor):
            device, dtype, non_blocking, layout = (CUDA if on_device(args[0]) else CPU), args[0].dtype, False, None
        else:
            device, dtype, non_blocking, layout = torch._C._nn._parse_to(*args, **kwargs)
        target = on_device(tensor) if device is None else device.type == "cuda"
        options = {"memory_format": layout} if layout is not None else {}
        if device is not None and device.type not in ("cpu", "cuda"):
            return Tensor.to(tensor, device)
        if target == on_device(tensor):
            return Tensor.to(tensor, dtype or tensor.dtype, copy=copy, **options)
        result = Tensor.to(tensor, dtype or tensor.dtype, copy=True, **options)
        mark(result, target)
        if not target:
            self.device.wait("copy to the CPU")
        elif not non_blocking:
            self.device.wait("blocking copy")
        elif not marked(tensor, "pinned"):
            self.device.wait("copy from pageable memory")
        return result
