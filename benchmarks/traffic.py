"""Bytes and floating-point operations of tensor operations, counted below autograd; large ones are not computed."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only
from torch.utils.flop_counter import flop_registry

_LARGE = 1 << 22
"""Floating-point results with more numbers are allocated and not computed: no page of theirs is ever touched."""

_PRODUCTS = {"convolution", "convolution_backward", "mm", "addmm", "bmm", "baddbmm", "_convolution"}
_BY_VALUES = {"nonzero", "masked_select", "topk", "sort", "argsort", "max"}
"""Computed always: shapes or indices depend on the values."""

_FREE = {"empty", "empty_like", "empty_strided", "empty_permuted", "new_empty", "new_empty_strided", "detach", "alias"}
_BY_INDEX = {"index", "gather", "index_select", "embedding", "index_put_", "index_put", "scatter_add_", "index_add_"}
_WRITTEN_ONLY = {"zero_", "fill_", "copy_"}


class Traffic(TorchDispatchMode):
    """Bytes read and written, and floating-point operations.

    An operation reads each of its inputs once and writes each of its results once, as on a GPU whose cache holds
    nothing between two operations. cuDNN adds the bias of a convolution by an operation of its own, which reads and
    writes the result once more: that is counted apart.

    Attributes:
        operations: Of each that moves or computes something: its name, bytes, floating-point operations.
        bytes_of_biases: Bytes of adding biases.
    """

    def __init__(self) -> None:
        super().__init__()
        self.operations: list[tuple[str, int, int]] = []
        self.bytes_of_biases = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Count an operation, and compute it unless it is large."""
        kwargs = kwargs or {}
        name = func._schema.name.split("::")[-1]
        result = _run(func, name, args, kwargs)
        if not func.is_view and name not in _FREE:
            flops = flop_registry.get(func._overloadpacket)
            if name == "convolution" and args[2] is not None:
                self.bytes_of_biases += 2 * _size(result)
            computed = int(flops(*args, **kwargs, out_val=result)) if flops else 0
            self.operations.append((name, _bytes_of(func, name, args, kwargs, result), computed))
        return result

    def clear(self) -> None:
        """Forget what was counted."""
        self.operations.clear()
        self.bytes_of_biases = 0

    @property
    def bytes(self) -> int:
        """All bytes read and written."""
        return sum(each[1] for each in self.operations)

    @property
    def flops(self) -> int:
        """All floating-point operations of convolutions and matrix products."""
        return sum(each[2] for each in self.operations)

    def least_seconds(self, flops_per_second: float, bytes_per_second: float) -> float:
        """Return what the operations take one after the other if each is as fast as the data sheet allows."""
        return math.fsum(max(moved / bytes_per_second, flops / flops_per_second) for _, moved, flops in self.operations)


@contextmanager
def kept_for_backward(apart_from: Any) -> Iterator[list[int]]:
    """Count the bytes that autograd keeps within the block; its list has one number after it.

    Args:
        apart_from: Tensors that are there anyway: weights and buffers.
    """
    known = {tensor.untyped_storage().data_ptr() for tensor in apart_from}
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in known:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    total: list[int] = []
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        yield total
    total.append(sum(kept.values()))


def _run(func: Any, name: str, args: Any, kwargs: Any) -> Any:
    """Return the results of an operation, uninitialised where they are large, zeros of other products."""
    if name == "nms":  # a third stays, which spares seconds on the CPU
        return torch.arange(0, len(args[0]), 3)
    written = _written(func, args)
    if written and all(_is_large(tensor) for tensor in written):
        return args[0] if func._schema.returns else None
    if written or func.is_view or not any(isinstance(each, Tensor) for each in tree_leaves((args, kwargs))):
        return func(*args, **kwargs)
    if name in _BY_VALUES or (name not in _PRODUCTS and not _may_be_large(args)):
        return func(*args, **kwargs)
    shapes = _on_meta(func, args, kwargs)
    if name in ("convolution", "convolution_backward"):
        shapes = tree_map_only(Tensor, lambda shape: _laid_out(shape, args[:3]), shapes)
    if name in _PRODUCTS or all(_is_large(each) for each in tree_leaves(shapes) if isinstance(each, Tensor)):
        return tree_map_only(Tensor, _uninitialised, shapes)
    return func(*args, **kwargs)


def _may_be_large(args: Any) -> bool:
    return any(isinstance(each, Tensor) and each.numel() > _LARGE // 256 for each in tree_leaves(args))


def _on_meta(func: Any, args: Any, kwargs: Any) -> Any:
    moved = tree_map_only(Tensor, lambda tensor: tensor.to("meta"), (args, kwargs))
    return func(*moved[0], **{**moved[1], **({"device": "meta"} if "device" in moved[1] else {})})


def _laid_out(shape: Tensor, given: Any) -> Tensor:
    """Return maps channels last where one of the given tensors is so, as cuDNN does and no meta tensor shows."""
    last = torch.channels_last
    maps = [each for each in given if isinstance(each, Tensor) and each.dim() == 4]
    is_last = any(each.is_contiguous(memory_format=last) and not each.is_contiguous() for each in maps)
    return shape.contiguous(memory_format=last) if is_last and shape.dim() == 4 else shape


def _uninitialised(shape: Tensor) -> Tensor:
    made = torch.empty_strided(shape.shape, shape.stride(), dtype=shape.dtype)
    return made if _is_large(shape) else made.zero_()


def _is_large(tensor: Tensor) -> bool:
    return tensor.is_floating_point() and tensor.numel() > _LARGE


def _written(func: Any, args: Any) -> list[Tensor]:
    """Return the arguments that an operation writes to."""
    written = []
    for argument, value in zip(func._schema.arguments, args, strict=False):
        if argument.alias_info is not None and argument.alias_info.is_write:
            written += [each for each in tree_leaves(value) if isinstance(each, Tensor)]
    return written


def _bytes_of(func: Any, name: str, args: Any, kwargs: Any, result: Any) -> int:
    results = [each for each in tree_leaves(result) if isinstance(each, Tensor)]
    given = [each for each in tree_leaves((args, kwargs)) if isinstance(each, Tensor)]
    written = _written(func, args)
    storages = {each.untyped_storage().data_ptr() for each in given}
    made = sum(_size(each) for each in results if each.untyped_storage().data_ptr() not in storages)
    changed = sum(_size(each) for each in written)
    if name.startswith("_fused"):  # marks gradients as written, which it does with a scale alone
        changed -= sum(_size(each) for each in args[1])
    if name in _BY_INDEX:  # reads and writes what the indices name
        return 2 * made + (3 * _size(args[-1]) if written and isinstance(args[-1], Tensor) else 0)
    read = sum(_size(each) for each in given)
    if name in _WRITTEN_ONLY:
        read -= changed
    return read + made + changed


def _size(tensor: Tensor) -> int:
    """Return the bytes of a tensor's own places: one that is expanded has fewer than numbers."""
    places = math.prod(n for n, stride in zip(tensor.shape, tensor.stride(), strict=True) if stride or n == 0)
    return places * tensor.element_size()
