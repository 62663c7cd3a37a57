"""Tables of labels, both ways: a row a page in the files, a row a box or point in memory."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kuzushiji.data import label_text
from kuzushiji.errors import InputError

SEG_FP = label_text.SEG_FP
"""The class of a predicted box that covers no character: a false positive of segmentation."""

BOX_COLUMNS = ("image_id", "box", "code", "x", "y", "w", "h")
POINT_COLUMNS = ("image_id", "code", "x", "y")


class _Pages:
    """What label tables of both kinds share: a tuple of pages, and rows that belong to them."""

    image_ids: tuple[str, ...]

    @property
    def rows(self) -> pd.DataFrame:
        """The boxes or points."""
        raise NotImplementedError

    @cached_property
    def page(self) -> NDArray[np.int64]:
        """(n,) position of each row's page in `image_ids`."""
        return page_numbers(self.rows["image_id"], self.image_ids)

    def rows_by_page(self) -> list[NDArray[np.int64]]:
        """Return the positions of each page's rows, in the order of `image_ids`; empty where it has none."""
        return rows_by_page(self.page, len(self.image_ids))

    def _of_pages(self, image_ids: Iterable[str]) -> tuple[tuple[str, ...], pd.DataFrame]:
        """Return these pages and their rows, in the order given; errors as of `PageLabels.of_pages`."""
        chosen, known = tuple(image_ids), set(self.image_ids)
        _check_once(chosen)
        unknown = next((image_id for image_id in chosen if image_id not in known), None)
        if unknown is not None:
            raise InputError(f"expected pages of the table, which has {len(known)}, got {unknown}")
        position = page_numbers(self.rows["image_id"], chosen)
        order = np.argsort(position, kind="stable")
        return chosen, self.rows.iloc[order[position[order] >= 0]].reset_index(drop=True)

    def _check(self, columns: tuple[str, ...]) -> None:
        missing = [name for name in columns if name not in self.rows.columns]
        if missing:
            raise ValueError(f"expected the columns {', '.join(columns)}, got none named {', '.join(missing)}")
        _check_once(self.image_ids)
        strange = self.page < 0
        if strange.any():
            page = self.rows["image_id"].iloc[int(strange.argmax())]
            raise InputError(f"expected rows of the table's {len(self.image_ids)} pages, got one of page {page}")


@dataclass(frozen=True, eq=False)
class PageLabels(_Pages):
    """Boxes with their codes, page by page: `train.csv`, `clf_gt.csv`, `test_predictions.csv`, `solution.csv`.

    Attributes:
        image_ids: Every page of the table in its order, pages without text too; no page twice.
        boxes: One row a box: image_id (str), box (int32, number within its page from 0), code (str),
            x y w h (float64, pixels of the original page, x y the top left corner).
    """

    image_ids: tuple[str, ...]
    boxes: pd.DataFrame

    def __post_init__(self) -> None:
        self._check(BOX_COLUMNS)

    @classmethod
    def from_arrays(
        cls,
        image_ids: Sequence[str],
        page: NDArray[np.integer],
        codes: "Sequence[str] | NDArray[np.object_] | pd.Series[str]",
        boxes_xywh: NDArray[np.floating],
    ) -> "PageLabels":
        """Build the table from arrays, one entry a box; boxes are numbered within their page in the order given.

        Args:
            image_ids: All pages.
            page: (n,) position of each box's page in `image_ids`.
            codes: (n,) codes.
            boxes_xywh: (n, 4) boxes, pixels.
        """
        boxes_xywh = np.asarray(boxes_xywh, dtype=np.float64).reshape(-1, 4)
        boxes = _rows(image_ids, page, codes, boxes_xywh, "xywh")
        boxes.insert(1, "box", number_within_page(np.asarray(page, dtype=np.int64)))
        return cls(tuple(image_ids), boxes)

    @property
    def rows(self) -> pd.DataFrame:
        """The boxes."""
        return self.boxes

    @property
    def boxes_xywh(self) -> NDArray[np.float64]:
        """(n, 4) boxes, pixels."""
        return np.asarray(self.boxes[["x", "y", "w", "h"]], dtype=np.float64)

    def of_pages(self, image_ids: Iterable[str]) -> "PageLabels":
        """Return the table of these pages, in the order given.

        Raises:
            InputError: a page is not in the table, or is named twice.
        """
        return PageLabels(*self._of_pages(image_ids))

    def by_page(self) -> Iterator[tuple[str, pd.DataFrame]]:
        """Yield each page with its boxes, in the table's order; a page without text has an empty table."""
        return zip(self.image_ids, (self.boxes.iloc[rows] for rows in self.rows_by_page()), strict=True)


@dataclass(frozen=True, eq=False)
class PagePoints(_Pages):
    """A submission: points with their codes.

    Attributes:
        image_ids: Every page of the table in its order, empty ones too; no page twice.
        points: One row a point: image_id (str), code (str), x y (float64, pixels of the original page).
    """

    image_ids: tuple[str, ...]
    points: pd.DataFrame

    def __post_init__(self) -> None:
        self._check(POINT_COLUMNS)

    @classmethod
    def from_arrays(
        cls,
        image_ids: Sequence[str],
        page: NDArray[np.integer],
        codes: "Sequence[str] | NDArray[np.object_] | pd.Series[str]",
        points_xy: NDArray[np.floating],
    ) -> "PagePoints":
        """Build the table from arrays, one entry a point; arguments as of `PageLabels.from_arrays`."""
        points_xy = np.asarray(points_xy, dtype=np.float64).reshape(-1, 2)
        return cls(tuple(image_ids), _rows(image_ids, page, codes, points_xy, "xy"))

    @property
    def rows(self) -> pd.DataFrame:
        """The points."""
        return self.points

    def of_pages(self, image_ids: Iterable[str]) -> "PagePoints":
        """Return the table of these pages; as `PageLabels.of_pages`."""
        return PagePoints(*self._of_pages(image_ids))


def read_page_labels(path: Path) -> PageLabels:
    """Read a table of boxes (`image_id,labels`; labels is `U+XXXX x y w h` repeated); `.gz` is unpacked.

    A page without text has empty labels. Boxes that reach over the page's edge and boxes of no area are kept: the
    file does not know the page.

    Raises:
        InputError: the file is missing or no such table; a field is no finite number; a size is negative; a page
            comes twice. The message names file, page and row.
    """
    image_ids, texts = label_text.read_label_rows(path)
    place = partial(label_text.place_of, path, image_ids)
    page, codes, numbers = label_text.parse_pages(texts, label_text.BOX_FIELDS, place)
    negative = (numbers[:, 2:] < 0).any(axis=1)
    if negative.any():
        row = int(negative.argmax())
        width, height = numbers[row, 2:]
        raise InputError(f"{place(page[row])}: expected a width and height of at least 0, got {width:g} and {height:g}")
    return PageLabels.from_arrays(image_ids, page, codes, numbers)


def read_page_points(path: Path) -> PagePoints:
    """Read a submission (`image_id,labels`; labels is `U+XXXX X Y` repeated); `.gz` is unpacked.

    Raises:
        InputError: as `read_page_labels`.
    """
    image_ids, texts = label_text.read_label_rows(path)
    place = partial(label_text.place_of, path, image_ids)
    page, codes, numbers = label_text.parse_pages(texts, label_text.POINT_FIELDS, place)
    return PagePoints.from_arrays(image_ids, page, codes, numbers)


def write_page_labels(path: Path, labels: PageLabels) -> None:
    """Write boxes as `read_page_labels` reads them, whole or not at all.

    Edges are rounded to whole pixels; width and height stay at least 1.
    """
    items = label_text.format_items(labels.boxes["code"], whole_pixels(labels.boxes_xywh).T.tolist())
    label_text.write_label_rows(path, labels.image_ids, labels.page, items)


def write_page_points(path: Path, points: PagePoints) -> None:
    """Write a submission as `read_page_points` reads it, whole or not at all; points are rounded to 0.1 pixel."""
    numbers = [[f"{value:.10g}" for value in points.points[name].round(1).to_list()] for name in ("x", "y")]
    items = label_text.format_items(points.points["code"], numbers)
    label_text.write_label_rows(path, points.image_ids, points.page, items)


def parse_labels(text: str, where: str) -> tuple[NDArray[np.object_], NDArray[np.float64]]:
    """Return the codes (n,) and boxes (n, 4; x y w h) of one page's label string; none for an empty one.

    Raises:
        InputError: it is not groups of "U+XXXX x y w h"; starts with `where`.
    """
    _, codes, boxes_xywh = label_text.parse_pages([text], label_text.BOX_FIELDS, lambda _: where)
    return codes.to_numpy(object), boxes_xywh


def whole_pixels(boxes_xywh: NDArray[np.floating]) -> NDArray[np.int64]:
    """Round the edges of boxes (n, 4; x y w h) to whole pixels; width and height come out at least 1."""
    start = np.rint(boxes_xywh[:, :2])
    size = np.maximum(np.rint(boxes_xywh[:, :2] + boxes_xywh[:, 2:]) - start, 1)
    return np.concatenate([start, size], axis=1).astype(np.int64)


def page_numbers(image_id_of_row: pd.Series, image_ids: Sequence[str]) -> NDArray[np.int64]:
    """Return the position in `image_ids` of each row's page, -1 where it is not among them."""
    numbers, distinct = pd.factorize(image_id_of_row)
    pages = pd.Index(np.asarray(image_ids, dtype=object))
    known = np.asarray(pages.get_indexer(pd.Index(np.asarray(distinct, dtype=object))), dtype=np.int64)
    return np.append(known, -1)[numbers]  # factorize gives -1 where there is no page at all


def rows_by_page(page: NDArray[np.integer], n_pages: int) -> list[NDArray[np.int64]]:
    """Return the positions of each page's rows in the order in which they come, for pages (n,) numbered from 0."""
    ends = np.cumsum(np.bincount(page, minlength=n_pages))
    return np.split(np.argsort(page, kind="stable"), ends)[:-1]  # nothing is left after the last page


def number_within_page(page: NDArray[np.int64]) -> NDArray[np.int32]:
    """Return for each row how many rows before it have the same page."""
    return np.asarray(pd.Series(page).groupby(page).cumcount(), dtype=np.int32)


def _rows(
    image_ids: Sequence[str],
    page: NDArray[np.integer],
    codes: "Sequence[str] | NDArray[np.object_] | pd.Series[str]",
    numbers: NDArray[np.float64],
    names: str,
) -> pd.DataFrame:
    columns = {
        "image_id": label_text.text_column(image_ids, page),
        "code": pd.Series(codes, dtype=None if len(codes) else object).astype(str).reset_index(drop=True),
        **{name: numbers[:, i] for i, name in enumerate(names)},
    }
    rows: pd.DataFrame = pd.DataFrame(columns)
    return rows


def _check_once(image_ids: Sequence[str]) -> None:
    if len(set(image_ids)) != len(image_ids):
        doubled = pd.Index(image_ids)[pd.Index(image_ids).duplicated()][0]
        raise InputError(f"expected each page once, page {doubled} comes twice")
