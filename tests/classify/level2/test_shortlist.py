"""Reading before boosting: what is ruled out, what stays, and what becomes of the truth."""

import itertools

import numpy as np
import pytest

from kuzushiji.classify.level2.candidates import build_features
from kuzushiji.classify.level2.columns import source_of
from kuzushiji.classify.level2.config import EXTENDED
from kuzushiji.classify.level2.cross_fitting import target_rows
from kuzushiji.classify.level2.ngrams import count_ngrams
from kuzushiji.classify.level2.shortlist import N_READINGS, fit_readers, one_of_each, read, unread
from kuzushiji.classify.level2.tables import true_classes
from tests.tables import make_detailed, random_detailed


def sources_and_targets(n_folds=3):
    tables = [random_detailed(np.random.default_rng(fold), n_pages=8) for fold in range(n_folds)]
    labels = tables[0].labels(tables[0].boxes["true"].to_numpy(object))
    language = count_ngrams(labels, np.zeros(len(labels.image_ids), np.int32), n_folds, tables[0].vocabulary)
    features = [build_features([table, table.top(4)], [["a"], ["b"]], {}, 4) for table in tables]
    sources = {fold: source_of(part, EXTENDED, language) for fold, part in enumerate(features)}
    targets = {fold: target_rows(part, true_classes(part)) for fold, part in enumerate(features)}
    return sources, targets


# Candidates of two boxes, the last of each seg_fp; which is right; what comes of it.
RIGHT = [
    ([False, True, False, False, True], [False, True, False, False, True]),
    ([False, False, False, True, False], [False, False, True, True, False]),
    ([False] * 5, [False, False, True, False, True]),
]


@pytest.mark.parametrize(("right", "whole"), RIGHT)
def test_a_box_without_its_truth_is_no_character(right, whole):
    assert one_of_each(np.array(right), np.array([0, 3, 5])).tolist() == whole


def test_without_boxes():
    assert one_of_each(np.zeros(0, bool), np.zeros(1, np.int64)).tolist() == []


def test_what_the_blend_rules_out_is_left_out():
    rows = [("p", i, "A", [("A", 20.0), ("B", 19.0), ("C", 1.0)]) for i in range(9)]
    features = build_features([make_detailed(rows)], [["a"]], {}, 3)
    source = source_of(features, EXTENDED, None)
    targets = {0: target_rows(features, true_classes(features))}
    readers, shortlists = fit_readers({0: source}, targets, {0: ()})
    assert len(readers) == N_READINGS
    left = features.vocabulary.decode(shortlists[0].source.features.candidates).tolist()
    assert "C" not in left
    assert left.count("A") == left.count("seg_fp") == 9


def test_readers_read_other_boxes_as_those_they_were_fitted_to():
    sources, targets = sources_and_targets()
    readers, shortlists = fit_readers(sources, targets, dict.fromkeys(sources, ()))
    for fold, source in sources.items():
        again = read(source, readers, ())
        np.testing.assert_array_equal(again.kept, shortlists[fold].kept)
        np.testing.assert_array_equal(again.source.context.before, shortlists[fold].source.context.before)


def test_every_box_keeps_seg_fp_and_one_right_candidate():
    sources, targets = sources_and_targets()
    readers, shortlists = fit_readers(sources, targets, dict.fromkeys(sources, ()))
    for fold, shortlist in shortlists.items():
        features = shortlist.source.features
        last = features.offsets[1:] - 1
        assert (features.candidates[last] == features.vocabulary.seg_fp).all()
        assert (np.add.reduceat(shortlist.target(targets[fold]), features.offsets[:-1], dtype=int) == 1).all()


def test_scores_of_all_candidates():
    """What was ruled out is hardly probable, in each box, and seg_fp is never ruled out."""
    sources, _ = sources_and_targets(1)
    offsets = sources[0].features.offsets
    kept = np.random.default_rng(2).random(offsets[-1]) < 0.5
    kept[offsets[1:] - 1] = True
    shortlist = unread(sources[0]).keep(kept)
    scores = np.random.default_rng(3).normal(size=kept.sum()).astype(np.float32)
    every = shortlist.spread(scores)
    np.testing.assert_array_equal(every[kept], scores)
    for start, stop in itertools.pairwise(offsets):
        p = np.exp(every[start:stop] - every[start:stop].max())
        assert (p[~kept[start:stop]] < 1e-6).all()


def test_scores_of_no_boxes():
    sources, _ = sources_and_targets(1)
    shortlist = unread(source_of(sources[0].features.take(np.zeros(0, np.int64)), EXTENDED, None))
    assert shortlist.spread(np.zeros(0, np.float32)).tolist() == []


def test_no_readers_change_nothing():
    sources, _ = sources_and_targets(1)
    shortlist = read(sources[0], (), ())
    assert shortlist.source is sources[0]
    assert shortlist.kept.all()
