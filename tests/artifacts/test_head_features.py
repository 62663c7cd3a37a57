"""Head features: both ways in float16, and refused when they are damaged."""

import numpy as np
import pandas as pd
import pytest

from kuzushiji.artifacts import write_detailed
from kuzushiji.artifacts.head_features import HeadFeatures, read_head_features, write_head_features
from kuzushiji.errors import InputError
from tests.tables import random_detailed


@pytest.mark.parametrize("n", [None, 0])
def test_both_ways(tmp_path, n):
    rng = np.random.default_rng(0)
    table = random_detailed(rng)
    boxes = table.boxes[:n] if n is not None else table.boxes
    features = HeadFeatures(boxes, rng.normal(size=(len(boxes), 7)).astype(np.float16), table.vocabulary)
    write_head_features(tmp_path / "h.parquet", features)
    again = read_head_features(tmp_path / "h.parquet")
    assert again.vectors.dtype == np.float16
    np.testing.assert_array_equal(again.vectors, features.vectors)
    pd.testing.assert_frame_equal(again.boxes, boxes, check_dtype=False)
    assert again.vocabulary == table.vocabulary


def test_damaged_files_are_refused(tmp_path):
    table = random_detailed(np.random.default_rng(0))
    write_detailed(tmp_path / "d.parquet", table)
    with pytest.raises(InputError, match="expected a table of kind head_features"):
        read_head_features(tmp_path / "d.parquet")
    vectors = np.full((len(table), 3), np.inf, np.float16)
    write_head_features(tmp_path / "h.parquet", HeadFeatures(table.boxes, vectors, table.vocabulary))
    with pytest.raises(InputError, match="expected finite features, got another"):
        read_head_features(tmp_path / "h.parquet")
