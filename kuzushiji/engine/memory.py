"""Too little memory, as one line that says what to lower."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from kuzushiji.errors import InputError

_CPU_SAYS = ("can't allocate memory", "not enough memory")


@contextmanager
def enough_memory(what: str, advice: str) -> Iterator[None]:
    """Turn the error of a full memory, of the device or of the machine, into one line.

    Args:
        what: What is done in the block.
        advice: What to lower.

    Raises:
        InputError: the memory does not suffice.
    """
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise InputError(f"{what}: the memory of the device does not suffice: {advice}") from error
    except RuntimeError as error:  # the CPU's allocator has no error of its own
        if not any(words in str(error) for words in _CPU_SAYS):
            raise
        raise InputError(f"{what}: the memory of the machine does not suffice: {advice}") from error
