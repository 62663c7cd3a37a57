"""Submissions of the second level."""

import json
from dataclasses import replace

import numpy as np

from kuzushiji.artifacts import read_characters, read_detailed, write_detailed
from kuzushiji.artifacts.features import read_features, write_features
from kuzushiji.classify import level2_features
from kuzushiji.classify.level2.__main__ import main
from kuzushiji.data.labels import read_page_points
from kuzushiji.files import read_json


def test_submission(trained, test_tables, tiny_root, tmp_path):
    output = tmp_path / "submission.csv"
    words = [*test_tables, "--load-model", str(trained), "--output", str(output), "--data-root", str(tiny_root)]
    assert main(words) == 0
    points = read_page_points(output)
    assert points.image_ids == read_page_points(tiny_root / "sample_submission.csv").image_ids
    assert len(points.points) > 10
    rows = read_characters(tmp_path / "submission_detailed.parquet").rows
    assert len(rows) == len(points.points)
    assert rows["probability"].between(0, 1).all()


def test_candidates_of_test_boxes_are_written(trained, test_tables, tiny_root, tmp_path):
    """The best candidate of a box that was read is the character that the submission has, with its probability."""
    output = tmp_path / "submission.csv"
    words = [*test_tables, "--load-model", str(trained), "--output", str(output), "--data-root", str(tiny_root)]
    assert main(words) == 0
    table = read_detailed(tmp_path / "submission_candidates.parquet")
    rows = read_characters(tmp_path / "submission_detailed.parquet").rows
    assert table.pages == read_page_points(output).image_ids
    best = table.boxes.assign(best=table.pred, of_best=np.exp(table.logits[:, 0]))
    both = rows.merge(best, on=["image_id", "box"])
    assert len(both) == len(rows) > 0
    assert (both["code"] == both["best"]).all()
    np.testing.assert_allclose(both["probability"], both["of_best"], rtol=1e-5)


def test_several_views_of_the_test_pages(trained, test_tables, runs, tiny_root, tmp_path):
    """The same view twice says what it says once; views of each fold's models are averaged."""
    by_fold = []
    for fold in range(3):
        by_fold.append(str(tmp_path / f"view{fold}.parquet"))
        kinds = [[str(runs / f"test-fold{fold}-{kind}.parquet")] for kind in "ab"]
        assert level2_features.main([json.dumps(kinds), by_fold[-1], "--top-k", "2"]) == 0
    read = {}
    for name, words in (
        ("once", test_tables),
        ("twice", [*test_tables, test_tables[1]]),
        ("folds", [test_tables[0], *by_fold]),
    ):
        output = tmp_path / f"{name}.csv"
        assert main([*words, "--load-model", str(trained), "--output", str(output), "--data-root", str(tiny_root)]) == 0
        read[name] = read_characters(tmp_path / f"{name}_detailed.parquet").rows
    assert read["once"].equals(read["twice"])
    assert not read["folds"]["probability"].equals(read["once"]["probability"])


def test_pages_without_boxes_end_as_empty_rows(trained, runs, tiny_root, tmp_path):
    detailed = read_detailed(runs / "test-fold0-a.parquet")
    features = read_features(runs / "features-test.parquet")
    for keep, name in ((detailed.boxes["image_id"] == detailed.pages[0], "some"), (detailed.boxes["box"] < 0, "none")):
        rows = np.flatnonzero(keep)
        write_detailed(tmp_path / "d.parquet", detailed.take(rows))
        write_features(tmp_path / "f.parquet", features.take(rows))
        output = tmp_path / f"{name}.csv"
        words = [str(tmp_path / "d.parquet"), str(tmp_path / "f.parquet"), "--load-model", str(trained)]
        assert main([*words, "--output", str(output), "--data-root", str(tiny_root)]) == 0
        points = read_page_points(output)
        assert len(points.image_ids) == 3
        assert set(points.points["image_id"]) <= ({detailed.pages[0]} if name == "some" else set())


def test_pages_that_nobody_looked_at(trained, runs, tiny_root, tmp_path, caplog):
    detailed, features = read_detailed(runs / "test-fold0-a.parquet"), read_features(runs / "features-test.parquet")
    first, rows = detailed.pages[0], np.flatnonzero(detailed.boxes["image_id"] == detailed.pages[0])
    write_detailed(tmp_path / "d.parquet", replace(detailed.take(rows), pages=(first,)))
    write_features(tmp_path / "f.parquet", replace(features.take(rows), pages=(first,)))
    words = [str(tmp_path / "d.parquet"), str(tmp_path / "f.parquet"), "--load-model", str(trained)]
    assert main([*words, "--output", str(tmp_path / "s.csv"), "--data-root", str(tiny_root)]) == 0
    assert "nobody has looked at 2 of the 3 pages of" in caplog.text
    assert f"the first is {detailed.pages[1]}" in caplog.text


def submitted(words, output):
    """The characters of a submission and what its record says it was asked for."""
    assert main([*words, "--output", str(output)]) == 0
    asked = read_json(output.with_name(f"{output.name}.record.json"))["parameters"]
    return read_characters(output.with_name(f"{output.stem}_detailed.parquet")).rows, asked


def test_options_of_training_that_are_given_again(trained, test_tables, tiny_root, tmp_path, caplog):
    """Which libraries, and when a box is no character, count; what trained the model does not, and that is said."""
    words = [*test_tables, "--load-model", str(trained), "--data-root", str(tiny_root)]
    rows, asked = submitted(words, tmp_path / "s.csv")
    assert asked == {"submission": True}
    of_library = {}
    for name in ("xgb", "lgb"):
        of_library[name], asked = submitted([*words, f"--use-{name}", "0"], tmp_path / f"{name}.csv")
        assert asked == {"submission": True, f"use_{name}": False}
    every = [part["probability"].tolist() for part in (rows, *of_library.values())]
    assert every[0] != every[1] != every[2] != every[0]
    probability = sorted(rows["probability"])
    cut = int(np.argmax(np.diff(probability))) + 1
    least = float(probability[cut - 1] + probability[cut]) / 2
    surer, asked = submitted([*words, "--min-probability", str(least)], tmp_path / "surer.csv")
    assert asked == {"submission": True, "min_probability": least}
    assert sorted(surer["probability"]) == probability[cut:]
    fewer, _ = submitted([*words, "--seg-fp-adjust", "20"], tmp_path / "fewer.csv")
    assert len(fewer) < len(rows)
    assert not caplog.records
    same, asked = submitted([*words, "--lr=0.5", "--n-folds", "2", "--threads", "1"], tmp_path / "same.csv")
    assert same.equals(rows) and asked == {"submission": True}
    assert [record.getMessage() for record in caplog.records] == [
        f"{trained} is trained: --lr, --n-folds of training count no more"
    ]
