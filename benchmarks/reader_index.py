"""Says of exported models what they are made from, what they were trained on and how well they read.

    python benchmarks/reader_index.py MODELS SENTENCE MEASURED.json ...

MODELS is the exported folder, `books` or `reader`: terms and sources are written into it, and its entry into
`index.json` beside it, as `kuzushiji/weights` has it. `reader_pages.py --json` wrote the measured files, on pages that
training has not seen. They may be of several runs, one a fold.
"""

import argparse
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

from benchmarks.reader_pages import measures
from kuzushiji.bundle.model_files import digest_of, find_models
from kuzushiji.files import atomic_write_json, atomic_write_text, read_json
from kuzushiji.named_models import BOOKS, FORMAT, INDEX
from kuzushiji.run_folder import BUNDLE_FILE, LANGUAGE

LICENCE = "CC BY-SA 4.0"
DATASET = """Kuzushiji Dataset (日本古典籍くずし字データセット; National Institute of Japanese Literature and
others, curated by ROIS-DS Center for Open Data in the Humanities, doi:10.20676/00000340, CC BY-SA 4.0)"""
PAGES = f"""They are computed from pages and boxes of the
{DATASET},
and from machine-written books with glyphs of these fonts:"""
LAYOUTS = f"""They are computed from machine-written books. The layouts of these are those of pages of the
{DATASET}.
The glyphs are those of these fonts:"""
TERMS = """These weights are under CC BY-SA 4.0 (https://creativecommons.org/licenses/by-sa/4.0/).

{source}
Kouzan Mouhitsu (Sousyo, Gyosho, Mouhitsu), Aoyagi Kouzan, Aoyagi Soseki (free fonts), Yuji Hentaigana Akari and
Akebono, Yuji Boku, Yuji Mai, Liu Jian Mao Cao, Zhi Mang Xing (SIL Open Font License 1.1). The backbones that training
started from are drawn from KanjiVG's strokes (CC BY-SA 3.0). No page, text or font is part of the weights.
"""
COUNTS = """
language.safetensors has counts of characters, and of pairs of neighbours that occur at least twice, in the Tale of
Genji, in transcriptions of Edo-period titles by minna de honkoku, and in labels of that dataset. No sentence is in it.
"""


def main() -> None:
    """Write the entry of the models."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=Path)
    parser.add_argument("sentence")
    parser.add_argument("measured", type=Path, nargs="+")
    options = parser.parse_args()
    describe(options.models)
    rows = [row for path in options.measured for row in json.loads(path.read_text(encoding="utf-8"))]
    index = options.models.parent / INDEX
    content = read_json(index) if index.is_file() else {"format": FORMAT, "readers": {}}
    content["readers"][options.models.name] = entry(options.models, options.sentence, rows)
    atomic_write_json(index, content)


def describe(models: Path) -> None:
    """Write terms and source beside exported weights; F1 on machine-written pages goes."""
    path = models / BUNDLE_FILE
    content = read_json(path)
    for item in (*content["detectors"], *content["classifiers"]):
        item["f1"] = None
        item["opt_level"] = "O0"  # whatever it was trained in: what is quick here may be slow elsewhere
        content["licences"][item["name"]] = LICENCE
    by_machine = models.name == BOOKS
    if by_machine:
        content["machine_written"] = True  # predict warns on real pages then
    atomic_write_json(path, {**content, "licence": LICENCE})
    terms = TERMS.format(source=LAYOUTS if by_machine else PAGES) + (COUNTS if (models / LANGUAGE).exists() else "")
    atomic_write_text(models / "LICENCE.txt", terms)


def entry(models: Path, sentence: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the entry of models, from what counts for each page that they read."""
    books: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        books[row["book"]].append(row)
    found = {book: measures(books[book]) for book in sorted(books)}
    return {
        "trained_on": sentence,
        "licence": LICENCE,
        "f1": {book: round(each["f1"], 3) for book, each in found.items() if each["characters"]},
        "cer": {book: round(each["cer"], 3) for book, each in found.items()},
        "digest": digest_of(find_models(models).paths()),
    }


if __name__ == "__main__":
    main()
