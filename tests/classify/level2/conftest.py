"""What the tests of the second level share: a dozen pages with tables, features and a trained model."""

import json

import pytest

from kuzushiji.classify import level2_features
from kuzushiji.classify.level2.__main__ import main
from tests.tables import write_runs


@pytest.fixture(scope="session")
def fast():
    """Flags of a training that is over soon."""
    return ["--num-boost-round", "4", "--early-stop", "2", "--n-folds", "3"]


@pytest.fixture(scope="session")
def runs(tiny_root, tmp_path_factory):
    """Two kinds of models over three folds, and the features of each fold and of the test pages."""
    folder = tmp_path_factory.mktemp("runs")
    write_runs(tiny_root, folder)
    for fold in range(3):
        kinds = [[str(folder / f"fold{fold}-{kind}.parquet")] for kind in "ab"]
        level2_features.main([json.dumps(kinds), str(folder / f"features{fold}.parquet"), "--top-k", "2"])
    kinds = [sorted(map(str, folder.glob(f"test-fold?-{kind}.parquet"))) for kind in "ab"]
    level2_features.main([json.dumps(kinds), str(folder / "features-test.parquet"), "--top-k", "2"])
    return folder


@pytest.fixture(scope="session")
def tables(runs):
    return [
        *(str(runs / f"fold{k}-a.parquet") for k in range(3)),
        *(str(runs / f"features{k}.parquet") for k in range(3)),
    ]


@pytest.fixture(scope="session")
def test_tables(runs):
    return [str(runs / "test-fold0-a.parquet"), str(runs / "features-test.parquet")]


@pytest.fixture(scope="session")
def trained(runs, tables, tiny_root, fast):
    folder = runs / "model"
    assert main([*tables, "--save-model", str(folder), "--data-root", str(tiny_root), *fast]) == 0
    return folder
