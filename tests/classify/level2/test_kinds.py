"""Which kinds of models the second level's groups are of: those of another order would be read as others."""

import json
import shutil

import pytest

from kuzushiji import cli
from kuzushiji.classify import level2_features
from kuzushiji.classify.level2.__main__ import main
from kuzushiji.classify.level2.saving import load_model
from kuzushiji.run_folder import kinds_of

# Groups of tables, their kinds.
GROUPS = [
    ([], ()),
    ([["run/clf-fold0/detailed.parquet"], ["run/clf-fold0-b/detailed.parquet"]], ("clf", "clf-b")),
    ([["clf-fold0-b/detailed.csv.gz", "clf-fold1-b/detailed.csv.gz"]], ("clf-b",)),
    ([["clf-fold0/detailed.parquet", "clf-fold1-b/detailed.parquet"]], ()),
    ([["clf-fold0/detailed.parquet"], ["mine.parquet"]], ()),
    ([["clf-fold0/detailed.parquet", "mine.parquet"]], ()),
    ([["clf-fold0/detailed.parquet"], []], ()),
]


@pytest.mark.parametrize(("groups", "kinds"), GROUPS)
def test_kinds_of_groups(groups, kinds):
    assert kinds_of(groups) == kinds


@pytest.fixture
def features_of(runs, tmp_path):
    """Makes features of tables in the folders of a run, with the groups in any order."""

    def make(table, kinds, name):
        groups = []
        for kind in kinds:
            place = tmp_path / f"clf-fold{table.removeprefix('test-')[4]}{'' if kind == 'a' else '-b'}" / name
            place.parent.mkdir(exist_ok=True)
            groups.append([str(shutil.copy(runs / f"{table}-{kind}.parquet", place))])
        path = str(tmp_path / f"{table}-{kinds}.parquet")
        assert level2_features.main([json.dumps(groups), path, "--top-k", "2"]) == 0
        return path

    return make


def test_groups_of_another_order_are_refused(features_of, runs, tables, test_tables, tiny_root, tmp_path, capsys, fast):
    root = ["--data-root", str(tiny_root)]
    in_order = [features_of(f"fold{fold}", "ab", "detailed.parquet") for fold in range(3)]
    model = tmp_path / "m"
    assert main([*tables[:3], *in_order, *root, *fast, "--save-model", str(model)]) == 0
    assert load_model(model).kinds == ("clf", "clf-b")
    turned = features_of("fold1", "ba", "detailed.parquet")
    test = features_of("test-fold0", "ba", "test_detailed.parquet")
    submission = ["--load-model", str(model), "--output", str(tmp_path / "s.csv")]
    for words, message in (
        (
            [*tables[:3], in_order[0], turned, in_order[2], *fast],
            "fold1-ba.parquet: expected groups of clf, clf-b as",
        ),
        (
            [test_tables[0], test, *submission],
            "kinds of models of the model, ('clf', 'clf-b'), got ('clf-b',",
        ),
    ):
        with pytest.raises(SystemExit) as ended:
            cli.run(main, [*words, *root])
        error = capsys.readouterr().err.splitlines()
        assert ended.value.code == 1 and message in error[-1], error
    # Features of tables that lie elsewhere say nothing of their kinds.
    assert main([*test_tables, *submission, *root]) == 0
