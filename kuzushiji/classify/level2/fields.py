"""Values of a JSON file that may be damaged or edited; errors state the expected value and its place in the file."""

import json
import sys
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from kuzushiji.errors import InputError

_SHOWN = 60
"""Characters of a wrong value that a message shows."""


@dataclass(frozen=True)
class Field:
    """A value in a JSON file; a method raises `InputError` where the value is not what it returns.

    Attributes:
        path: The file.
        value: As it was read.
        name: Its place in the file, such as `folds[0].rounds`; empty for the whole.
    """

    path: Path
    value: Any
    name: str = ""

    def __getitem__(self, key: str) -> "Field":
        """Return a member of an object."""
        members = self.members()
        if key not in members:
            raise InputError(f"{self.path}: expected the field {self._inner(key)}, got none")
        return members[key]

    def members(self) -> dict[str, "Field"]:
        """Return the members of an object."""
        if not isinstance(self.value, dict):
            self.fail("an object")
        return {key: Field(self.path, value, self._inner(key)) for key, value in self.value.items()}

    def items(self, least: int = 0) -> list["Field"]:
        """Return the items of a list."""
        if not isinstance(self.value, list) or len(self.value) < least:
            self.fail(f"a list of at least {least}" if least else "a list")
        return [Field(self.path, value, f"{self.name}[{number}]") for number, value in enumerate(self.value)]

    def text(self, choices: Collection[str] = ()) -> str:
        """Return a text, one of `choices` where there are any."""
        if not isinstance(self.value, str) or (choices and self.value not in choices):
            self.fail(" or ".join(choices) or "text")
        return self.value

    def texts(self) -> tuple[str, ...]:
        """Return a list of texts."""
        return tuple(item.text() for item in self.items())

    def whole(self, least: int, most: int | None = None) -> int:
        """Return a whole number from `least` to `most`."""
        fits = isinstance(self.value, int) and not isinstance(self.value, bool) and self.value >= least
        if not fits or (most is not None and self.value > most):
            self.fail(f"a whole number from {least}" + (f" to {most}" if most is not None else ""))
        return int(self.value)

    def number(self) -> float:
        """Return a finite number."""
        largest = sys.float_info.max
        fits = isinstance(self.value, int | float) and not isinstance(self.value, bool)
        if not fits or not -largest <= self.value <= largest:
            self.fail("a finite number")
        return float(self.value)

    def fail(self, expected: str) -> NoReturn:
        """Raise the error of an unexpected value."""
        got = json.dumps(self.value, ensure_ascii=False)
        got = got if len(got) <= _SHOWN else f"{got[:_SHOWN]}…"
        raise InputError(f"{self.path}: expected {expected}{f' in {self.name}' if self.name else ''}, got {got}")

    def _inner(self, key: str) -> str:
        return f"{self.name}.{key}" if self.name else key
