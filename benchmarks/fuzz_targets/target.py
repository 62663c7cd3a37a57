"""What a target is: a reader or writer as a function of bytes."""

from collections.abc import Callable
from dataclasses import dataclass

Check = Callable[[bytes], bool]

CODES = ("U+3042", "U+3044", "U+3046", "U+4E00", "U+2A6D6")
PAGES = ("100241706_00004_2", "umgy001-001", "test_あ")


@dataclass(frozen=True)
class Target:
    """A reader or writer.

    Attributes:
        name: Of the target.
        share: Of a thousand inputs so many are for it.
        seeds: Inputs that are right, to mutate.
        check: Returns whether the input was taken, and raises `InputError` where it was refused; anything else that it
            raises is a fault.
    """

    name: str
    share: int
    seeds: list[bytes]
    check: Check


def require(fits: bool, what: str) -> None:
    """Raise what the fuzzer takes for a wrong acceptance."""
    if not fits:
        raise AssertionError(f"taken wrongly: {what}")
