"""What the second level reports of the folds."""

import numpy as np
import pytest

from kuzushiji.classify.candidates import build_features
from kuzushiji.classify.level2.report import LEVEL2, FoldChoices, calibration_of_folds
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
