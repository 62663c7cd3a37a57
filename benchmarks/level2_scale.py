"""Seconds and memory of level 2 at the competition's size, compared with the plain method for one fold.

    PYTHONPATH=. python benchmarks/tables.py SCALE                  # writes them as Parquet, among other things
    PYTHONPATH=. python benchmarks/level2_scale.py SCALE [--plain]  # kept in benchmarks/results/level2_scale.json

Measures the features of five folds and of the test pages, training both libraries across the folds (and where its time
goes, in processor seconds), and the test pages' submission: what level2.sh does. With --plain, fold 0 is also trained
as the reference was: the spec's calls of LightGBM and XGBoost on the whole table as pandas has it, stopped early by the
loss on fold 0; its cost is kept in SCALE/benchmark/plain.json and reported from there the next time. Log loss is that
of rows, the mean over all candidates of all boxes of fold 0, which the plain method minimises.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from measure import machine, measured

KINDS = ("", "-wsl8d-mt256-frozen", "-wsl8d-mt256-frozen-pseudo", "-wsl8d-mt256-frozen-pseudo-ft")
FOLDS = range(5)
LIGHTGBM = {
    "objective": "binary", "learning_rate": 0.05, "num_leaves": 41, "bagging_fraction": 0.8, "bagging_freq": 5,
    "feature_fraction": 0.9, "min_data_in_leaf": 20, "scale_pos_weight": 1.2, "lambda_l2": 1, "verbose": -1,
}  # fmt: skip
XGBOOST = {"objective": "binary:logistic", "eta": 0.15, "max_depth": 8, "gamma": 0.01, "eval_metric": "logloss"}
ROUNDS, PATIENCE = 400, 20
WHERE_TIME_GOES = """
import json, sys, time
from kuzushiji.classify.level2 import __main__ as level2, cross_fitting, report, train
parts = {}
def timed(module, name):
    work = getattr(module, name)
    def measured(*given, **named):
        wall, busy = time.perf_counter(), time.process_time()
        result = work(*given, **named)
        took = parts.setdefault(name.strip("_"), {"seconds": 0.0, "processor_seconds": 0.0})
        took["seconds"] += time.perf_counter() - wall
        took["processor_seconds"] += time.process_time() - busy
        return result
    setattr(module, name, measured)
timed(train, "prepare")
for name in ("fit_readers", "read", "_sampled_rows", "fit_linear_start", "_boost", "_scores_of"):
    timed(cross_fitting, name)
timed(report, "fold_choices"), timed(report, "score_folds"), timed(train, "save")
level2.main(sys.argv[3:])
rounded = {name: {what: round(value, 1) for what, value in took.items()} for name, took in parts.items()}
open(sys.argv[1], "w").write(json.dumps(rounded))
"""
"""A program that runs level 2 and writes what its parts take."""


def tables(scale: Path, name: str, folds: list[int]) -> str:
    """Return the groups of tables of four kinds as JSON."""
    runs = scale / "_runs"
    return json.dumps([[str(runs / f"clf-fold{fold}{kind}/{name}.parquet") for fold in folds] for kind in KINDS])


def measure_ours(scale: Path, out: Path) -> dict[str, Any]:
    """Run what level2.sh runs."""
    from kuzushiji.artifacts.features import read_features

    root, features, report = out / "data", "kuzushiji.classify.level2_features", {}
    for fold in FOLDS:
        words = ["-m", features, tables(scale, "detailed", [fold]), str(out / f"features{fold}.parquet"), "--force"]
        rows = pq.read_metadata(scale / f"_runs/clf-fold{fold}/detailed.parquet").num_rows
        report[f"features, fold {fold}"] = measured(words, rows)
        words = ["-m", features, tables(scale, "test_detailed", [fold]), str(out / f"test{fold}.parquet"), "--force"]
        report[f"features, test pages, models of fold {fold}"] = measured(words)
    level2 = ["-m", "kuzushiji.classify.level2", "--data-root", str(root), "--force"]
    detailed = [str(scale / f"_runs/clf-fold{fold}/detailed.parquet") for fold in FOLDS]
    by_fold = [str(out / f"features{fold}.parquet") for fold in FOLDS]
    words = [*level2[1:], *detailed, *by_fold, "--save-model", str(out / "model")]
    report["training, five folds"] = measured(
        ["-c", WHERE_TIME_GOES, str(out / "parts.json"), *words],
        sum(len(read_features(Path(path)).candidates) for path in by_fold),
    )
    report["training, five folds"]["parts"] = json.loads((out / "parts.json").read_text())
    test = [str(scale / "_runs/clf-fold0/test_detailed.parquet"), *(str(out / f"test{fold}.parquet") for fold in FOLDS)]
    words = [*level2, *test, "--load-model", str(out / "model"), "--output", str(out / "submission.csv")]
    report["submission"] = measured(words)
    report["all"] = {"seconds": round(sum(part["seconds"] for part in report.values()), 1)}
    return report


def prepare_root(scale: Path, out: Path) -> None:
    """Make a data root whose sample has the pages of the test tables: those of fold 0."""
    from kuzushiji.artifacts import read_detailed

    (out / "data").mkdir(parents=True, exist_ok=True)
    pages = read_detailed(scale / "_runs/clf-fold0/test_detailed.parquet").pages
    pd.DataFrame({"image_id": pages, "labels": ""}).to_csv(out / "data/sample_submission.csv", index=False)
    link = out / "data/train.csv"
    if not link.exists():
        link.symlink_to((scale / "data/train.csv").resolve())


def fold_parts(out: Path, fold: int) -> tuple[pd.DataFrame, np.ndarray]:
    """Return the reference's table of a fold, and which rows are right."""
    from kuzushiji.artifacts.features import read_features
    from kuzushiji.classify.level2.columns import reference_table
    from kuzushiji.classify.level2.cross_fitting import target_rows
    from kuzushiji.classify.level2.tables import true_classes

    features = read_features(out / f"features{fold}.parquet")
    table = reference_table(features)
    return pd.DataFrame(table.values, columns=list(table.names)), target_rows(features, true_classes(features))


def quality(out: Path, probability: np.ndarray, name: str) -> dict[str, float]:
    """Return log loss of the rows and F1 of fold 0."""
    from kuzushiji.artifacts.features import read_features
    from kuzushiji.classify.level2.choice import choose
    from kuzushiji.classify.level2.cross_fitting import target_rows
    from kuzushiji.classify.level2.tables import true_classes
    from kuzushiji.data.labels import PageLabels, read_page_labels
    from kuzushiji.scoring import score_classes

    features = read_features(out / "features0.parquet")
    right = target_rows(features, true_classes(features))
    p = np.clip(probability.astype(np.float64), 1e-15, 1 - 1e-15)
    loss = -np.where(right, np.log(p), np.log1p(-p)).mean()
    codes = features.vocabulary.decode(choose(features.candidates, features.offsets, probability).classes)
    boxes = features.boxes[["image_id", "box", "x", "y", "w", "h"]].assign(code=codes)
    truth = read_page_labels(out / "data/train.csv").of_pages(features.pages)
    return {f"log loss, {name}": float(loss), f"F1, {name}": score_classes(truth, PageLabels(features.pages, boxes)).f1}


def plain(out: Path) -> dict[str, Any]:
    """Train fold 0 as the reference was trained."""
    import lightgbm as lgb
    import xgboost as xgb

    started = time.perf_counter()
    valid, valid_right = fold_parts(out, 0)
    parts = [fold_parts(out, fold) for fold in FOLDS if fold]
    train = pd.concat([part for part, _ in parts], ignore_index=True)
    right = np.concatenate([target for _, target in parts])
    del parts
    prepared = time.perf_counter()
    dataset = lgb.Dataset(train, right)
    booster = lgb.train(
        LIGHTGBM, dataset, ROUNDS, valid_sets=[lgb.Dataset(valid, valid_right, reference=dataset)],
        callbacks=[lgb.early_stopping(PATIENCE, verbose=False)],
    )  # fmt: skip
    p_lightgbm = booster.predict(valid, num_iteration=booster.best_iteration)
    boosted = time.perf_counter()
    watched = xgb.DMatrix(valid, valid_right)
    trees = xgb.train(
        XGBOOST, xgb.DMatrix(train, right), ROUNDS, evals=[(watched, "valid")], early_stopping_rounds=PATIENCE,
        verbose_eval=False,
    )  # fmt: skip
    p_xgboost = trees.predict(watched, iteration_range=(0, trees.best_iteration + 1))
    finished = time.perf_counter()
    return {
        "rows": len(train),
        "seconds, table": round(prepared - started, 1),
        "seconds, lightgbm": round(boosted - prepared, 1),
        "seconds, xgboost": round(finished - boosted, 1),
        "processor_seconds": round(time.process_time(), 1),
        "rounds": {"lightgbm": booster.best_iteration, "xgboost": trees.best_iteration + 1},
        **quality(out, ((p_lightgbm + p_xgboost) / 2).astype(np.float32), "plain"),
    }


def ours_on_fold_0(out: Path) -> dict[str, float]:
    """Return the quality of our models of fold 0 on fold 0, which they have not seen."""
    from kuzushiji.artifacts.features import read_features
    from kuzushiji.classify.level2.choice import mean_probability
    from kuzushiji.classify.level2.columns import source_of
    from kuzushiji.classify.level2.cross_fitting import fold_scores
    from kuzushiji.classify.level2.saving import load_model

    model = load_model(out / "model")
    features = read_features(out / "features0.parquet")
    source = source_of(features, model.feature_set, model.language)
    scores = fold_scores(model.folds[0], source, {0})
    return quality(out, mean_probability(list(scores.values()), features.offsets, model.objective), "ours")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scale", type=Path)
    parser.add_argument("--plain", action="store_true", help="also train fold 0 in the plain way")
    parser.add_argument(
        "--only-plain", action="store_true", help="only that: its own process, so that memory is its own"
    )
    args = parser.parse_args()
    out: Path = args.scale / "benchmark"
    if args.only_plain:
        (out / "plain.json").write_text(json.dumps(plain(out)))
        return
    prepare_root(args.scale, out)
    report: dict[str, Any] = {"machine": machine(), **measure_ours(args.scale, out), **ours_on_fold_0(out)}
    kept = out / "plain.json"
    if args.plain:
        took = measured([__file__, str(args.scale), "--only-plain"])
        kept.write_text(json.dumps(took | json.loads(kept.read_text())))
    if kept.exists():
        report["plain, one fold"] = json.loads(kept.read_text())
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
