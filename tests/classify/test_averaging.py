"""Blends: against a literal implementation, against rows worked out by hand, and refused where tables differ."""

from dataclasses import replace

import numpy as np
import pytest

from kuzushiji.classify.averaging import blend_tables
from kuzushiji.data.vocabulary import Vocabulary
from kuzushiji.errors import InputError
from tests.tables import make_detailed, random_detailed


def blend_slowly(tables, weights, k):
    """The rule, word for word: mean logit over tables, 0 where a class is missing, best first."""
    rows = []
    for i in range(len(tables[0])):
        total = {}
        for table, weight in zip(tables, weights, strict=True):
            for c, logit in zip(table.classes[i].tolist(), table.logits[i].tolist(), strict=True):
                total[c] = total.get(c, 0) + weight * logit / sum(weights)
        rows.append(sorted(total.items(), key=lambda item: (-item[1], item[0]))[:k])
    return rows


def test_by_hand():
    a = make_detailed([("p", 0, "A", [("A", 4), ("B", 3)])])
    b = make_detailed([("p", 0, "A", [("C", 6), ("B", 2)])])
    blend = blend_tables([a, b], ["a", "b"])
    # C: (0 + 6) / 2, B: (3 + 2) / 2, A: (4 + 0) / 2
    assert blend.vocabulary.decode(blend.classes).tolist() == [["C", "B"]]
    assert blend.logits.tolist() == [[3.0, 2.5]]


def test_weights_by_hand():
    a = make_detailed([("p", 0, "A", [("A", 4), ("B", 3)])])
    b = make_detailed([("p", 0, "A", [("C", 6), ("B", 2)])])
    blend = blend_tables([a, b], ["a", "b"], weights=[3, 1])
    assert blend.vocabulary.decode(blend.classes).tolist() == [["A", "B"]]
    assert blend.logits.tolist() == [[3.0, 2.75]]


def test_equal_logits_are_ordered_by_class():
    a = make_detailed([("p", 0, "A", [("C", 1), ("B", 1)])])
    b = make_detailed([("p", 0, "A", [("A", 1), ("C", 0)])])
    blend = blend_tables([a, b], ["a", "b"])
    assert blend.vocabulary.decode(blend.classes).tolist() == [["A", "B"]]


@pytest.mark.parametrize("n_tables", [1, 2, 3, 10])
def test_against_the_literal_rule(n_tables):
    rng = np.random.default_rng(n_tables)
    first = random_detailed(rng, n_pages=40, n_classes=12)
    tables = [first]
    for _ in range(n_tables - 1):
        classes = np.argsort(rng.random((len(first), 13)), axis=1)[:, :5].astype(np.int32)
        tables.append(replace(first, classes=classes, logits=-np.sort(-rng.normal(1, 5, classes.shape)).astype("f4")))
    weights = rng.uniform(0.5, 2, n_tables).tolist()
    blend = blend_tables(tables, [str(i) for i in range(n_tables)], weights)
    expected = blend_slowly(tables, weights, 5)
    np.testing.assert_allclose(blend.logits, [[logit for _, logit in row] for row in expected], atol=1e-5)
    assert (blend.classes == [[c for c, _ in row] for row in expected]).mean() > 0.999
    top = blend_tables(tables, [str(i) for i in range(n_tables)], weights, top_k=2)
    assert np.array_equal(top.classes, blend.classes[:, :2])


def test_equal_means_at_the_end_of_the_list():
    """Whole numbers as logits: many means are equal, more of them than the list has room for."""
    rng = np.random.default_rng(0)
    first = random_detailed(rng, n_pages=40, n_classes=12)
    tables = []
    for _ in range(3):
        classes = np.argsort(rng.random((len(first), 13)), axis=1)[:, :5].astype(np.int32)
        logits = -np.sort(-rng.integers(-3, 1, classes.shape).astype("f4")) * 3
        tables.append(replace(first, classes=classes, logits=logits))
    blend = blend_tables(tables, ["a", "b", "c"])
    expected = blend_slowly(tables, [1, 1, 1], 5)
    assert blend.logits.tolist() == [[logit for _, logit in row] for row in expected]
    assert blend.classes.tolist() == [[c for c, _ in row] for row in expected]


def test_many_classes_do_not_fit_small_numbers():
    vocabulary = Vocabulary.from_codes(f"U+{i:06X}" for i in range(20_000_000, 20_000_003))
    a = make_detailed([("p", 0, "A", [("A", 4), ("B", 3)])])
    table = replace(a, vocabulary=vocabulary, boxes=a.boxes.assign(true="seg_fp"), classes=a.classes + (1 << 30))
    assert blend_tables([table, table], ["a", "b"]).classes.tolist() == [[1 << 30, (1 << 30) + 1]]


def test_tables_of_other_pages_are_joined():
    a = make_detailed([("p", 0, "A", [("A", 4), ("B", 3)])])
    b = make_detailed([("q", 0, "A", [("C", 6), ("B", 2)])], pages=("q", "empty"))
    blend = blend_tables([a, b], ["a", "b"])
    assert blend.pages == ("p", "q", "empty")
    assert blend.pred.tolist() == ["A", "C"]


def test_without_boxes():
    empty = make_detailed([], pages=("p",))
    assert len(blend_tables([empty, empty], ["a", "b"])) == 0


ROWS = [("p", 0, "A", [("A", 4)]), ("p", 1, "B", [("B", 2)]), ("q", 0, "C", [("C", 1)])]


def changed(**columns):
    table = make_detailed(ROWS)
    return replace(table, boxes=table.boxes.assign(**columns))


# The second table, and what the message says.
DIFFERENT = [
    (make_detailed(ROWS[:2], pages=("p", "q")), "b, page q, box 0: expected a box as in a, got none"),
    (make_detailed([*ROWS, ("q", 1, "C", [("C", 1)])]), "b, page q, box 1: expected the boxes of a, got one more"),
    (changed(x=[10.0, 10.0, 11.0]), r"b, page q, box 0: expected x y w h as in a \[10.0, 0.0, .*\], got \[11.0, 0.0"),
    (changed(true=["A", "B", "A"]), "b, page q, box 0: expected the truth C as in a, got A"),
    (make_detailed(ROWS, codes="ABC"), "b: expected the vocabulary of 6 codes as in a, got another of 4"),
]


@pytest.mark.parametrize(("other", "message"), DIFFERENT)
def test_fault_3_tables_that_do_not_match_are_refused(other, message):
    with pytest.raises(InputError, match=message):
        blend_tables([make_detailed(ROWS), other], ["a", "b"])


def test_fault_3_tables_are_joined_by_page_and_box():
    """Paired by row number, the blend of a table with itself in another order would mix boxes up."""
    table = random_detailed(np.random.default_rng(0))
    shuffled = table.take(np.random.default_rng(1).permutation(len(table)))
    blend = blend_tables([table, shuffled], ["a", "b"])
    assert np.array_equal(blend.classes, table.classes)
    np.testing.assert_allclose(blend.logits, table.logits, rtol=1e-6)


def test_pages_in_fewer_tables_than_others():
    p, q = make_detailed(ROWS[:2]), make_detailed(ROWS[2:])
    with pytest.raises(InputError, match="c: expected its pages in 2 tables as those of a, got 1"):
        blend_tables([p, p, q], ["a", "b", "c"])


@pytest.mark.parametrize("position", [0, 1])
def test_a_table_without_boxes_and_pages_is_refused(position):
    """As a group of its own it would cut the boxes of all others to as many classes as it has."""
    tables, names = [make_detailed(ROWS), make_detailed(ROWS)], ["a", "b"]
    tables.insert(position, make_detailed([]))
    names.insert(position, "empty")
    with pytest.raises(InputError, match="empty: expected boxes, or pages that were looked at, got a table without"):
        blend_tables(tables, names)


def test_folds_with_fewer_classes_are_refused():
    p, q = (make_detailed([(page, 0, "A", [("A", 4), ("B", 3), ("C", 2)])]) for page in "pq")
    with pytest.raises(InputError, match="q: expected 3 classes a box as in p, got 1"):
        blend_tables([p, q.top(1)], ["p", "q"])
    with pytest.raises(InputError, match="q: expected 2 classes a box as in p, got 1"):
        blend_tables([p, q.top(1)], ["p", "q"], top_k=2)
    assert blend_tables([p, q.top(1)], ["p", "q"], top_k=1).classes.tolist() == [[0], [0]]
    assert blend_tables([p, q.top(2)], ["p", "q"], top_k=2).classes.tolist() == [[0, 1], [0, 1]]


def test_no_tables():
    with pytest.raises(InputError, match="expected at least one"):
        blend_tables([], [])
