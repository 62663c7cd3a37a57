"""Detailed tables as Parquet: list columns of classes and logits, vocabulary and pages in the file's metadata."""

from pathlib import Path

import numpy as np
import pyarrow as pa

from kuzushiji.artifacts.box_table import BOX_COLUMNS, TEXT_COLUMNS, boxes_of, to_arrow
from kuzushiji.artifacts.detailed import Detailed
from kuzushiji.artifacts.parquet import FORMAT, lists, read_wide_table, write_table
from kuzushiji.data.vocabulary import Vocabulary
from kuzushiji.errors import InputError
from kuzushiji.files import atomic_path

_KIND = "detailed"
_LISTS = {"classes": np.int32, "logits": np.float32}


def write_parquet(path: Path, detailed: Detailed) -> None:
    """Write a checked table; 136,000 boxes with 50 classes take about 25 MB."""
    small = len(detailed.vocabulary) <= np.iinfo(np.int16).max
    columns = to_arrow(detailed.boxes.astype({"box": np.int32, **dict.fromkeys("xywh", np.float64)}))
    columns |= {name: columns[name].dictionary_encode() for name in TEXT_COLUMNS}
    n, k = detailed.classes.shape
    offsets = np.arange(n + 1, dtype=np.int64) * k
    columns["classes"] = lists(detailed.classes.astype(np.int16 if small else np.int32), offsets)
    columns["logits"] = lists(detailed.logits.astype(np.float32, copy=False), offsets)
    meta = {
        "n_best": k,
        "vocabulary": list(detailed.vocabulary.codes),
        "pages": list(detailed.pages),
    }
    with atomic_path(path) as temporary:
        write_table(
            temporary, pa.table(columns), _KIND, meta, use_dictionary=list(TEXT_COLUMNS), split=["logits.list.element"]
        )


def read_parquet(path: Path) -> Detailed:
    """Read a table written by `write_parquet`, not yet checked row by row.

    Raises:
        InputError: not Parquet, not a detailed table, or columns of other types.
    """
    try:
        table, best, meta = read_wide_table(path, _KIND, (*BOX_COLUMNS, *_LISTS), _LISTS, "n_best")
        vocabulary = Vocabulary.from_codes(meta["vocabulary"])
        return Detailed(boxes_of(table), best["classes"], best["logits"], vocabulary, tuple(map(str, meta["pages"])))
    except InputError:
        raise
    except (KeyError, TypeError, ValueError, pa.ArrowException) as error:
        raise InputError(f"{path}: expected a detailed table of format {FORMAT}, got a damaged one: {error}") from error
