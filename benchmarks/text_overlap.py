"""How much of what test pages and held-out pages say stands on training pages too.

    PYTHONPATH=. python benchmarks/text_overlap.py ROOT... [--folds 3]

Reads train.csv and, where it is there, solution.csv of each data root, and prints JSON:

- of all sequences of eight characters on test pages, the share that stands on training pages too (`known`);
- the same of the pages of each fold, against those of the other folds;
- the number of pages of which more than half is known;
- the number of characters on test pages whose class is on no training page.

Pages are read in reading order and without voicing marks. A second level that knows the language of the training pages
gains from known sequences what it does not gain on a book that it has not seen.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kuzushiji.data.characters import code_to_char
from kuzushiji.data.folds import fold_of_pages
from kuzushiji.data.labels import PageLabels, read_page_labels
from kuzushiji.data.paths import DataRoot
from kuzushiji.demo.variants import PLAIN
from kuzushiji.reading_order import reading_order

GRAM = 8


def pieces_of(labels: PageLabels) -> list[list[str]]:
    """Return all pieces of `GRAM` characters of each page."""
    pages = []
    for _, rows in labels.by_page():
        order = reading_order(rows[["x", "y", "w", "h"]].to_numpy()).order
        written = [code_to_char(code) for code in rows["code"].iloc[order]]
        text = "".join(PLAIN.get(character, character) for character in written)
        pages.append([text[at : at + GRAM] for at in range(len(text) - GRAM + 1)])
    return pages


def overlap(pages: Sequence[Sequence[str]], others: Sequence[Sequence[str]]) -> dict[str, Any]:
    """Return how many of the pieces of some pages are on others."""
    known = {piece for page in others for piece in page}
    hits = [sum(piece in known for piece in page) for page in pages]
    return {
        "pages": len(pages),
        "pieces": sum(map(len, pages)),
        "known": round(sum(hits) / max(sum(map(len, pages)), 1), 5),
        "pages_known_by_half": sum(2 * hit > len(page) for hit, page in zip(hits, pages, strict=True)),
    }


def measure(root: DataRoot, n_folds: int) -> dict[str, Any]:
    """Return what pages of a data root have in common."""
    train = read_page_labels(root.train_csv)
    pages = pieces_of(train)
    folds = fold_of_pages(train.image_ids, n_folds)
    sides = {
        fold: [[page for page, own in zip(pages, folds, strict=True) if (own == fold) == inside] for inside in (1, 0)]
        for fold in range(n_folds)
    }
    result: dict[str, Any] = {"held-out": {str(fold): overlap(*both) for fold, both in sides.items()}}
    if root.solution_csv.exists():
        test = read_page_labels(root.solution_csv)
        unknown = ~test.boxes["code"].isin(set(train.boxes["code"]))
        result["test"] = overlap(pieces_of(test), pages)
        result["test characters"] = {
            "all": len(unknown), "of classes that no training page has": int(unknown.sum()),
            "such classes": int(test.boxes["code"][unknown].nunique()),
        }  # fmt: skip
    return result


def main(argv: Sequence[str] | None = None) -> None:
    """Measure the data roots."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("roots", nargs="+", type=Path, metavar="ROOT")
    parser.add_argument("--folds", type=int, default=3)
    args = parser.parse_args(argv)
    print(json.dumps({root.name: measure(DataRoot(root), args.folds) for root in args.roots}, indent=1))


if __name__ == "__main__":
    main()
