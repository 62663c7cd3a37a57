"""Characters with probabilities: seg_fp is none, pages without characters stay."""

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from kuzushiji.artifacts import PredictedCharacters, characters_path, read_characters, write_characters
from kuzushiji.data.labels import PageLabels
from kuzushiji.errors import InputError


@pytest.fixture
def characters():
    boxes = np.array([[0, 0, 4, 4], [0, 9, 4, 4], [5, 0, 4, 4]], float)
    labels = PageLabels.from_arrays(["p_1"], np.zeros(3, int), np.array(["A", "seg_fp", "B"], object), boxes)
    return PredictedCharacters.from_labels(("p_1", "p_2"), labels, np.array([0.5, 0.9, 1.0]))


def test_both_ways(tmp_path, characters):
    write_characters(tmp_path / "a.parquet", characters)
    found = read_characters(tmp_path / "a.parquet")
    assert found.pages == ("p_1", "p_2")
    assert found.rows["code"].tolist() == ["A", "B"]
    assert found.rows["box"].tolist() == [0, 2]
    pd.testing.assert_frame_equal(found.rows, characters.rows, check_dtype=False)


def test_probability_out_of_range(tmp_path, characters):
    characters.rows["probability"] = [0.5, 1.5]
    write_characters(tmp_path / "a.parquet", characters)
    with pytest.raises(InputError, match=r"page p_1, box 2: expected a probability from 0 to 1, got 1\.5"):
        read_characters(tmp_path / "a.parquet")


def test_names_of_pages_in_messages_stand_on_one_line(tmp_path, characters):
    characters.rows["image_id"], characters.rows["probability"] = "p\n1", 1.5
    write_characters(tmp_path / "a.parquet", characters)
    with pytest.raises(InputError, match=r"page 'p\\n1', box 0: expected a probability"):
        read_characters(tmp_path / "a.parquet")


def test_what_the_library_says_of_damage_in_its_own_way(tmp_path, characters, monkeypatch):
    """Found by fuzzing: the statistics of a column, damaged, end in a RuntimeError."""
    write_characters(tmp_path / "a.parquet", characters)

    def read(_file, *_):
        raise RuntimeError("Definition level histogram size mismatch, size: 4, expected: 3")

    monkeypatch.setattr(pq.ParquetFile, "read", read)
    with pytest.raises(InputError, match=r"a\.parquet: .*Definition level histogram size mismatch"):
        read_characters(tmp_path / "a.parquet")


def test_where_they_go(tmp_path):
    assert characters_path(tmp_path / "submission.csv.gz") == tmp_path / "submission_detailed.parquet"
