"""Tables in the reference's text format go through all table stages to the same result as ours."""

import json

import numpy as np
import pandas as pd
import pytest

from kuzushiji.artifacts import read_detailed, write_detailed
from kuzushiji.artifacts.features import read_features
from kuzushiji.classify import blend, level2_features, pseudolabel
from kuzushiji.classify.level2 import __main__ as level2
from tests.tables import write_runs

FOLDS, KINDS = range(3), "ab"


@pytest.fixture(scope="module")
def runs(tiny_root, tmp_path_factory):
    """The same tables as Parquet and, in another folder, as the reference writes them: nothing beside them."""
    ours, theirs = (tmp_path_factory.mktemp(name) for name in ("parquet", "text"))
    write_runs(tiny_root, ours)
    for path in ours.iterdir():
        write_detailed(theirs / f"{path.stem}.csv.gz", read_detailed(path))
    first = pd.read_csv(theirs / "fold0-a.csv.gz")
    assert list(first.columns) == ["image_id", "x", "y", "w", "h", "pred", "true", "top_k_logits", "top_k_classes"]
    return {"parquet": ours, "csv.gz": theirs}


def run_stages(folder, ending, out, root):
    """Run the stages as run-all.sh and level2.sh do, on tables of one ending; all outputs go to `out`."""

    def table(name):
        return str(folder / f"{name}.{ending}")

    words = ["--data-root", str(root)]
    test = [table(f"test-fold{fold}-{kind}") for fold in FOLDS for kind in KINDS]
    held_out = [table(f"fold{fold}-{kind}") for fold in FOLDS for kind in KINDS]
    assert pseudolabel.main([*test, str(out / "pseudo.csv"), "--min-gap", "1", *words]) == 0
    assert blend.main([*test[:-1], f"{test[-1]}=0.7", "--output", str(out / "blend.csv"), *words]) == 0
    assert blend.main([*held_out, "--score", "--output-detailed", str(out / "blend.parquet"), *words]) == 0
    for fold in FOLDS:
        for kind, name in (("", "features"), ("test-", "test")):
            groups = [[table(f"{kind}fold{fold}-{letter}")] for letter in KINDS]
            features = str(out / f"{name}{fold}.parquet")
            assert level2_features.main([json.dumps(groups), features, "--top-k", "3", *words]) == 0
    train = [*(table(f"fold{fold}-a") for fold in FOLDS), *(str(out / f"features{fold}.parquet") for fold in FOLDS)]
    fast = ["--num-boost-round", "2", "--n-folds", "3", *words]
    assert level2.main([*train, "--save-model", str(out / "model"), *fast]) == 0
    views = [table("test-fold0-a"), *(str(out / f"test{fold}.parquet") for fold in FOLDS)]
    assert level2.main([*views, "--load-model", str(out / "model"), "--output", str(out / "s.csv"), *words]) == 0


def test_text_gives_the_same_as_parquet(runs, tiny_root, tmp_path, capsys):
    printed = {}
    for ending, folder in runs.items():
        out = tmp_path / ending.split(".")[0]
        out.mkdir()
        run_stages(folder, ending, out, tiny_root)
        printed[ending] = capsys.readouterr().out
    ours, theirs = tmp_path / "parquet", tmp_path / "csv"
    assert printed["parquet"] == printed["csv.gz"]
    for name in ("pseudo.csv", "blend.csv", "s.csv", "model/fold0.lgb.txt", "model/fold1.xgb.json"):
        assert (ours / name).read_bytes() == (theirs / name).read_bytes(), name
    for name in ("features0.parquet", "features2.parquet", "test1.parquet"):
        a, b = (read_features(folder / name) for folder in (ours, theirs))
        for values in ("candidates", "candidate_logits", "offsets", "overlap", "log_sum", "top_classes", "top_logits"):
            np.testing.assert_array_equal(getattr(a, values), getattr(b, values))
    a, b = (read_detailed(folder / "blend.parquet") for folder in (ours, theirs))
    np.testing.assert_array_equal(a.logits, b.logits)
    assert set(a.pages) == set(b.pages)
