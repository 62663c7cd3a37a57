"""The input of a classifier's last layer for every box, in float16: the features for nearest neighbours."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kuzushiji.artifacts.box_table import TEXT_COLUMNS, boxes_of, to_arrow
from kuzushiji.data.label_text import shown
from kuzushiji.data.vocabulary import Vocabulary
from kuzushiji.errors import InputError
from kuzushiji.files import atomic_path

KIND = "head_features"


@dataclass(frozen=True)
class HeadFeatures:
    """Features of n boxes, d numbers each.

    Attributes:
        boxes: One row a box, columns `BOX_COLUMNS`, as in a detailed table.
        vectors: (n, d) float16, finite.
        vocabulary: Of the model's classes.
    """

    boxes: pd.DataFrame
    vectors: NDArray[np.float16]
    vocabulary: Vocabulary

    def __len__(self) -> int:
        return len(self.boxes)


def write_head_features(path: Path, features: HeadFeatures) -> None:
    """Write the features as Parquet, whole or not at all.

    Raises:
        InputError: the folder cannot be written to.
    """
    import pyarrow as pa

    from kuzushiji.artifacts.parquet import write_table

    n, d = features.vectors.shape
    columns = to_arrow(features.boxes)
    raw = pa.py_buffer(np.ascontiguousarray(features.vectors))
    columns["vectors"] = pa.Array.from_buffers(pa.binary(2 * d), n, [None, raw])
    meta = {"d": d, "vocabulary": list(features.vocabulary.codes)}
    with atomic_path(path) as temporary:
        write_table(temporary, pa.table(columns), KIND, meta, use_dictionary=list(TEXT_COLUMNS), split=[])


def read_head_features(path: Path) -> HeadFeatures:
    """Read what `write_head_features` wrote.

    Raises:
        InputError: no such file, another kind of table, or numbers that are not finite.
    """
    from kuzushiji.artifacts.parquet import read_table

    table, meta = read_table(path, KIND)
    try:
        boxes = boxes_of(table)
        d, column = int(meta["d"]), table["vectors"].combine_chunks()
        if column.type.byte_width != 2 * d:
            raise ValueError(f"{column.type.byte_width} bytes a box instead of {2 * d}")
        start = 2 * d * column.offset
        raw = np.frombuffer(column.buffers()[1] or b"", np.float16, offset=start, count=len(column) * d)
        features = HeadFeatures(boxes, raw.reshape(len(boxes), d), Vocabulary.from_codes(meta["vocabulary"]))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{path}: expected a table of {KIND}, got a damaged one: {error}") from error
    wrong = ~np.isfinite(features.vectors).all(axis=1)
    if wrong.any():
        row = boxes.iloc[int(np.argmax(wrong))]
        where = f"{path}, page {shown(row['image_id'])}, box {row['box']}"
        raise InputError(f"{where}: expected finite features, got another")
    return features
