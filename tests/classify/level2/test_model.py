"""A trained second level: its models read together."""

from dataclasses import replace

import numpy as np

from kuzushiji.classify.level2.candidates import build_features
from kuzushiji.classify.level2.choice import Decision
from kuzushiji.classify.level2.columns import source_of
from kuzushiji.classify.level2.config import REFERENCE, SOFTMAX, XGBOOST
from kuzushiji.classify.level2.cross_fitting import FoldModel
from kuzushiji.classify.level2.model import Level2Model, apply_model
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
