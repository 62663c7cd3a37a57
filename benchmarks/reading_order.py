"""The share of characters whose successor in reading order is right, on twelve made layouts and on labelled pages.

    PYTHONPATH=. python benchmarks/reading_order.py [--labels TABLE.csv] [--codh COORDINATES.csv ...] [--output FILE]

The order is that of `predict`: of the text first, then of furigana, then of what stands at the edge. The made layouts
(`tests/made_layouts.py`) are drawn with `--seeds` seeds each. `--labels` is a table in the format of train.csv whose
boxes stand in reading order, `--codh` are tables in CODH's format; their order is that of `Block ID` and `Char ID`.
Boxes are shuffled first. Prints JSON: by layout and by book, characters with a successor and the share that is right.
"""

import argparse
import csv
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from measure import machine
from numpy.typing import NDArray

from kuzushiji.data.folds import book_id
from kuzushiji.data.labels import read_page_labels
from kuzushiji.layout import layout_of_page
from tests.made_layouts import LAYOUTS, successors_right

_MARGIN = 1.05
"""Width of a page by the right end of its boxes, where no picture gives it."""


def counts(boxes: NDArray[np.float64]) -> tuple[int, int]:
    """Return of how many characters, whose boxes (n, 4) stand in reading order, the successor is right, and of all."""
    shuffled = np.random.default_rng(0).permutation(len(boxes))
    width = round(_MARGIN * float((boxes[:, 0] + boxes[:, 2]).max(initial=1)))
    return successors_right(shuffled[layout_of_page(boxes[shuffled], width).order])


def share(pages: Iterable[NDArray[np.float64]]) -> dict[str, Any]:
    """Return the share of right successors of some pages, and the number of characters that have one."""
    right, total = np.array([counts(page) for page in pages]).reshape(-1, 2).sum(axis=0).tolist()
    return {"characters": total, "right": round(right / max(total, 1), 4)}


def codh_pages(path: Path) -> dict[str, NDArray[np.float64]]:
    """Return the boxes of each page of a table of CODH, in its order of characters."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = sorted(csv.DictReader(file), key=lambda row: (row["Image"], row["Block ID"], row["Char ID"]))
    pages: dict[str, list[list[float]]] = {}
    for row in rows:
        pages.setdefault(row["Image"], []).append([float(row[key]) for key in ("X", "Y", "Width", "Height")])
    return {name: np.array(page) for name, page in pages.items()}


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Return the shares."""
    made = {
        name: [layout(np.random.default_rng(seed)) for seed in range(args.seeds)] for name, layout in LAYOUTS.items()
    }
    sets: dict[str, dict[str, list[NDArray[np.float64]]]] = {"made": made}
    if args.labels is not None:
        of_books = sets.setdefault("labels", {})
        for name, rows in read_page_labels(args.labels).by_page():
            of_books.setdefault(book_id(name), []).append(rows[["x", "y", "w", "h"]].to_numpy(np.float64))
    for path in args.codh:
        for page in codh_pages(path).values():
            sets.setdefault("codh", {}).setdefault(path.name.removesuffix("_coordinate.csv"), []).append(page)
    return {
        name: {"together": share([page for pages in parts.values() for page in pages])}
        | {part: share(pages) for part, pages in parts.items()}
        for name, parts in sets.items()
    }


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, print and keep the shares."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--labels", type=Path, metavar="TABLE")
    parser.add_argument("--codh", type=Path, nargs="+", default=[], metavar="TABLE")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--output", type=Path)
    args = parser.parse_args(argv)
    text = json.dumps({"machine": machine(), "seeds": args.seeds, **measure(args)}, indent=1)
    print(text)
    if args.output is not None:
        args.output.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
