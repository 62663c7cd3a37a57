"""The second level's columns: what each says, and that parts of a table are parts of the whole."""

import numpy as np
import pytest

from kuzushiji.classify.level2.candidates import build_features
from kuzushiji.classify.level2.columns import source_of
from kuzushiji.classify.level2.config import EXTENDED, REFERENCE
from kuzushiji.classify.level2.ngrams import FEATURES, count_ngrams
from kuzushiji.ragged import members
from tests.tables import make_detailed, random_detailed


@pytest.fixture
def source():
    table = random_detailed(np.random.default_rng(3), n_pages=6)
    other = table.take(np.arange(len(table))).top(4)
    labels = table.labels(table.boxes["true"].to_numpy(object))
    folds = np.arange(len(table.pages), dtype=np.int32) % 2
    language = count_ngrams(labels, folds, 2, table.vocabulary)
    return source_of(build_features([table, other], [["a"], ["b"]], {}, 2), EXTENDED, language)


def rows_of(source, name):
    return source.table().column(name).tolist()


def test_by_hand():
    a = make_detailed([("p", 0, "A", [("A", 4), ("B", 3), ("C", 1)])])
    b = make_detailed([("p", 0, "A", [("B", 6), ("D", 2), ("E", 1)])])
    source = source_of(build_features([a, b], [["a"], ["b"]], {}, 1), EXTENDED, None)
    assert a.vocabulary.decode(source.features.candidates).tolist() == ["A", "B", "seg_fp"]
    assert rows_of(source, "blend_logit") == [2, 4.5, 0]
    assert rows_of(source, "blend_lead") == [-2.5, 2.5, -4.5]
    assert rows_of(source, "votes") == [1, 1, 0]
    assert rows_of(source, "known_to") == [1, 2, 0]
    assert rows_of(source, "is_seg_fp") == [0, 0, 1]
    assert rows_of(source, "box_lead") == [2.5] * 3
    assert rows_of(source, "box_best_logit") == [4.5] * 3
    assert rows_of(source, "box_seg_fp_lead") == [-4.5] * 3
    assert rows_of(source, "box_agreement") == [1] * 3
    assert rows_of(source, "box_candidates") == [3] * 3
    np.testing.assert_array_equal(rows_of(source, "group0_logit"), [4, 3, np.nan])
    np.testing.assert_array_equal(rows_of(source, "group0_lead"), [1, -1, np.nan])
    expected = np.log(np.exp([4, 3]) / np.exp([4, 3, 1]).sum())
    np.testing.assert_allclose(rows_of(source, "group0_log_probability")[:2], expected, rtol=1e-6)
    np.testing.assert_allclose(rows_of(source, "best_log_probability")[0], expected[0], rtol=1e-6)


def test_the_only_candidate_has_no_rival():
    table = make_detailed([("p", 0, "seg_fp", [("seg_fp", 4.0)])])
    rows = source_of(build_features([table], [["a"]], {}, 1), EXTENDED, None).table()
    assert rows.column("blend_lead").tolist() == [50]
    assert np.isnan(rows.column("group0_lead")).all()


def test_language_says_nothing_of_seg_fp(source):
    rows = source.table()
    seg_fp = rows.column("is_seg_fp") == 1
    for name in ("log_frequency", "log_after_two", "language_lead"):
        assert np.isnan(rows.column(name)[seg_fp]).all()
        assert np.isfinite(rows.column(name)[~seg_fp]).all()


def test_left_out_folds_change_the_language_only(source):
    all_of_them, without = source.table(), source.table({0})
    language = {*FEATURES, "language_lead"}
    for name in all_of_them.names:
        assert np.array_equal(all_of_them.column(name), without.column(name), equal_nan=True) == (name not in language)


def test_columns_of_the_linear_model_are_columns_of_the_table(source):
    rows, linear = source.table({1}), source.linear_table({1})
    for name in linear.names:
        np.testing.assert_array_equal(linear.column(name), rows.column(name))


def test_rows_of_some_boxes(source):
    boxes = np.array([5, 2, 9])
    part, whole = source.take(boxes).table(), source.table()
    chosen = members(source.features.offsets, boxes)
    np.testing.assert_array_equal(part.values, whole.values[chosen])
    np.testing.assert_array_equal(np.diff(part.offsets), np.diff(whole.offsets)[boxes])


def test_read_in_another_way(source):
    scores = np.random.default_rng(0).normal(size=len(source.features.candidates))
    again = source.read_as(scores)
    assert not np.array_equal(again.context.before, source.context.before)
    assert again.context.geometry is source.context.geometry


def test_fewer_candidates(source):
    kept = np.random.default_rng(1).random(len(source.features.candidates)) < 0.5
    kept[source.features.offsets[1:] - 1] = True
    fewer = source.keep(kept)
    assert fewer.features.candidates.tolist() == source.features.candidates[kept].tolist()
    assert np.diff(fewer.features.offsets).sum() == kept.sum()
    for name in ("group0_log_probability", "votes", "on_page", "log_after_one", "box_overlap"):
        np.testing.assert_array_equal(fewer.table().column(name), source.table().column(name)[kept])


def test_many_columns_fit(source):
    features = source.features
    six = build_features([random_detailed(np.random.default_rng(3), n_pages=6)] * 12, [["a"]] * 12, {}, 2)
    assert len(source_of(six, REFERENCE, None).table().names) == 2 + 12 * 2 * 3
    assert len(source_of(features, EXTENDED, None).table().names) < len(source.table().names)


def test_without_boxes(source):
    nothing = source_of(source.features.take(np.zeros(0, np.int64)), EXTENDED, source.language)
    assert nothing.table().values.shape == (0, len(source.table().names))
