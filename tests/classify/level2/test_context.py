"""Surroundings of boxes: neighbours in reading order, sizes beside those of the column, what else is on the page."""

from dataclasses import replace

import numpy as np
import pandas as pd

from kuzushiji.classify.level2.candidates import build_features
from kuzushiji.classify.level2.context import BOX_FEATURES, context_of
from tests.tables import make_detailed, random_detailed

A, B, C, SEG_FP, EDGE = 0, 1, 2, 3, 4


def features_of(best, xywh, image_ids=None):
    """Features of boxes with these best classes; the second best logit is far behind."""
    rows = [("p", i, "seg_fp", [(code, 9.0), ("C" if code != "C" else "A", -9.0)]) for i, code in enumerate(best)]
    table = make_detailed(rows, codes="ABC")
    boxes = table.boxes.copy()
    boxes[list("xywh")] = np.array(xywh, float)
    boxes["image_id"] = pd.Series(image_ids or ["p_1"] * len(best), dtype=str)
    boxes["box"] = np.arange(len(best))
    return build_features([replace(table, boxes=boxes, pages=tuple(dict.fromkeys(boxes["image_id"])))], [["a"]], {}, 2)


# Two columns: A, seg_fp, B on the right, C on the left.
PAGE = [(50, 0, 10, 10), (50, 20, 10, 10), (50, 40, 10, 20), (10, 0, 20, 10)]


def test_neighbours_in_reading_order():
    context = context_of(features_of(["A", "seg_fp", "B", "C"], PAGE))
    assert context.before.tolist() == [[EDGE, EDGE, EDGE], [A, EDGE, EDGE], [A, EDGE, EDGE], [B, A, EDGE]]
    # seg_fp stands between its neighbours and does not part them; text runs on in the next column.
    assert context.after.tolist() == [[B, C, EDGE], [B, C, EDGE], [C, EDGE, EDGE], [EDGE, EDGE, EDGE]]


def test_sizes_and_places():
    context = context_of(features_of(["A", "A", "B", "C"], PAGE))
    geometry = pd.DataFrame(context.geometry, columns=list(BOX_FEATURES))
    assert geometry["height_in_column"].tolist() == [1, 1, 2, 1]
    assert geometry["width_on_page"].tolist() == [1, 1, 1, 2]
    assert geometry["aspect"].tolist() == [1, 1, 0.5, 2]
    assert geometry["column_length"].tolist() == [3, 3, 3, 1]
    assert geometry["place_in_column"].tolist() == [0, 1, 2, 0]
    np.testing.assert_array_equal(geometry["gap_above"], [np.nan, 1, 1, np.nan])
    np.testing.assert_array_equal(geometry["gap_below"], [1, 1, np.nan, np.nan])


def test_frequency_on_the_page():
    features = features_of(["A", "A", "B", "A"], PAGE, ["b_1", "b_1", "b_1", "b_2"])
    context = context_of(features)
    keys = zip(features.box_of_candidate.tolist(), features.candidates.tolist(), strict=True)
    of = {key: row for row, key in enumerate(keys)}
    # The other boxes of the page: A and B.
    assert context.on_page[of[0, A]] == 0.5
    # The page's only B is the box itself.
    assert context.on_page[of[2, B]] == 0
    # Nothing else on its page.
    assert context.on_page[of[3, A]] == 0


def test_read_in_another_way():
    features = features_of(["A", "seg_fp", "B", "C"], PAGE)
    context = context_of(features).read_as(features, np.array([C, A, SEG_FP, B], np.int32))
    assert context.before.tolist() == [[EDGE, EDGE, EDGE], [C, EDGE, EDGE], [A, C, EDGE], [A, C, EDGE]]
    assert context.after.tolist() == [[A, B, EDGE], [B, EDGE, EDGE], [B, EDGE, EDGE], [EDGE, EDGE, EDGE]]


def test_pages_are_not_neighbours():
    features = features_of(["A", "B", "C", "A"], PAGE, ["p_1", "p_2", "p_1", "p_2"])
    context = context_of(features)
    assert context.before.tolist() == [[EDGE, EDGE, EDGE], [EDGE, EDGE, EDGE], [A, EDGE, EDGE], [B, EDGE, EDGE]]


def test_taking_boxes():
    features = build_features([random_detailed(np.random.default_rng(0))], [["a"]], {}, 2)
    context = context_of(features)
    rows = np.array([4, 1])
    taken = context.take(features.offsets, rows)
    assert taken.before.tolist() == context.before[rows].tolist()
    assert len(taken.on_page) == len(features.take(rows).candidates)


def test_without_boxes():
    features = build_features([random_detailed(np.random.default_rng(0))], [["a"]], {}, 2).take(np.zeros(0, np.int64))
    context = context_of(features)
    assert context.before.shape == (0, 3)
    assert context.on_page.tolist() == []
