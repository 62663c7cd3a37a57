"""The detailed table: a classifier's best classes and logits of every box, the input of all later stages."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kuzushiji.artifacts.box_table import BOX_COLUMNS, labels_of
from kuzushiji.data.label_text import shown
from kuzushiji.data.labels import SEG_FP, PageLabels
from kuzushiji.data.vocabulary import Vocabulary
from kuzushiji.errors import InputError

N_BEST = 50
"""Classes kept for each box, as in the reference: the truth is among them for more than 99.9 % of the boxes."""

_SAME_COORDINATE = 0.01
"""Pixels by which the text format may change a coordinate."""

_CHECKED = 4096
"""Boxes whose classes are checked at a time: those of 50 classes each fit a core's cache."""


@dataclass(frozen=True)
class Detailed:
    """The best classes and logits of every box on some pages.

    Attributes:
        boxes: One row a box, columns `BOX_COLUMNS`: page (str), number of the box within its page (int), top left
            corner and size (float64, pixels of the original page), code of the truth (str; `SEG_FP` on test pages).
            (image_id, box) is unique.
        classes: (n, k) int32, indices into the vocabulary, best first, no class twice in a row.
        logits: (n, k) float32, descending, finite.
        vocabulary: What the classes mean.
        pages: Every page that was looked at, in order, those without any box too.
    """

    boxes: pd.DataFrame
    classes: NDArray[np.int32]
    logits: NDArray[np.float32]
    vocabulary: Vocabulary
    pages: tuple[str, ...]

    @classmethod
    def from_arrays(
        cls,
        image_ids: Sequence[str],
        boxes_xywh: NDArray[np.number],
        logits: NDArray[np.floating],
        codes: Sequence[str],
        *,
        true: Sequence[str] | None = None,
        pages: Sequence[str] | None = None,
        k: int = N_BEST,
    ) -> "Detailed":
        """Return the table of a model of one's own, ready for `write_detailed`.

        Args:
            image_ids: (n,) page of each box.
            boxes_xywh: (n, 4) corner and size, pixels of the original page.
            logits: (n, c) of all classes, finite; probabilities as their logarithm.
            codes: (c,) code of each column, each once, in any order. Where `seg_fp` is none of them it is added with a
                logit 20 below the lowest of the box.
            true: (n,) code of each box's truth, `seg_fp` where there is none; None for test pages.
            pages: Every page that was looked at; None: those with boxes, in their order.
            k: Classes to keep of each box.

        Raises:
            InputError: the arrays do not fit each other, or break a rule of `Detailed`.
        """
        boxes, values = np.asarray(boxes_xywh, np.float64), np.asarray(logits, np.float32)
        n, vocabulary = len(image_ids), Vocabulary.from_codes(codes)
        if len(set(codes)) != len(codes):
            raise InputError("expected each code once, got one twice")
        if boxes.shape != (n, 4) or values.shape != (n, len(codes)) or (true is not None and len(true) != n):
            raise InputError(
                f"expected {n} boxes (n, 4) and logits (n, {len(codes)}), got {boxes.shape} and {values.shape}"
                + (f" with {len(true)} true codes" if true is not None else "")
            )
        if SEG_FP not in codes:
            lowest = values.min(axis=1, keepdims=True, initial=np.inf)
            values, codes = np.concatenate([values, lowest - 20], axis=1), [*codes, SEG_FP]
        number = vocabulary.encode(list(codes))
        order = np.argsort(-values, axis=1, kind="stable")[:, :k]
        table = pd.DataFrame({"image_id": pd.Series(list(image_ids), dtype=str)})
        table["box"] = table.groupby("image_id").cumcount().to_numpy(np.int32)
        table[["x", "y", "w", "h"]] = boxes
        table["true"] = pd.Series([SEG_FP] * n if true is None else list(true), dtype=str)
        every = tuple(dict.fromkeys(image_ids) if pages is None else pages)
        detailed = cls(table, number[order], np.take_along_axis(values, order, axis=1), vocabulary, every)
        check_detailed(detailed, "the table")
        return detailed

    def __len__(self) -> int:
        return len(self.boxes)

    @property
    def pred(self) -> NDArray[np.object_]:
        """(n,) codes of the best class of each box."""
        return self.vocabulary.decode(self.classes[:, 0])

    def top(self, k: int) -> "Detailed":
        """Return the table with the `k` best classes of each box (fewer where it has fewer)."""
        return replace(self, classes=self.classes[:, :k], logits=self.logits[:, :k])

    def take(self, rows: NDArray[np.integer] | NDArray[np.bool_]) -> "Detailed":
        """Return the table with the boxes at `rows` (positions or a mask) and all its pages."""
        boxes = self.boxes[rows] if rows.dtype == np.bool_ else self.boxes.iloc[rows]
        return replace(self, boxes=boxes.reset_index(drop=True), classes=self.classes[rows], logits=self.logits[rows])

    def labels(self, codes: NDArray[np.object_] | None = None) -> PageLabels:
        """Return the boxes of all pages with `codes` (n,), by default those of the best classes."""
        return labels_of(self.boxes, self.pred if codes is None else codes, self.pages)


def concat_detailed(tables: Sequence[Detailed], names: Sequence[str]) -> Detailed:
    """Return one table of the boxes of several tables of different pages, such as the folds.

    Raises:
        InputError: no tables, a page in two of them, different vocabularies, or boxes with more classes in one table
            than in another: missing classes would look like classes of negligible probability.
    """
    if not tables:
        raise InputError("expected at least one detailed table, got none")
    first = tables[0]
    full, its_name = next(((table, name) for table, name in zip(tables, names, strict=True) if len(table)), (first, ""))
    seen: dict[str, str] = {}
    for table, name in zip(tables, names, strict=True):
        first.vocabulary.check_same(table.vocabulary, name, names[0])
        doubled = next((page for page in table.pages if page in seen), None)
        if doubled is not None:
            where = f"{name}, page {shown(doubled)}"
            raise InputError(f"{where}: expected pages of its own, got a page that {seen[doubled]} has")
        seen.update(dict.fromkeys(table.pages, name))
        k, got = full.classes.shape[1], table.classes.shape[1]
        if len(table) and got != k:
            raise InputError(f"{name}: expected {k} classes a box as in {its_name}, got {got}")
    with_boxes = [table for table in tables if len(table)] or [first]
    return Detailed(
        boxes=pd.concat([table.boxes for table in tables], ignore_index=True),
        classes=np.concatenate([table.classes for table in with_boxes]),
        logits=np.concatenate([table.logits for table in with_boxes]),
        vocabulary=first.vocabulary,
        pages=tuple(seen),
    )


def rows_in_order_of(
    reference: pd.DataFrame, other: pd.DataFrame, name: str, first: str = "the other tables"
) -> NDArray[np.intp] | None:
    """Return the position in `other` of each box of `reference`; None if both are in the same order.

    Args:
        reference: Table with `BOX_COLUMNS`, boxes unique.
        other: The same of another model.
        name: The file of `other`, for messages.
        first: The file of `reference`, for messages: the fault may be in either.

    Raises:
        InputError: a box that only one of them has, or one with other coordinates or another truth.
    """
    n = len(reference)
    if len(other) == n and all(reference[key].equals(other[key]) for key in ("box", "image_id")):
        _check_same_content(reference, other, name, first)
        return None
    pages, _ = pd.factorize(pd.concat([reference["image_id"], other["image_id"]], ignore_index=True))
    boxes = np.concatenate([reference["box"].to_numpy(np.int64), other["box"].to_numpy(np.int64)])
    keys = pages.astype(np.int64) * (int(boxes.max(initial=0)) + 1) + boxes
    order = None
    if len(other) != n or not np.array_equal(keys[:n], keys[n:]):
        extra = np.flatnonzero(~np.isin(keys[n:], keys[:n]))
        missing = np.flatnonzero(~np.isin(keys[:n], keys[n:]))
        if len(extra):
            raise InputError(f"{_where(name, other, extra[0])}: expected the boxes of {first}, got one more")
        if len(missing):
            raise InputError(f"{_where(name, reference, missing[0])}: expected a box as in {first}, got none")
        by_key = np.argsort(keys[n:], kind="stable")
        order = by_key[np.searchsorted(keys[n:], keys[:n], sorter=by_key)]
    _check_same_content(reference, other if order is None else other.iloc[order], name, first)
    return order


def check_detailed(detailed: Detailed, name: str) -> None:
    """Check the rules in the docstring of `Detailed`.

    Raises:
        InputError: naming the file, the page and the box.
    """
    boxes, classes, logits = detailed.boxes, detailed.classes, detailed.logits
    missing = [column for column in BOX_COLUMNS if column not in boxes.columns]
    if missing:
        raise InputError(f"{name}: expected the column {missing[0]}, got {', '.join(map(str, boxes.columns))}")
    if classes.ndim != 2 or classes.shape != logits.shape or len(classes) != len(boxes) or not classes.shape[1]:
        raise InputError(
            f"{name}: expected as many classes as logits, at least one a box, for {len(boxes)} boxes, "
            f"got {classes.shape} and {logits.shape}"
        )
    for start in range(0, len(boxes), _CHECKED):
        _check_classes(detailed, slice(start, start + _CHECKED), name)
    xywh = boxes[["x", "y", "w", "h"]].to_numpy(np.float64)
    rules = (
        (~np.isfinite(xywh).all(axis=1) | (xywh[:, 2:] < 0).any(axis=1), "finite corners and sizes >= 0, got another"),
        (boxes.duplicated(["image_id", "box"]).to_numpy(), "each box once, got it twice"),
        (~_known(boxes["image_id"], detailed.pages), "a page of the table's list, got another"),
        (~_known(boxes["true"], detailed.vocabulary.codes), "a true code of the vocabulary, got another"),
    )
    for broken, message in rules:
        if broken.any():
            raise InputError(f"{_where(name, boxes, int(np.argmax(broken)))}: expected {message}")
    if len(set(detailed.pages)) != len(detailed.pages):
        raise InputError(f"{name}: expected each page once in the list of pages, got one twice")


def _check_classes(detailed: Detailed, part: slice, name: str) -> None:
    """Check the classes and logits of some boxes."""
    classes, logits, size = detailed.classes[part], detailed.logits[part], len(detailed.vocabulary)
    # Short numbers are sorted several times as fast; those that do not fit are outside, which is looked at before.
    ordered = np.sort(classes.astype(np.int16 if size <= np.iinfo(np.int16).max else np.int32), axis=1)
    rules = (
        (~np.isfinite(logits), "finite logits, got NaN or infinity"),
        (logits[:, 1:] > logits[:, :-1], "descending logits, got another order"),
        ((classes < 0) | (classes >= size), f"classes from 0 to {size - 1}, got another"),
        (ordered[:, 1:] == ordered[:, :-1], "each class once, got one twice"),
    )
    for broken, message in rules:
        if broken.any():
            row = part.start + int(np.argmax(broken.any(axis=1)))
            raise InputError(f"{_where(name, detailed.boxes, row)}: expected {message}")


def _check_same_content(reference: pd.DataFrame, other: pd.DataFrame, name: str, first: str) -> None:
    ours, theirs = (table[["x", "y", "w", "h"]].to_numpy(np.float64) for table in (reference, other))
    moved = ~(np.abs(ours - theirs) <= _SAME_COORDINATE).all(axis=1)  # as NaN is
    if moved.any():
        row = int(np.argmax(moved))
        raise InputError(
            f"{_where(name, reference, row)}: expected x y w h as in {first} "
            f"{ours[row].tolist()}, got {theirs[row].tolist()}"
        )
    changed = np.asarray(reference["true"].array != other["true"].array, np.bool_)
    if changed.any():
        row = int(np.argmax(changed))
        raise InputError(
            f"{_where(name, reference, row)}: expected the truth {reference['true'].iloc[row]} as in {first}, "
            f"got {other['true'].iloc[row]}"
        )


def _known(values: "pd.Series[str]", admitted: Sequence[str]) -> NDArray[np.bool_]:
    return values.isin(pd.Index(admitted)).to_numpy(np.bool_)


def _where(name: str, boxes: pd.DataFrame, row: int) -> str:
    return f"{name}, page {shown(boxes['image_id'].iloc[row])}, box {boxes['box'].iloc[row]}"
