"""From the probabilities of candidates to what is read in each box."""

import numpy as np

from kuzushiji.classify.level2.candidates import build_features
from kuzushiji.classify.level2.choice import Decision, choose, tuned
from tests.tables import make_detailed


def test_best_candidate_of_each_box():
    table = make_detailed([("p", i, "A", [("A", 4.0), ("B", 3.0)]) for i in range(2)])
    features = build_features([table], [["a"]], {}, 2)
    choice = choose(features.candidates, features.offsets, np.array([0.2, 0.7, 0.1, 0.4, 0.3, 0.3], np.float32))
    assert table.vocabulary.decode(choice.classes).tolist() == ["B", "A"]
    np.testing.assert_allclose(choice.probability, [0.7, 0.4], rtol=1e-6)
    raised = choose(
        features.candidates,
        features.offsets,
        np.array([0.2, 0.7, 0.1, 0.4, 0.3, 0.3], np.float32),
        Decision(seg_fp_adjust=1.0),
    )
    assert table.vocabulary.decode(raised.classes).tolist() == ["B", "seg_fp"]


def test_seg_fp_is_tuned_by_f1():
    """seg_fp is a little less probable than A in every box; half of the boxes are seg_fp."""
    rows = [("p", i, "seg_fp", [("A", 4.0), ("B", 3.0)]) for i in range(9)] + [("p", 9, "A", [("A", 4.0), ("B", 3.0)])]
    features = build_features([make_detailed(rows)], [["a"]], {}, 1)
    p = np.array([[0.6, 0.4]] * 9 + [[0.9, 0.1]], np.float32).reshape(-1)
    truth = features.vocabulary.encode(features.boxes["true"])
    decision = tuned(Decision(), "seg_fp_adjust", [features], [p], [truth])
    assert decision.seg_fp_adjust > 0
    chosen = choose(features.candidates, features.offsets, p, decision).classes
    assert features.vocabulary.decode(chosen).tolist() == ["seg_fp"] * 9 + ["A"]


def test_what_is_hardly_probable_is_left_out():
    """A is right in the boxes where its probability is 0.7, and never where it is 0.42, the best of three."""
    rows = [("p", i, "A" if i < 5 else "seg_fp", [("A", 4.0), ("B", 3.0)]) for i in range(10)]
    features = build_features([make_detailed(rows)], [["a"]], {}, 2)
    p = np.array([[0.7, 0.2, 0.1]] * 5 + [[0.42, 0.3, 0.28]] * 5, np.float32).reshape(-1)
    truth = features.vocabulary.encode(features.boxes["true"])
    decision = tuned(Decision(), "min_probability", [features], [p], [truth])
    assert 0.42 < decision.min_probability <= 0.7
    choice = choose(features.candidates, features.offsets, p, decision)
    assert features.vocabulary.decode(choice.classes).tolist() == ["A"] * 5 + ["seg_fp"] * 5
    np.testing.assert_allclose(choice.probability, [0.7] * 5 + [0.28] * 5, rtol=1e-5)
