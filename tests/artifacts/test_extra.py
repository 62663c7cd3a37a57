"""Extra columns of the second level: both ways, and refused when they are damaged."""

import numpy as np
import pyarrow as pa
import pytest

from kuzushiji.artifacts.extra import KIND, Extra, read_extra, write_extra
from kuzushiji.artifacts.parquet import write_table
from kuzushiji.errors import InputError


def test_both_ways(tmp_path):
    extra = Extra({"a": np.array([1, np.nan], np.float32), "b": np.zeros(2, np.float32)}, "digest")
    write_extra(tmp_path / "e.parquet", extra)
    again = read_extra(tmp_path / "e.parquet")
    assert again.features == "digest"
    assert list(again.columns) == ["a", "b"]
    np.testing.assert_array_equal(again.columns["a"], extra.columns["a"])


# Columns, metadata, what the message says.
DAMAGED = [
    ({"a": pa.array([1, 2])}, {"features": "x"}, "expected float32 in the column a, got int64"),
    ({"a": pa.array([1, None], pa.float32())}, {"features": "x"}, "expected float32 in the column a"),
    ({"a": pa.array([1, np.inf], pa.float32())}, {"features": "x"}, "row 1: expected a number or NaN in the column a"),
    ({"a": pa.array([1.0], pa.float32())}, {}, "expected columns and the digest of their features"),
    ({}, {"features": "x"}, "expected columns and the digest of their features"),
]


@pytest.mark.parametrize(("columns", "meta", "message"), DAMAGED)
def test_damaged_files_are_refused(tmp_path, columns, meta, message):
    write_table(tmp_path / "e.parquet", pa.table(columns), KIND, meta, use_dictionary=[], split=[])
    with pytest.raises(InputError, match=message):
        read_extra(tmp_path / "e.parquet")


def test_other_names_than_parquet(tmp_path):
    with pytest.raises(InputError, match=r"expected a name that ends in \.parquet"):
        write_extra(tmp_path / "e.csv", Extra({}, "x"))
