"""Candidates and what groups think of them: by hand, and against a literal implementation on random tables."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from kuzushiji.classify.level2.candidates import build_features, candidates_of, largest_overlap
from kuzushiji.classify.level2.columns import reference_table
from kuzushiji.errors import InputError
from tests.tables import make_detailed, random_detailed


def reference_slowly(tables, top_k):
    """The table of the spec, word for word: a row for each class in any top k, and for seg_fp, coded -1."""
    rows = []
    seg_fp = tables[0].vocabulary.seg_fp
    boxes = tables[0].boxes
    for i in range(len(tables[0])):
        tops = [table.classes[i, :top_k].tolist() for table in tables]
        overlap = max(
            (share(boxes.iloc[i], other) for j, other in boxes.iterrows()
             if j != i and other["image_id"] == boxes["image_id"].iloc[i]),
            default=0.0,
        )  # fmt: skip
        for candidate in sorted({c for top in tops for c in top} | {seg_fp}):
            row = {"candidate_cls": -1 if candidate == seg_fp else candidate}
            for g, top in enumerate(tops):
                for k, c in enumerate(top):
                    row[f"group{g}_top{k}_cls"] = -1 if c == seg_fp else c
                    row[f"group{g}_top{k}_logit"] = tables[g].logits[i, k]
                    row[f"group{g}_top{k}_is_candidate"] = c == candidate
            rows.append({**row, "box_overlap": overlap})
    return pd.DataFrame(rows)


def share(a, b):
    w = min(a["x"] + a["w"], b["x"] + b["w"]) - max(a["x"], b["x"])
    h = min(a["y"] + a["h"], b["y"] + b["h"]) - max(a["y"], b["y"])
    return max(w, 0) * max(h, 0) / (b["w"] * b["h"]) if b["w"] * b["h"] else 0.0


def test_by_hand():
    """The example of the reference's description: one model, two best classes, three rows."""
    table = make_detailed([("p", 0, "A", [("A", 15.202), ("C", 7.1246)])])
    rows = reference_table(build_features([table], [["a"]], {}, 2))
    assert rows.names == (
        "candidate_cls", "group0_top0_cls", "group0_top0_logit", "group0_top0_is_candidate", "group0_top1_cls",
        "group0_top1_logit", "group0_top1_is_candidate", "box_overlap",
    )  # fmt: skip
    expected = [
        [0, 0, 15.202, 1, 2, 7.1246, 0, 0],
        [2, 0, 15.202, 0, 2, 7.1246, 1, 0],
        [-1, 0, 15.202, 0, 2, 7.1246, 0, 0],
    ]
    np.testing.assert_allclose(rows.values, expected, rtol=1e-6)


def test_seg_fp_in_a_top_is_one_candidate():
    offsets, candidates = candidates_of(np.array([[[5, 1]], [[0, 5]], [[2, 3]]], np.int32), 5)
    assert offsets.tolist() == [0, 2, 4, 7]
    assert candidates.tolist() == [1, 5, 0, 5, 2, 3, 5]


@pytest.mark.parametrize("seed", range(4))
def test_against_the_literal_table(seed):
    rng = np.random.default_rng(seed)
    first = random_detailed(rng, n_pages=6)
    other = replace(first, classes=rng.permuted(first.classes, axis=1), logits=first.logits - 1)
    rows = reference_table(build_features([first, other], [["a"], ["b"]], {}, 3))
    expected = reference_slowly([first, other], 3)
    assert list(rows.names) == list(expected.columns)
    np.testing.assert_allclose(rows.values, expected.astype(float), rtol=1e-6)


def test_logits_of_candidates_from_the_whole_list():
    a = make_detailed([("p", 0, "A", [("A", 4), ("B", 3), ("C", 1)])])
    b = make_detailed([("p", 0, "A", [("C", 6), ("D", 2), ("E", 1)])])
    features = build_features([a, b], [["a"], ["b"]], {}, 1)
    assert a.vocabulary.decode(features.candidates).tolist() == ["A", "C", "seg_fp"]
    nan = np.nan
    np.testing.assert_array_equal(features.candidate_logits, [[4, nan], [1, 6], [nan, nan]])
    np.testing.assert_allclose(
        features.log_sum[0], [np.log(np.exp([4, 3, 1]).sum()), np.log(np.exp([6, 2, 1]).sum())], rtol=1e-6
    )


# Boxes of one page (x y w h), largest intersection with another box as a share of that other box.
OVERLAPS = [
    ([(0, 0, 10, 10)], [0]),
    ([(0, 0, 10, 10), (10, 0, 10, 10)], [0, 0]),
    ([(0, 0, 10, 10), (9, 0, 10, 10)], [0.1, 0.1]),
    # The small box lies in the large one: all of it, and a quarter of the large one.
    ([(0, 0, 10, 10), (0, 0, 5, 5)], [1, 0.25]),
    # A box of no area overlaps nothing.
    ([(0, 0, 10, 10), (5, 5, 0, 0)], [0, 0]),
]


@pytest.mark.parametrize(("boxes", "overlap"), OVERLAPS)
def test_fault_10_one_overlap(boxes, overlap):
    table = pd.DataFrame(boxes, columns=list("xywh")).assign(image_id="p")
    np.testing.assert_allclose(largest_overlap(table), overlap, rtol=1e-6)


def test_boxes_of_other_pages_do_not_overlap():
    table = pd.DataFrame([(0, 0, 9, 9)] * 3, columns=list("xywh")).assign(image_id=["p", "q", "p"])
    assert largest_overlap(table).tolist() == [1, 0, 1]
    assert largest_overlap(table.iloc[:0]).tolist() == []


def test_groups_in_another_order_are_aligned():
    table = random_detailed(np.random.default_rng(0))
    shuffled = table.take(np.random.default_rng(1).permutation(len(table)))
    features = build_features([table, shuffled], [["a"], ["b"]], {}, 2)
    np.testing.assert_array_equal(features.top_classes[:, 0], features.top_classes[:, 1])


def test_groups_that_do_not_match():
    table = random_detailed(np.random.default_rng(0))
    with pytest.raises(InputError, match="b: expected at least 3 classes a box, got 2"):
        build_features([table, table.top(2)], [["a"], ["b"]], {}, 3)
    with pytest.raises(InputError, match="b, page .* expected a box as in a, got none"):
        build_features([table, table.take(np.arange(1, len(table)))], [["a"], ["b"]], {}, 3)
    with pytest.raises(InputError, match="b: expected the vocabulary"):
        build_features([table, random_detailed(np.random.default_rng(0), n_classes=8)], [["a"], ["b"]], {}, 3)
