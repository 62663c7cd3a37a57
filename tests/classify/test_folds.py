"""Level 2 and the language model divide pages as the classifiers did: `params.json` beside their tables says how."""

import json
from pathlib import Path

import pytest

from kuzushiji.classify.given_tables import n_folds_of, split_of
from kuzushiji.errors import InputError


def tables(tmp_path: Path, *params: object) -> list[Path]:
    found = []
    for number, value in enumerate(params):
        folder = tmp_path / f"clf{number}"
        folder.mkdir()
        if value is not None:
            (folder / "params.json").write_text(json.dumps(value))
        found.append(folder / "detailed.parquet")
    return found


@pytest.mark.parametrize(
    ("params", "split"),
    [
        ([], "books"),
        ([None], "books"),
        ([{"n_folds": 3}], "books"),  # of versions without the option
        ([{"n_folds": 3, "split": "books"}, {"n_folds": 3}], "books"),
        ([{"split": "pages"}, None], "pages"),
        ([{"split": 7}, [1]], "books"),
    ],
)
def test_split_of(params: list[object], split: str, tmp_path: Path) -> None:
    assert split_of(tables(tmp_path, *params)) == split


def test_classifiers_of_different_folds(tmp_path: Path) -> None:
    paths = tables(tmp_path, {"split": "pages", "n_folds": 2}, {"n_folds": 3})
    with pytest.raises(InputError, match="clf1/params.json: expected folds of pages as in .*clf0.*, got .* books"):
        split_of(paths)
    with pytest.raises(InputError, match=r"clf1/params.json: expected 2 folds as of"):
        n_folds_of(paths)
