"""Says of packaged models what they were trained on and how well they read, in the package's index of models.

    python benchmarks/reader_index.py MODELS SENTENCE MEASURED.json ...

MODELS is the folder in `kuzushiji/weights`; `reader_pages.py --json` wrote the measured files, on pages that training
has not seen. They may be of several runs, one a fold.
"""

import argparse
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

from benchmarks.reader_pages import measures
from kuzushiji.bundle.files import digest_of, find_models
from kuzushiji.files import atomic_write_json, read_json
from kuzushiji.named_models import FORMAT, INDEX


def main() -> None:
    """Write the entry of the models."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=Path)
    parser.add_argument("sentence")
    parser.add_argument("measured", type=Path, nargs="+")
    options = parser.parse_args()
    rows = [row for path in options.measured for row in json.loads(path.read_text(encoding="utf-8"))]
    index = options.models.parent / INDEX
    content = read_json(index) if index.is_file() else {"format": FORMAT, "readers": {}}
    content["readers"][options.models.name] = entry(options.models, options.sentence, rows)
    atomic_write_json(index, content)


def entry(models: Path, sentence: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the entry of models, from what counts for each page that they read."""
    books: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        books[row["book"]].append(row)
    found = {book: measures(books[book]) for book in sorted(books)}
    return {
        "trained_on": sentence,
        "licence": read_json(models / "bundle.json")["licence"],
        "f1": {book: round(each["f1"], 3) for book, each in found.items() if each["characters"]},
        "cer": {book: round(each["cer"], 3) for book, each in found.items()},
        "digest": digest_of(find_models(models).paths()),
    }


if __name__ == "__main__":
    main()
