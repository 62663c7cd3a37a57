from pathlib import Path

import numpy as np
import pytest

from kuzushiji.artifacts import write_detailed
from kuzushiji.report.collect import collect
from kuzushiji.report.model_candidates import final_candidates, held_out_candidates
from tests.tables import make_detailed

LOGITS = [("A", 2.0), ("B", 1.0), ("C", 0.0), ("D", -1.0), ("E", -2.0), ("seg_fp", -3.0)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two folds of a kind: each has a page of its own that is held out, and both have the test page."""
    for fold in (0, 1):
        path = tmp_path / f"clf-fold{fold}"
        path.mkdir()
        write_detailed(path / "detailed.parquet", make_detailed([(f"p{fold}", 0, "A", LOGITS)]))
        swapped = [("B", 4.0), ("A", 0.0)] if fold else [("A", 2.0), ("B", 0.0)]
        write_detailed(path / "test_detailed.parquet", make_detailed([("t", 7, "seg_fp", swapped)]))
    return tmp_path


def test_five_best_of_the_model_that_had_not_seen_the_page(folder: Path) -> None:
    (model,) = held_out_candidates(collect(folder), ["p1"])
    best = model.of_box(("p1", 0), str.lower)
    share = np.exp([value for _, value in LOGITS])
    assert [item.code for item in best] == list("ABCDE") and best[0].char == "a"
    np.testing.assert_allclose([item.probability for item in best], (share / share.sum())[:5], rtol=1e-6)
    assert model.of_box(("p0", 0), str) == []  # a page that was not asked for


def test_the_second_level_has_probabilities_already(folder: Path) -> None:
    (folder / "level2_models").mkdir()
    logits = [("B", float(np.log(0.75))), ("A", float(np.log(0.125)))]
    write_detailed(folder / "level2_models" / "oof.parquet", make_detailed([("p1", 0, "A", logits)]))
    models = held_out_candidates(collect(folder), ["p1"])
    assert [model.name for model in models] == ["clf", "level 2"]
    best = models[1].of_box(("p1", 0), str)
    assert [item.code for item in best] == ["B", "A"]
    assert [item.probability for item in best] == pytest.approx([0.75, 0.125])


def test_folds_are_blended_on_test_pages(folder: Path) -> None:
    (model,), single = final_candidates(collect(folder), ["t"])
    best = model.of_box(("t", 7), str)
    assert [item.code for item in best] == ["B", "A"]
    assert best[0].probability == pytest.approx(1 / (1 + np.exp(-1)))  # mean logits 2 and 1
    assert [model.name for model in single] == ["clf, fold 0", "clf, fold 1"]
    assert [model.of_box(("t", 7), str)[0].code for model in single] == ["A", "B"]


def test_pages_without_boxes_and_folders_without_models(folder: Path, tmp_path: Path) -> None:
    (model,) = held_out_candidates(collect(folder), ["none"])
    assert model.of_box(("none", 0), str) == []
    (tmp_path / "empty").mkdir()
    assert held_out_candidates(collect(tmp_path / "empty"), ["p"]) == []
