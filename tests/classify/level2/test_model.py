"""A trained second level as a folder."""

from dataclasses import replace

import numpy as np
import pytest

from kuzushiji.classify.candidates import build_features
from kuzushiji.classify.level2.choice import Decision
from kuzushiji.classify.level2.columns import source_of
from kuzushiji.classify.level2.model import Level2Model, apply_model, load_model
from kuzushiji.classify.level2.names import REFERENCE, SOFTMAX, XGBOOST
from kuzushiji.classify.level2.training import FoldModel
from kuzushiji.errors import InputError
from kuzushiji.files import read_json
from tests.tables import make_detailed


class Says:
    """Trees that give the candidates A, B and seg_fp of every box these probabilities."""

    def __init__(self, *probability):
        self.scores = np.log(np.array(probability, np.float32))

    def predict(self, values, rounds):
        return self.scores[values[:, 0].astype(int)]  # the candidate's class, -1 for seg_fp


def test_models_of_all_folds_are_averaged():
    """One fold's model says A with 0.8, the other one's B with 0.9."""
    table = make_detailed([("p", box, "A", [("A", 4.0), ("B", 3.0)]) for box in range(2)], codes="AB")
    features = build_features([table], [["a"]], {}, 2)
    folds = tuple(
        FoldModel(fold, (), None, {XGBOOST: trees}, {XGBOOST: 1})
        for fold, trees in enumerate([Says(0.8, 0.1, 0.1), Says(0.05, 0.9, 0.05)])
    )
    columns = source_of(features, REFERENCE, None).table().names
    model = Level2Model(folds, REFERENCE, columns, SOFTMAX, 2, 1, (), table.vocabulary, None, Decision())
    choice = apply_model(model, [features])
    assert table.vocabulary.decode(choice.classes).tolist() == ["B", "B"]
    np.testing.assert_allclose(choice.probability, (0.1 + 0.9) / 2, rtol=1e-6)
    alone = apply_model(replace(model, folds=folds[:1]), [features])
    assert table.vocabulary.decode(alone.classes).tolist() == ["A", "A"]


def test_files_of_a_model(trained):
    names = {path.name for path in trained.iterdir()}
    trees = {f"fold{k}.{kind}" for k in range(3) for kind in ("lgb.txt", "xgb.json")}
    assert names == {"level2.json", "language.parquet", "oof.parquet", "record-level2.json", *trees}
    model = load_model(trained)
    assert model.columns[:3] == ("group0_log_probability", "group0_lead", "group0_logit")
    assert len(model.vocabulary) == 6
    facts = read_json(trained / "record-level2.json")["facts"]
    assert set(facts["f1"]) == {"blend", "lightgbm", "xgboost", "level 2", "last round", "best round"}
    assert set(facts["f1_by_fold"]["level 2"]) == {"0", "1", "2"}
    assert 0 <= facts["calibration"]["expected_calibration_error"] <= 1


# A file of the model, its new content, and what the message says.
DAMAGED = [
    ("level2.json", "{}", "expected a second level of format 2, got something else"),
    ("level2.json", '{"format": 1}', "got format 1; level2.sh trains it again; predict and export do without it by"),
    ("level2.json", "no json", "expected JSON, got something else"),
    ("level2.json", '{"format": 2, "files": {}}', "expected a second level, got a damaged one"),
    ("level2.json", '{"format": 2, "files": {"../x": ""}}', "expected the file that was saved with level2.json"),
    ("fold1.lgb.txt", "tree\n", "expected the file that was saved with level2.json, got another"),
    ("fold1.xgb.json", None, "expected the file that was saved with level2.json, got another"),
    ("language.parquet", "x", "expected the file that was saved with level2.json, got another"),
]


@pytest.mark.parametrize(("name", "content", "message"), DAMAGED)
def test_damaged_models_are_refused(trained, tmp_path, name, content, message):
    for path in trained.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    if content is None:
        (tmp_path / name).unlink()
    else:
        (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=message):
        load_model(tmp_path)
