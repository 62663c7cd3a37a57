"""Training across the folds: no box is scored by a model that has seen its truth."""

import json
from dataclasses import replace

import numpy as np

from kuzushiji.artifacts import read_detailed, write_detailed
from kuzushiji.classify import level2_features
from kuzushiji.classify.candidates import build_features
from kuzushiji.classify.level2 import training
from kuzushiji.classify.level2.__main__ import main
from kuzushiji.classify.level2.model import load_model
from kuzushiji.classify.level2.training import rounds_without, target_rows
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
    monkeypatch.setattr(training, "rounds_without", lambda best, left_out: 9)
    assert main([*words, str(tmp_path / "longer")]) == 0
    for fold in range(3):
        once, longer = (read_json(tmp_path / name / f"fold{fold}.xgb.json") for name in ("once", "longer"))
        before, after = (model["learner"]["gradient_booster"]["model"]["trees"] for model in (once, longer))
        assert len(before) < 9 == len(after)
        for few, many in zip(before, after, strict=False):
            np.testing.assert_allclose(few["split_conditions"], many["split_conditions"], rtol=1e-4)


def test_fault_9_rounds_of_a_fold_do_not_depend_on_its_truth(tables, runs, tiny_root, tmp_path):
    """With another truth on fold 0, the rounds used for fold 0 may not change: its models never saw it."""
    shuffled = read_detailed(runs / "fold0-a.parquet")
    truth = np.roll(shuffled.boxes["true"].to_numpy(object), 1)
    changed = replace(shuffled, boxes=shuffled.boxes.assign(true=truth.astype(str)))
    write_detailed(tmp_path / "fold0.parquet", changed)
    level2_features.main(
        [json.dumps([[str(tmp_path / "fold0.parquet")]]), str(tmp_path / "f0.parquet"), "--top-k", "2"]
    )
    # One kind of models, so that the features of the changed table match those of the others.
    others = []
    for fold in range(3):
        others.append(str(runs / f"fold{fold}-a.parquet"))
        level2_features.main([json.dumps([others[-1:]]), str(tmp_path / f"g{fold}.parquet"), "--top-k", "2"])
    plain = [*others, *(str(tmp_path / f"g{fold}.parquet") for fold in range(3))]
    changed = [str(tmp_path / "fold0.parquet"), *plain[1:3], str(tmp_path / "f0.parquet"), *plain[4:]]
    start = []
    for name, words in (("plain", plain), ("changed", changed)):
        main([*words, "--save-model", str(tmp_path / name), "--data-root", str(tiny_root), "--n-folds", "3",
              "--num-boost-round", "1"])  # fmt: skip
        start.append(load_model(tmp_path / name))
    # The model of fold 0 is the same, those of the others are not.
    same = [
        np.array_equal(a.start.weights, b.start.weights) for a, b in zip(start[0].folds, start[1].folds, strict=True)
    ]
    assert same == [True, False, False]
    assert (tmp_path / "plain/fold0.lgb.txt").read_text() == (tmp_path / "changed/fold0.lgb.txt").read_text()
