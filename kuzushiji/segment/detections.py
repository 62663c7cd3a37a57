"""Predicted boxes with their scores, page by page, and how they become label tables."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from detection.boxes import clip_xyxy, xywh_to_xyxy, xyxy_to_xywh
from detection.matching import match_boxes
from kuzushiji.data.labels import SEG_FP, PageLabels
from kuzushiji.errors import InputError
from kuzushiji.files import atomic_path

_FORMAT = "kuzushiji-detections-1"
_FACTS, _SUM = b"kuzushiji", b"kuzushiji-sha256"
_COLUMNS = ("image_id", "box", "x", "y", "w", "h", "score")


@dataclass(frozen=True, eq=False)
class Detections:
    """Boxes that a detector found.

    Attributes:
        image_ids: Every page that was looked at, those without boxes too; no page twice.
        page: (n,) position of each box's page in `image_ids`, ascending.
        boxes_xyxy: (n, 4) pixels of the original page, within the page; on each page by descending score.
        scores: (n,) 0 to 1.
    """

    image_ids: tuple[str, ...]
    page: NDArray[np.int64]
    boxes_xyxy: NDArray[np.float64]
    scores: NDArray[np.float64]

    @classmethod
    def from_pages(cls, pages: dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]) -> "Detections":
        """Join the boxes (n, 4) and scores (n,) of each page, in the order of the dictionary; n may be 0."""
        boxes = [boxes_xyxy for boxes_xyxy, _ in pages.values()]
        counts = np.array([len(of_page) for of_page in boxes], dtype=np.int64)
        return cls(
            image_ids=tuple(pages),
            page=np.repeat(np.arange(len(pages)), counts),
            boxes_xyxy=np.concatenate([np.zeros((0, 4)), *boxes]),
            scores=np.concatenate([np.zeros(0), *(scores for _, scores in pages.values())]),
        )

    def by_page(self) -> dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]:
        """Return the boxes (n, 4) and scores (n,) of each page: the inverse of `from_pages`."""
        ends = np.searchsorted(self.page, np.arange(1, len(self.image_ids)))
        parts = zip(self.image_ids, np.split(self.boxes_xyxy, ends), np.split(self.scores, ends), strict=True)
        return {image_id: (boxes, scores) for image_id, boxes, scores in parts} if self.image_ids else {}

    def to_labels(self, codes: str | NDArray[np.object_] = SEG_FP) -> PageLabels:
        """Return the boxes as a label table; `codes` is one for all or one for each box."""
        codes = np.full(len(self.page), codes, dtype=object) if isinstance(codes, str) else codes
        return PageLabels.from_arrays(self.image_ids, self.page, codes, xyxy_to_xywh(self.boxes_xyxy))


def label_with_truth(
    detections: Detections,
    truth: PageLabels,
    page_sizes: Mapping[str, tuple[int, int]],
    min_iou: float = 0.5,
) -> PageLabels:
    """Give each predicted box the code of the truth box with the highest IoU, `SEG_FP` where that is below `min_iou`.

    Args:
        detections: Predicted boxes.
        truth: Labels of these pages at least; boxes that reach over the page's edge are cut there.
        page_sizes: Width and height of each page, pixels.
        min_iou: Least IoU, 0 to 1; the reference's is 0.5.

    Returns:
        The predicted boxes; pages without any stay, empty.

    Raises:
        InputError: a page has no truth.
    """
    truth = truth.of_pages(detections.image_ids)
    codes = [np.zeros(0, dtype=object)]
    for (image_id, true), (boxes_xyxy, _) in zip(truth.by_page(), detections.by_page().values(), strict=True):
        true_xyxy = clip_xyxy(xywh_to_xyxy(true[["x", "y", "w", "h"]].to_numpy(np.float64)), *page_sizes[image_id])
        with_none = np.append(true["code"].to_numpy(dtype=object), SEG_FP)
        codes.append(with_none[match_boxes(boxes_xyxy, true_xyxy, min_iou)])
    return detections.to_labels(np.concatenate(codes))


def write_detections(path: Path, detections: Detections) -> None:
    """Write boxes and scores as Parquet: image_id, box, x, y, w, h, score; the pages are in the metadata."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = detections.to_labels().boxes.drop(columns="code").assign(score=detections.scores)
    sizes = {name: table[name].astype(np.float32) for name in ("x", "y", "w", "h", "score")}
    arrow = pa.Table.from_pandas(table.assign(**sizes)[list(_COLUMNS)], preserve_index=False)
    meta = json.dumps({"format": _FORMAT, "image_ids": list(detections.image_ids)}).encode()
    facts = {_FACTS: meta, _SUM: hashlib.sha256(meta).hexdigest()}
    with atomic_path(path) as temporary:
        pq.write_table(arrow.replace_schema_metadata(facts), temporary, write_page_checksum=True)


def read_detections(path: Path) -> Detections:
    """Read what `write_detections` wrote.

    Raises:
        InputError: the file is missing, damaged, or something else.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path, page_checksum_verification=True)
        facts = table.schema.metadata or {}
        content = facts.get(_FACTS, b"{}")
        meta, names = json.loads(content), set(table.column_names)
    except (OSError, ValueError, RuntimeError, pa.ArrowException) as error:
        reason = str(error).partition("\n")[0]
        raise InputError(f"{path}: expected a table of detections: {reason}") from error
    ours = isinstance(meta, dict) and meta.get("format") == _FORMAT and set(_COLUMNS) <= names
    if not ours or facts.get(_SUM, b"") not in (b"", hashlib.sha256(content).hexdigest().encode()):
        raise InputError(
            f"{path}: expected a table of detections ({_FORMAT}), got another Parquet table or a damaged one"
        )
    try:
        image_ids = tuple(map(str, meta["image_ids"]))
        boxes = {name: table[name].to_numpy() for name in _COLUMNS}
        page = pd.Index(np.array(image_ids, dtype=object)).get_indexer(pd.Index(boxes["image_id"]))
        boxes_xyxy = xywh_to_xyxy(np.column_stack([boxes[name] for name in "xywh"]).astype(np.float64))
        scores = boxes["score"].astype(np.float64)
    except (KeyError, TypeError, ValueError, pa.ArrowException) as error:
        raise InputError(f"{path}: expected a table of detections, got a damaged one: {error}") from error
    if (page < 0).any() or (np.diff(page) < 0).any():
        raise InputError(f"{path}: expected the boxes page by page, of the pages in its metadata")
    return Detections(image_ids, page.astype(np.int64), boxes_xyxy, scores)
