"""What the second level reports of the folds."""

import numpy as np
import pytest

from kuzushiji.classify.level2.boosting import Course
from kuzushiji.classify.level2.candidates import build_features
from kuzushiji.classify.level2.choice import Decision
from kuzushiji.classify.level2.config import LIGHTGBM, SOFTMAX, XGBOOST
from kuzushiji.classify.level2.cross_fitting import FoldModel, FoldResult
from kuzushiji.classify.level2.report import (
    BEST,
    BLEND,
    LAST,
    LEVEL2,
    UNDECIDED,
    FoldChoices,
    calibration_of_folds,
    fold_choices,
)
from tests.tables import make_detailed


def test_calibration_by_hand():
    """Fold 0 says A with 0.95, right once in two boxes, fold 1 says A with 0.35, right; seg_fp is no character."""
    features, choices = {}, {}
    for fold, page, truth, read, probability in (
        (0, "p", ["A", "B", "A"], ["A", "A", "seg_fp"], [0.95, 0.95, 0.5]),
        (1, "q", ["A"], ["A"], [0.35]),
    ):
        table = make_detailed([(page, box, code, [("A", 4.0), ("B", 3.0)]) for box, code in enumerate(truth)])
        features[fold] = build_features([table], [["a"]], {}, 2)
        classes = {LEVEL2: table.vocabulary.encode(read)}
        choices[fold] = FoldChoices(classes, np.array(probability, np.float32), np.zeros(0, np.float32))
    fit = calibration_of_folds(features, choices)
    # Of the three characters, two are in a bin of which half are right, and one in a bin that is right altogether.
    assert fit.error == pytest.approx((2 * abs(0.95 - 0.5) + abs(0.35 - 1)) / 3)
    assert fit.count.sum() == 3


def test_all_ways_are_compared_by_the_same_decision():
    """Every model says A with 0.6 and with 0.8, and what is less probable than 0.7 is no character."""
    table = make_detailed([("p", box, "A", [("A", 4.0), ("B", 3.0)]) for box in range(2)])
    features = build_features([table], [["a"]], {}, 2)
    scores = np.log(np.array([0.6, 0.3, 0.1, 0.8, 0.1, 0.1], np.float32))
    kinds = [LIGHTGBM, XGBOOST]
    model = FoldModel(0, (), None, {}, {})
    result = FoldResult(model, dict.fromkeys(kinds, Course((0.5,), scores, scores)), dict.fromkeys(kinds, scores))
    decided = fold_choices(features, result, SOFTMAX, Decision(min_probability=0.7))
    read = {way: table.vocabulary.decode(classes).tolist() for way, classes in decided.classes.items()}
    assert read == {
        BLEND: ["A", "A"],
        LIGHTGBM: ["seg_fp", "A"],
        XGBOOST: ["seg_fp", "A"],
        LEVEL2: ["seg_fp", "A"],
        LAST: ["seg_fp", "A"],
        BEST: ["seg_fp", "A"],
        UNDECIDED: ["A", "A"],
    }
    np.testing.assert_allclose(decided.probability, [0.1, 0.8], rtol=1e-5)
    assert UNDECIDED not in fold_choices(features, result, SOFTMAX).classes
