"""Books and folds: pages of one book are never on both sides, unless folds are asked to divide pages."""

import logging
import re
from collections import Counter
from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from kuzushiji.errors import InputError

Item = TypeVar("Item")

logger = logging.getLogger(__name__)

BOOKS, PAGES = SPLITS = ("books", "pages")
"""What folds divide."""

_LETTERS = re.compile(r"[a-z]+")


def book_id(image_id: str) -> str:
    """Return the book of a page.

    That is what stands before the first `_` or `-`, of which only the lower-case letters where it begins with such
    (`200014740_00001_1` -> `200014740`, `umgy001-004` -> `umgy`).
    """
    prefix = re.split("[_-]", image_id, maxsplit=1)[0]
    letters = _LETTERS.match(prefix)
    return letters.group() if letters else prefix


def assign_folds(image_ids: Sequence[str], n_folds: int, split: str = BOOKS) -> dict[str, int]:
    """Return the fold in which each page is validated.

    Books are sorted by their number of pages, ascending (by id where equal); book number i goes to fold i % n_folds.
    Where folds divide pages, these are sorted by id, and page number i goes to fold i % n_folds: a model is then
    validated on books that it was trained on, and its score flatters.

    Raises:
        InputError: fewer than two folds, or a fold that would be empty.
    """
    if n_folds < 2:
        raise InputError(f"expected at least 2 folds, got {n_folds}")
    books = [book_id(image_id) if split == BOOKS else image_id for image_id in image_ids]
    pages = Counter(books)
    if len(pages) < n_folds:
        hint = "; --split pages divides pages, with scores that flatter" if len(image_ids) >= n_folds else ""
        got = f"{len(pages)} {split} for {n_folds} folds{hint}"
        raise InputError(f"expected at least as many {split} as folds, got {got}")
    ordered = sorted(sorted(pages), key=pages.__getitem__)
    fold_of_book = {book: number % n_folds for number, book in enumerate(ordered)}
    return {image_id: fold_of_book[book] for image_id, book in zip(image_ids, books, strict=True)}


def fold_of_pages(image_ids: Sequence[str], n_folds: int, split: str = BOOKS) -> NDArray[np.int32]:
    """Return the folds (n,) of pages (n,), in their order.

    Raises:
        InputError: as `assign_folds`.
    """
    folds = assign_folds(image_ids, n_folds, split)
    return np.array([folds[image_id] for image_id in image_ids], dtype=np.int32)


def split_pages(
    image_ids: Sequence[str], fold: int, n_folds: int, split: str = BOOKS
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the pages to train on and the pages to validate on, both in the order given.

    Raises:
        InputError: the fold is out of range, or as `assign_folds`.
    """
    check_fold(fold, n_folds)
    folds = assign_folds(image_ids, n_folds, split)
    if split == PAGES:
        logger.warning("folds divide pages: books are on both sides, and scores on held-out pages flatter")
    train = tuple(image_id for image_id in image_ids if folds[image_id] != fold)
    return train, tuple(image_id for image_id in image_ids if folds[image_id] == fold)


def spread(items: Sequence[Item], limit: int) -> tuple[Item, ...]:
    """Return at most `limit` items, such as pages, evenly spread over them and so over the books; 0 means all."""
    if not 0 < limit < len(items):
        return tuple(items)
    return tuple(items[number * len(items) // limit] for number in range(limit))


def check_fold(fold: int, n_folds: int) -> None:
    """Check the number of a fold.

    Raises:
        InputError: it is out of range.
    """
    if not 0 <= fold < n_folds:
        raise InputError(f"expected a fold from 0 to {n_folds - 1}, got {fold}")
