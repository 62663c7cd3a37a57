import json
from pathlib import Path

from kuzushiji.report.collect import collect, missing_parts


def test_nothing_is_missing_from_a_run_that_is_over(runs: Path) -> None:
    assert missing_parts(collect(runs), truth_is_known=True) == []


def test_no_runs(tmp_path: Path) -> None:
    (line,) = missing_parts(collect(tmp_path), truth_is_known=True)
    assert line == f"{tmp_path} holds no runs: no folder named segment-fold0, clf-fold0 and so on"


def test_the_truth_of_the_competition_is_not_known(runs: Path) -> None:
    lines = missing_parts(collect(runs), truth_is_known=False)
    assert lines == ["the truth of the test pages is not known: no scores on test pages"]


def test_a_chain_that_has_just_begun(tmp_path: Path) -> None:
    for name in ("segment-fold0", "segment-fold1"):
        (tmp_path / name).mkdir()
    (tmp_path / "segment-fold0" / "metrics.json").write_text(json.dumps({"best": {}}))
    assert missing_parts(collect(tmp_path), truth_is_known=True) == [
        "segment-fold0: the prediction of held-out pages, the prediction of test pages not finished",
        "segment-fold1: training, the prediction of held-out pages, the prediction of test pages not finished",
        "no classifiers yet: nothing was read, so there are no pages, errors and characters to show",
        "the test boxes of all folds are not fused yet",
        "no blends yet",
        "no second level yet: the viewer shows held-out pages",
    ]


def test_a_fold_that_one_kind_lacks(runs: Path) -> None:
    for path in (runs / "clf-fold1").iterdir():
        path.unlink()
    (runs / "clf-fold1").rmdir()
    assert missing_parts(collect(runs), truth_is_known=True) == ["clf: no run of fold 1"]


def test_a_submission_without_probabilities(runs: Path) -> None:
    (runs / "submission_detailed.parquet").unlink()
    (line,) = missing_parts(collect(runs), truth_is_known=True)
    assert line == "submission_detailed.parquet is not there: the viewer shows held-out pages"
