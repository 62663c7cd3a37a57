"""The numbers of the classes: stored beside whatever uses them, never derived from the data of the day."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kuzushiji.data.labels import SEG_FP, read_page_labels
from kuzushiji.errors import InputError
from kuzushiji.files import atomic_write_text


@dataclass(frozen=True)
class Vocabulary:
    """The classes of a model in the order of their numbers.

    Attributes:
        codes: Sorted, each once; `seg_fp` is always there and always last.
    """

    codes: tuple[str, ...]

    def __post_init__(self) -> None:
        ordered = (*sorted(set(self.codes) - {SEG_FP}), SEG_FP)
        if self.codes != ordered:
            raise InputError(f"expected a vocabulary of sorted codes, each once, and {SEG_FP} last, got another order")

    @classmethod
    def from_codes(cls, codes: Iterable[str]) -> "Vocabulary":
        """Return the vocabulary of the distinct codes and `seg_fp`, which may be among them."""
        return cls((*sorted(set(codes) - {SEG_FP}), SEG_FP))

    @classmethod
    def from_train_csv(cls, path: Path) -> "Vocabulary":
        """Return the vocabulary of all codes in a table of labels.

        Raises:
            InputError: as `read_page_labels`.
        """
        return cls.from_codes(read_page_labels(path).boxes["code"].unique())

    @classmethod
    def from_json(cls, text: str) -> "Vocabulary":
        """Return the vocabulary in a JSON text made by `to_json`.

        Raises:
            InputError: the text is something else.
        """
        try:
            codes = json.loads(text)
        except ValueError as error:
            raise InputError(f"expected the JSON list of a vocabulary's codes, got something else ({error})") from None
        if not isinstance(codes, list) or not all(isinstance(code, str) for code in codes):
            raise InputError("expected the JSON list of a vocabulary's codes, got other JSON")
        return cls(tuple(codes))

    def to_json(self) -> str:
        """Return the codes as a JSON list."""
        return json.dumps(list(self.codes))

    def digest(self) -> str:
        """Return 16 hexadecimal digits that differ for different vocabularies."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:16]

    def check_same(self, other: "Vocabulary", name: object, first: object = "") -> None:
        """Check that the file `name` has these codes, which are those of the file `first` if one is given.

        Raises:
            InputError: it has others.
        """
        if other.codes != self.codes:
            differing = sorted(set(self.codes) ^ set(other.codes))
            example = f", for example {differing[0]} is in one only" if differing else ", in another order"
            where = f" as in {first}" if first else ""
            raise InputError(
                f"{name}: expected the vocabulary of {len(self)} codes{where}, got another of {len(other)}{example}"
            )

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def seg_fp(self) -> int:
        """Number of the class `seg_fp`."""
        return len(self.codes) - 1

    def encode(self, codes: "Sequence[str] | NDArray[np.object_] | pd.Series", where: str = "") -> NDArray[np.int32]:
        """Return the numbers (n,) of codes (n,).

        Args:
            codes: Codes of this vocabulary.
            where: Where they come from, for the message.

        Raises:
            InputError: a code is not in the vocabulary.
        """
        values = np.asarray(codes, dtype=object)
        indices = np.asarray(self._index.get_indexer(pd.Index(values)))
        if (indices < 0).any():
            unknown = pd.unique(values[indices < 0])
            more = f" and {len(unknown) - 1} more" if len(unknown) > 1 else ""
            place = f"{where}: " if where else ""
            raise InputError(f"{place}expected the {len(self)} codes of the vocabulary, got {unknown[0]}{more}")
        return indices.astype(np.int32)

    def decode(self, indices: NDArray[np.integer]) -> NDArray[np.object_]:
        """Return the codes, in the shape of `indices`.

        Raises:
            InputError: a number is outside the vocabulary.
        """
        indices = np.asarray(indices, dtype=np.int64)
        if indices.size and (indices.min() < 0 or indices.max() >= len(self)):
            raise InputError(f"expected class numbers from 0 to {len(self) - 1}, got {indices.min()}…{indices.max()}")
        return np.asarray(np.asarray(self.codes, dtype=object)[indices], dtype=object)

    @cached_property
    def _index(self) -> "pd.Index[str]":
        index: pd.Index[str] = pd.Index(np.asarray(self.codes, dtype=object))
        return index


def read_vocabulary(path: Path) -> Vocabulary:
    """Return the vocabulary in a JSON file.

    Raises:
        InputError: the file is missing or holds something else.
    """
    try:
        return Vocabulary.from_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: expected a vocabulary, cannot be read: {error.strerror or error}") from error
    except (InputError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: {error}") from error


def write_vocabulary(path: Path, vocabulary: Vocabulary) -> None:
    """Write the vocabulary as JSON, whole or not at all."""
    atomic_write_text(path, vocabulary.to_json() + "\n")
