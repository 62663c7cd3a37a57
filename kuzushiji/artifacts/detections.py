"""Predicted boxes with their scores, page by page: `detections.parquet`."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from detection.boxes import xywh_to_xyxy, xyxy_to_xywh
from kuzushiji.data.labels import SEG_FP, PageLabels
from kuzushiji.errors import InputError
from kuzushiji.files import atomic_path

_FORMAT = "kuzushiji-detections-1"
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


def write_detections(path: Path, detections: Detections) -> None:
    """Write boxes and scores as Parquet: image_id, box, x, y, w, h, score; the pages are in the metadata."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from kuzushiji.artifacts.parquet import METADATA

    table = detections.to_labels().boxes.drop(columns="code").assign(score=detections.scores)
    sizes = {name: table[name].astype(np.float32) for name in ("x", "y", "w", "h", "score")}
    arrow = pa.Table.from_pandas(table.assign(**sizes)[list(_COLUMNS)], preserve_index=False)
    facts = json.dumps({"format": _FORMAT, "image_ids": list(detections.image_ids)})
    with atomic_path(path) as temporary:
        pq.write_table(arrow.replace_schema_metadata({METADATA: facts}), temporary, write_page_checksum=True)


def read_detections(path: Path) -> Detections:
    """Read what `write_detections` wrote.

    Raises:
        InputError: the file is missing, damaged, or something else.
    """
    from kuzushiji.artifacts.parquet import UNREADABLE, read_any

    table, meta = read_any(path)
    if meta.get("format") != _FORMAT or not set(_COLUMNS) <= set(table.column_names):
        got = "another Parquet table or a damaged one"
        raise InputError(f"{path}: expected a table of detections ({_FORMAT}), got {got}")
    try:
        image_ids = tuple(map(str, meta["image_ids"]))
        boxes = {name: table[name].to_numpy() for name in _COLUMNS}
        page = pd.Index(np.array(image_ids, dtype=object)).get_indexer(pd.Index(boxes["image_id"]))
        boxes_xyxy = xywh_to_xyxy(np.column_stack([boxes[name] for name in "xywh"]).astype(np.float64))
        scores = boxes["score"].astype(np.float64)
    except (KeyError, TypeError, *UNREADABLE) as error:
        raise InputError(f"{path}: expected a table of detections, got a damaged one: {error}") from error
    if (page < 0).any() or (np.diff(page) < 0).any():
        raise InputError(f"{path}: expected the boxes page by page, of the pages in its metadata")
    return Detections(image_ids, page.astype(np.int64), boxes_xyxy, scores)
