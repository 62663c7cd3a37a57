"""The candidates of every box, and what each group of models thinks of them: features of the second level."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from detection.boxes import xywh_to_xyxy
from detection.overlap import largest_share
from kuzushiji.artifacts import Detailed, rows_in_order_of
from kuzushiji.artifacts.features import Features
from kuzushiji.classify.parallel import in_chunks
from kuzushiji.data.labels import rows_by_page
from kuzushiji.errors import InputError

_CHUNK = 1024
"""Boxes looked at together: what is in between fits a core's cache."""


def build_features(
    blends: Sequence[Detailed], names: Sequence[Sequence[str]], sources: dict[str, str], top_k: int
) -> Features:
    """Return the features of boxes that several groups of models have looked at.

    Candidates of a box are the `top_k` best classes of each group, and `seg_fp`.

    Args:
        blends: The blend of each group's tables, at least one; with all the classes that the tables have.
        names: The tables of each group, for messages and for the record.
        sources: SHA-256 of each table.
        top_k: Best classes of each group.

    Raises:
        InputError: fewer classes than `top_k`, different vocabularies, boxes that do not match.
    """
    first, first_name = blends[0], ", ".join(names[0])
    classes, logits = [], []
    for blend, group in zip(blends, names, strict=True):
        name = ", ".join(group)
        first.vocabulary.check_same(blend.vocabulary, name, first_name)
        if blend.classes.shape[1] < top_k:
            raise InputError(f"{name}: expected at least {top_k} classes a box, got {blend.classes.shape[1]}")
        order = rows_in_order_of(first.boxes, blend.boxes, name, first_name)
        classes.append(blend.classes if order is None else blend.classes[order])
        logits.append(blend.logits if order is None else blend.logits[order])
    top_classes = np.stack([table[:, :top_k] for table in classes], axis=1)
    offsets, candidates = candidates_of(top_classes, first.vocabulary.seg_fp)
    return Features(
        boxes=first.boxes,
        overlap=largest_overlap(first.boxes),
        top_classes=top_classes,
        top_logits=np.stack([table[:, :top_k] for table in logits], axis=1),
        log_sum=np.stack([_log_sum(table) for table in logits], axis=1),
        offsets=offsets,
        candidates=candidates,
        candidate_logits=_look_up(offsets, candidates, classes, logits),
        vocabulary=first.vocabulary,
        pages=tuple(dict.fromkeys(page for blend in blends for page in blend.pages)),
        groups=tuple(tuple(group) for group in names),
        sources=sources,
    )


def candidates_of(top_classes: NDArray[np.int32], seg_fp: int) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Return each box's distinct classes and `seg_fp`, ascending.

    Args:
        top_classes: (n, g, k) class numbers; `seg_fp` is the largest.
        seg_fp: Number of the class that every box has as a candidate.

    Returns:
        (n + 1,) where each box's candidates begin, and the candidates of all boxes.
    """
    n = len(top_classes)
    every = np.concatenate(
        [top_classes.reshape(n, np.prod(top_classes.shape[1:])), np.full((n, 1), seg_fp, top_classes.dtype)], axis=1
    )
    every.sort(axis=1)
    first = np.ones(every.shape, np.bool_)
    np.not_equal(every[:, 1:], every[:, :-1], out=first[:, 1:])
    offsets = np.zeros(n + 1, np.int64)
    np.cumsum(first.sum(axis=1), out=offsets[1:])
    return offsets, every[first].astype(np.int32)


def largest_overlap(boxes: pd.DataFrame) -> NDArray[np.float32]:
    """Return for each box (n,) its largest intersection with another box of its page, as a share of that other box.

    0 for the only box of a page; edges are real numbers, boxes that only touch do not overlap.
    """
    page, image_ids = pd.factorize(boxes["image_id"])
    boxes_xyxy = xywh_to_xyxy(boxes[["x", "y", "w", "h"]].to_numpy(np.float64))
    overlap = np.zeros(len(boxes), np.float32)
    for rows in rows_by_page(page, len(image_ids)):
        overlap[rows] = largest_share(boxes_xyxy[rows])
    return overlap


def _log_sum(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return log of the sum of exp of each row of (n, k), descending."""
    result = np.empty(len(logits), np.float32)

    def add_up(rows: slice) -> None:
        part = logits[rows]
        result[rows] = np.log(np.exp(part - part[:, :1]).sum(axis=1)) + part[:, 0]

    in_chunks(len(logits), _CHUNK, add_up)
    return result


def _look_up(
    offsets: NDArray[np.int64],
    candidates: NDArray[np.int32],
    classes: Sequence[NDArray[np.int32]],
    logits: Sequence[NDArray[np.float32]],
) -> NDArray[np.float32]:
    """Return the logit (m, g) of each candidate in each of g tables (n, k); NaN where a table lacks it."""
    found = np.full((len(candidates), len(classes)), np.nan, np.float32)
    largest = max(int(table.max(initial=0)) for table in (candidates, *classes))
    short = np.int16 if largest <= np.iinfo(np.int16).max else np.int32  # half as much to compare

    def look_up_rows(rows: slice) -> None:
        start, stop = offsets[rows.start], offsets[rows.stop]
        box = np.repeat(np.arange(rows.stop - rows.start), np.diff(offsets[rows.start : rows.stop + 1]))
        of = candidates[start:stop, None].astype(short)
        for g, (names, values) in enumerate(zip(classes, logits, strict=True)):
            same = names[rows].astype(short)[box] == of
            there, place = np.divmod(np.flatnonzero(same), same.shape[1])  # at most one in a row
            found[start + there, g] = values[rows][box[there], place]

    in_chunks(len(offsets) - 1, _CHUNK, look_up_rows)
    return found
