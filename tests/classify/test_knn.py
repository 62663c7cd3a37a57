"""Nearest neighbours: by hand, against the literal rule, from saved features to level 2, and what is refused."""

import json
from dataclasses import replace

import numpy as np
import pytest

from kuzushiji import cli
from kuzushiji.artifacts import write_detailed
from kuzushiji.artifacts.extra import read_extra
from kuzushiji.artifacts.features import write_features
from kuzushiji.artifacts.head_features import HeadFeatures, read_head_features, write_head_features
from kuzushiji.classify.knn import Gallery, columns_of, main
from kuzushiji.classify.level2.candidates import build_features
from tests.tables import make_detailed, random_detailed


def features_of(rows):
    return build_features([make_detailed(rows)], [["a"]], {}, 2)


def test_by_hand():
    # One box with the candidates A, B, seg_fp; the gallery has two A, one B, one C.
    features = features_of([("p", 0, "A", [("A", 2.0), ("B", 1.0)])])
    gallery = Gallery.of(np.array([[1, 0], [0, 3], [3, 4], [-1, 0]], float), np.array([0, 1, 0, 2], np.int32))
    columns, nearest = columns_of(np.array([[2.0, 0.0]]), gallery, features, 2, 8)
    np.testing.assert_allclose(columns["similarity"], [1, 0, np.nan])
    np.testing.assert_allclose(columns["lead"], [1, -1, np.nan])
    np.testing.assert_allclose(columns["votes"], [1, 0, 0])
    assert nearest.tolist() == [0]


@pytest.mark.parametrize("block", [1, 3, 100])
def test_against_the_literal_rule(block):
    rng = np.random.default_rng(0)
    table = random_detailed(rng)
    features = build_features([table], [["a"]], {}, 3)
    queries, known = rng.normal(size=(len(table), 4)), rng.normal(size=(30, 4))
    classes = rng.integers(0, 6, 30).astype(np.int32)
    columns, nearest = columns_of(queries, Gallery.of(known, classes), features, 5, block)
    row = 0
    for box, query in enumerate(queries):
        cosine = known @ query / np.linalg.norm(known, axis=1) / np.linalg.norm(query)
        near = classes[np.argsort(-cosine)[:5]]
        assert nearest[box] == classes[cosine.argmax()]
        for candidate in features.candidates[features.offsets[box] : features.offsets[box + 1]]:
            same = classes == candidate
            if same.any():
                assert columns["similarity"][row] == pytest.approx(cosine[same].max(), abs=1e-5)
                assert columns["lead"][row] == pytest.approx(cosine[same].max() - cosine[~same].max(), abs=1e-5)
            else:
                assert np.isnan(columns["similarity"][row])
            assert columns["votes"][row] == pytest.approx((near == candidate).mean())
            row += 1


def test_a_gallery_of_one_class():
    features = features_of([("p", 0, "A", [("A", 2.0), ("B", 1.0)])])
    columns, _ = columns_of(np.ones((1, 2)), Gallery.of(np.ones((1, 2)), np.zeros(1, np.int32)), features, 20, 8)
    np.testing.assert_allclose(columns["lead"], [2, np.nan, np.nan], atol=1e-6)


def test_without_boxes():
    features = features_of([("p", 0, "A", [("A", 2.0), ("B", 1.0)])]).take(np.zeros(0, np.int64))
    columns, nearest = columns_of(np.zeros((0, 2)), Gallery.of(np.ones((1, 2)), np.zeros(1, np.int32)), features, 3, 8)
    assert all(len(values) == 0 for values in (*columns.values(), nearest))


@pytest.fixture
def folder(tmp_path):
    """Features of two boxes, their head features and those of three training characters."""
    table = make_detailed([("p", i, code, [("A", 2.0), ("B", 1.0)]) for i, code in enumerate("AB")])
    write_features(tmp_path / "f.parquet", build_features([table], [["a"]], {}, 2))
    vectors = np.array([[1, 0], [0, 1]], np.float16)
    write_head_features(tmp_path / "q.parquet", HeadFeatures(table.boxes, vectors, table.vocabulary))
    known = make_detailed([("train", i, code, [("A", 1.0)]) for i, code in enumerate("ABB")])
    vectors = np.array([[1, 0.1], [0, 1], [0, -1]], np.float16)
    write_head_features(tmp_path / "g.parquet", HeadFeatures(known.boxes, vectors, known.vocabulary))
    return tmp_path


def words(folder, **other):
    names = {"features": "f", "queries": "q", "gallery": "g"} | other
    paths = {name: str(folder / f"{file}.parquet") for name, file in names.items()}
    return [
        paths["features"],
        str(folder / "knn.parquet"),
        "--queries",
        paths["queries"],
        "--gallery",
        paths["gallery"],
    ]


def test_columns_are_written(folder, capsys, caplog):
    caplog.set_level("INFO")
    assert main(words(folder)) == 0
    assert capsys.readouterr().out.splitlines() == ["boxes          2", "gallery        3", "nearest_right  1.0000"]
    extra = read_extra(folder / "knn.parquet")
    assert list(extra.columns) == ["knn_similarity", "knn_lead", "knn_votes"]
    assert extra.columns["knn_similarity"][0] == pytest.approx(1 / np.hypot(1, 0.1), rel=1e-3)
    assert main(words(folder)) == 0
    assert "already done, skipped" in caplog.text
    assert main([*words(folder), "--force", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"boxes": 2, "gallery": 3, "nearest_right": 1.0}


def test_where_the_truth_is_not_known_the_nearest_is_neither_right_nor_wrong(folder, capsys):
    table = make_detailed([("p", i, "seg_fp", [("A", 2.0), ("B", 1.0)]) for i in range(2)])
    write_features(folder / "test.parquet", build_features([table], [["a"]], {}, 2))
    queries = HeadFeatures(table.boxes, np.eye(2, dtype=np.float16), table.vocabulary)
    write_head_features(folder / "test-q.parquet", queries)
    assert main(words(folder, features="test", queries="test-q")) == 0
    assert capsys.readouterr().out.splitlines() == ["boxes    2", "gallery  3"]


def test_queries_in_another_order(folder):
    assert main(words(folder)) == 0
    first = read_extra(folder / "knn.parquet")
    queries = read_head_features(folder / "q.parquet")
    turned = replace(queries, boxes=queries.boxes.iloc[::-1].reset_index(drop=True), vectors=queries.vectors[::-1])
    write_head_features(folder / "q.parquet", turned)
    assert main(words(folder)) == 0
    again = read_extra(folder / "knn.parquet")
    np.testing.assert_array_equal(first.columns["knn_votes"], again.columns["knn_votes"])


def test_bad_input(folder, capsys):
    queries, gallery = read_head_features(folder / "q.parquet"), read_head_features(folder / "g.parquet")
    write_head_features(folder / "wide.parquet", replace(gallery, vectors=np.ones((3, 5), np.float16)))
    write_head_features(folder / "nan.parquet", replace(gallery, vectors=np.full((3, 2), np.nan, np.float16)))
    none = replace(gallery, boxes=gallery.boxes[:0], vectors=gallery.vectors[:0])
    write_head_features(folder / "none.parquet", none)
    write_head_features(
        folder / "fewer.parquet", replace(queries, boxes=queries.boxes[:1], vectors=queries.vectors[:1])
    )
    other = make_detailed([("train", 0, "A", [("A", 1.0)])], codes="ABCDEF")
    write_head_features(
        folder / "other.parquet", HeadFeatures(other.boxes, np.ones((1, 2), np.float16), other.vocabulary)
    )
    write_detailed(folder / "detailed.parquet", other)
    # Words of the command line, exit code, part of the one line on standard error.
    table = [
        (words(folder, gallery="wide"), 1, "expected 2 features a box"),
        (words(folder, gallery="nan"), 1, "expected finite features"),
        (words(folder, gallery="none"), 1, "expected characters to compare with, got none"),
        (words(folder, gallery="q"), 1, "expected other pages than those to read, got page p"),
        (words(folder, gallery="other"), 1, "other.parquet: expected the vocabulary of 6 codes, got another of 7"),
        (words(folder, queries="fewer"), 1, "f.parquet, got none"),
        (words(folder, queries="detailed"), 1, "expected a table of kind head_features"),
        (words(folder, features="q"), 1, "expected a table of kind level2_features"),
        (words(folder, features="missing"), 1, "missing.parquet"),
        ([words(folder)[0], str(folder / "knn.csv"), *words(folder)[2:]], 1, "expected a name that ends in .parquet"),
        (words(folder)[:-2], 2, "--gallery"),
        ([*words(folder), "--neighbours", "0"], 2, "--neighbours"),
    ]
    for given, code, message in table:
        with pytest.raises(SystemExit) as stopped:
            cli.run(main, given)
        error = capsys.readouterr().err
        assert (stopped.value.code, message in error, len(error.strip().splitlines())) == (code, True, 1), (
            given,
            error,
        )
