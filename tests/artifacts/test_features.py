"""Features of the second level: both ways, joined, and refused when they contradict themselves."""

from dataclasses import fields, replace

import numpy as np
import pandas as pd
import pytest

from kuzushiji.artifacts.features import concat_features, read_features, write_features
from kuzushiji.classify.level2.candidates import build_features
from kuzushiji.errors import InputError
from tests.tables import random_detailed


def make(seed=0, top_k=2):
    table = random_detailed(np.random.default_rng(seed))
    return build_features([table, table.top(4)], [["a"], ["b"]], {"a": "1", "b": "2"}, top_k)


def assert_same(a, b):
    for field in fields(a):
        left, right = getattr(a, field.name), getattr(b, field.name)
        if isinstance(left, pd.DataFrame):
            pd.testing.assert_frame_equal(left, right, check_dtype=False)
        elif isinstance(left, np.ndarray):
            np.testing.assert_array_equal(left, right)
        else:
            assert left == right


def test_both_ways(tmp_path):
    features = make()
    write_features(tmp_path / "f.parquet", features)
    assert_same(read_features(tmp_path / "f.parquet"), features)


def test_without_boxes(tmp_path):
    features = make().take(np.zeros(0, np.int64))
    write_features(tmp_path / "f.parquet", features)
    assert_same(read_features(tmp_path / "f.parquet"), features)


def test_key_is_unique():
    features = make()
    key = features.boxes.iloc[features.box_of_candidate][["image_id", "box"]].assign(candidate=features.candidates)
    assert not key.duplicated().any()


def test_taking_boxes_takes_their_candidates():
    features = make()
    rows = np.array([3, 0])
    taken = features.take(rows)
    for new, old in enumerate(rows):
        there = slice(features.offsets[old], features.offsets[old + 1])
        here = slice(taken.offsets[new], taken.offsets[new + 1])
        assert taken.candidates[here].tolist() == features.candidates[there].tolist()
        np.testing.assert_array_equal(taken.candidate_logits[here], features.candidate_logits[there])


def test_concat():
    features = make()
    page = features.boxes["image_id"].to_numpy()
    first = features.take(np.flatnonzero(page == features.pages[0]))
    rest = features.take(np.flatnonzero(page != features.pages[0]))
    first, rest = replace(first, pages=features.pages[:1]), replace(rest, pages=features.pages[1:])
    assert_same(concat_features([first, rest], ["a", "b"]), features)
    with pytest.raises(InputError, match="expected pages of its own, got a page that a has"):
        concat_features([first, features], ["a", "b"])
    with pytest.raises(InputError, match="b: expected features with top_k 2 as a, got 1"):
        concat_features([first, make(top_k=1)], ["a", "b"])
    with pytest.raises(InputError, match="expected at least one"):
        concat_features([], [])


FIRST, AT = "page book0_0, box 0", "page book0_0, box 4"
NOT_THERE = "a best class of a group is no candidate, or has another logit as one"


def at(values, value):
    """The same numbers with another one in box 4, of the second group where there are groups."""
    changed = values.copy()
    changed[(4, 1, 0)[: values.ndim]] = value
    return changed


def with_box(features, **columns):
    boxes = features.boxes.copy()
    for name, value in columns.items():
        boxes.loc[4, name] = value
    return replace(features, boxes=boxes)


# What is damaged, and what the message says.
DAMAGED = [
    (lambda f: replace(f, candidates=f.candidates + 1), f"{FIRST}: a candidate is no class up to 9"),
    (lambda f: replace(f, candidates=f.candidates - 1), "page book0_0, box 3: a candidate is no class up to 9"),
    (lambda f: replace(f, candidates=np.minimum(f.candidates, 8)), f"{FIRST}: it lacks the candidate seg_fp"),
    (lambda f: replace(f, candidates=np.maximum(f.candidates, 9)), f"{FIRST}: its candidates are not in ascending"),
    (lambda f: replace(f, overlap=at(f.overlap, np.nan)), f"{AT}: a number in overlap is NaN or infinite"),
    (lambda f: replace(f, log_sum=at(f.log_sum, np.nan)), f"{AT}: a number in log_sum is NaN or infinite"),
    (lambda f: replace(f, top_logits=at(f.top_logits, np.inf)), f"{AT}: a number in top_logits is NaN or infinite"),
    (lambda f: replace(f, candidate_logits=f.candidate_logits + np.inf), f"{FIRST}: a candidate's logit is infinite"),
    (lambda f: replace(f, candidate_logits=f.candidate_logits * np.nan), f"{FIRST}: {NOT_THERE}"),
    (lambda f: replace(f, top_logits=at(f.top_logits, 99)), f"{AT}: {NOT_THERE}"),
    (lambda f: replace(f, top_classes=at(f.top_classes, 99)), f"{AT}: {NOT_THERE}"),
    (lambda f: replace(f, top_classes=at(f.top_classes, f.top_classes[4, 1, 1])), f"{AT}: {NOT_THERE}"),
    (lambda f: with_box(f, image_id="book0_0", box=1), "page book0_0, box 1: it comes twice"),
    (lambda f: with_box(f, x=np.nan), f"{AT}: a corner or size is no finite number"),
    (lambda f: with_box(f, y=-np.inf), f"{AT}: a corner or size is no finite number"),
    (lambda f: with_box(f, h=-1.0), f"{AT}: a corner or size is no finite number"),
]


@pytest.mark.parametrize(("damage", "message"), DAMAGED)
def test_damaged_features_are_refused(tmp_path, damage, message):
    write_features(tmp_path / "f.parquet", damage(make()))
    with pytest.raises(InputError, match=f"f.parquet: expected a table of level2_features, .*: {message}"):
        read_features(tmp_path / "f.parquet")


def test_other_names_than_parquet(tmp_path):
    with pytest.raises(InputError, match=r"expected a name that ends in \.parquet"):
        write_features(tmp_path / "f.csv", make())
