"""Training across the folds: no box is scored by a model that has seen its truth."""

import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from kuzushiji.artifacts import read_detailed, write_detailed
from kuzushiji.artifacts.features import read_features, write_features
from kuzushiji.classify.level2 import cross_fitting
from kuzushiji.classify.level2.__main__ import main
from kuzushiji.classify.level2.boosting import Recipe
from kuzushiji.classify.level2.candidates import build_features
from kuzushiji.classify.level2.columns import source_of
from kuzushiji.classify.level2.config import EXTENDED, SOFTMAX
from kuzushiji.classify.level2.cross_fitting import Level2Training, rounds_without, target_rows, train_across_folds
from kuzushiji.classify.level2.ngrams import count_ngrams
from kuzushiji.classify.level2.saving import load_model
from kuzushiji.classify.level2.tables import true_classes
from kuzushiji.data.folds import assign_folds
from kuzushiji.files import read_json
from tests.tables import make_detailed


def test_a_true_class_that_nobody_proposes_becomes_seg_fp():
    table = make_detailed([("p", i, true, [("A", 4.0), ("B", 3.0)]) for i, true in enumerate(["B", "E", "seg_fp"])])
    features = build_features([table], [["a"]], {}, 2)
    right = target_rows(features, table.vocabulary.encode(table.boxes["true"]))
    # Rows A, B, seg_fp of each of the three boxes.
    assert right.tolist() == [False, True, False, False, False, True, False, False, True]


def test_fault_9_rounds_come_from_the_other_folds():
    assert [rounds_without([10, 20, 60], fold) for fold in range(3)] == [40, 35, 15]


def test_a_fold_that_stopped_too_early_is_trained_longer(tables, tiny_root, tmp_path, monkeypatch, fast):
    """The same trees as before, and more: also where the fold's own pages said that it was enough."""
    words = [*tables, *fast, "--data-root", str(tiny_root), "--save-model"]
    assert main([*words, str(tmp_path / "once")]) == 0
    monkeypatch.setattr(cross_fitting, "rounds_without", lambda best, left_out: 9)
    assert main([*words, str(tmp_path / "longer")]) == 0
    for fold in range(3):
        once, longer = (read_json(tmp_path / name / f"fold{fold}.xgb.json") for name in ("once", "longer"))
        before, after = (model["learner"]["gradient_booster"]["model"]["trees"] for model in (once, longer))
        assert len(before) < 9 == len(after)
        for few, many in zip(before, after, strict=False):
            np.testing.assert_allclose(few["split_conditions"], many["split_conditions"], rtol=1e-4)


@pytest.fixture
def other_truth(tables, runs, tiny_root, tmp_path):
    """The tables and the data root with every character of fold 0 another one; boxes and predictions are the same."""
    root = shutil.copytree(tiny_root, tmp_path / "root")
    detailed, features = read_detailed(runs / "fold0-a.parquet"), read_features(runs / "features0.parquet")
    codes = detailed.vocabulary.codes[: detailed.vocabulary.seg_fp]
    other = dict(zip(codes, np.roll(codes, 1), strict=True))

    def changed(boxes):
        return boxes.assign(true=boxes["true"].map(lambda code: other.get(code, code)))

    write_detailed(tmp_path / "fold0.parquet", replace(detailed, boxes=changed(detailed.boxes)))
    write_features(tmp_path / "features0.parquet", replace(features, boxes=changed(features.boxes)))
    truth = pd.read_csv(root / "train.csv", keep_default_na=False)
    rows = truth["image_id"].isin(detailed.pages)
    words = truth.loc[rows, "labels"].str.split()
    truth.loc[rows, "labels"] = words.map(lambda page: " ".join(other.get(word, word) for word in page))
    truth.to_csv(root / "train.csv", index=False)
    return [str(tmp_path / "fold0.parquet"), *tables[1:3], str(tmp_path / "features0.parquet"), *tables[4:]], root


def test_fault_9_nothing_said_of_a_fold_depends_on_its_truth(tables, other_truth, tiny_root, tmp_path, monkeypatch):
    """With another truth of fold 0, in the tables and in train.csv, its models are the same and say the same of it.

    The number of rounds is given: it comes from the models of the other folds, which were trained on fold 0.
    """
    monkeypatch.setattr(cross_fitting, "rounds_without", lambda best, left_out: 6)  # more than were trained at first
    folders = tmp_path / "plain", tmp_path / "changed"
    for folder, (words, root) in zip(folders, ((tables, tiny_root), other_truth), strict=True):
        words = [*words, "--save-model", str(folder), "--data-root", str(root), "--n-folds", "3"]
        assert main([*words, "--num-boost-round", "4"]) == 0
    models, read = list(map(load_model, folders)), [read_detailed(folder / "oof.parquet") for folder in folders]
    fold_of = read[0].boxes["image_id"].map(assign_folds(read[0].pages, 3))
    linear, trees, said = [], [], []
    for fold in range(3):
        before, after = (model.folds[fold] for model in models)
        starts = [[linear.weights.tolist() for linear in (*one.readers, one.start)] for one in (before, after)]
        files = [[path.read_bytes() for path in sorted(folder.glob(f"fold{fold}.*"))] for folder in folders]
        rows = np.flatnonzero(fold_of == fold)
        logits = [table.logits[rows] for table in read]
        classes = [table.classes[rows] for table in read]
        linear.append(starts[0] == starts[1])
        trees.append(files[0] == files[1])
        said.append(np.array_equal(*logits) and np.array_equal(*classes))
    # The other folds' models were trained on fold 0.
    assert linear == trees == said == [True, False, False]


def rows_of_text(page, text):
    """Rows of `make_detailed` for a page with these characters, of which the models know little."""
    rng = np.random.default_rng(sum(map(ord, page)))
    rows = []
    for box, true in enumerate(text):
        logits = rng.normal(0, 1, 5) + 0.5 * (np.array([*"ABCDE"]) == true)
        rows.append((page, box, true, sorted(zip("ABCDE", logits, strict=True), key=lambda item: -item[1])))
    return rows


def test_language_of_a_fold_says_nothing_of_it(monkeypatch):
    """Everywhere E follows D, D follows C and so on, but on most pages of fold 0 it may be the other way round."""
    monkeypatch.setattr(cross_fitting, "rounds_without", lambda best, left_out: 2)
    how = Level2Training({"xgboost": Recipe(SOFTMAX, 2, 0, 0.3)}, readings=2, max_rows=10**6, seed=0, threads=1)
    tables = [make_detailed(rows_of_text(f"{fold}", "ABCDE" * 10)) for fold in range(3)]
    features = [build_features([table], [["a"]], {}, 5) for table in tables]
    targets = {fold: target_rows(part, true_classes(part)) for fold, part in enumerate(features)}
    outcomes = []
    for text in ("ABCDE" * 10, "EDCBA" * 10):
        pages = [rows_of_text(f"{fold}", "ABCDE" * 10) for fold in range(3)]
        pages += [rows_of_text(f"0-{number}", text) for number in range(4)]
        truth = make_detailed([row for page in pages for row in page])
        labels = truth.labels(truth.boxes["true"].to_numpy(object))
        folds = np.array([int(page[0]) for page in labels.image_ids], np.int32)
        language = count_ngrams(labels, folds, 3, truth.vocabulary)
        sources = {fold: source_of(part, EXTENDED, language) for fold, part in enumerate(features)}
        outcomes.append(train_across_folds(sources, targets, how))
    same = [np.array_equal(a.scores["xgboost"], b.scores["xgboost"]) for a, b in zip(*outcomes, strict=True)]
    assert same == [True, False, False]
