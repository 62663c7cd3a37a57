"""Gain and cost of nearest neighbours and of a language model as extra columns of level 2.

    PYTHONPATH=. python benchmarks/extra_columns.py WORK RUN... [--name NAME...] [--output JSON]

RUN is a folder of a run of the chain with its data root in RUN/books, such as those of several seeds; nothing is
written there. By the commands that a user would type, in WORK: the features of the first classifier's head
(`kuzushiji.classify.main --save-features 1`), the columns of `kuzushiji.classify.knn`, those of `kuzushiji.lm` with the
neighbours as predicted by the run's level 2, and a level 2 with either, to compare with the run's own. Prints
JSON: for each run and variant F1 out of fold and on the test pages, and for each command processor seconds and
memory. Nothing is selected by the F1 of test pages. Results that are in --output already are not measured again.
"""

import argparse
import json
import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from measure import machine, measured

from kuzushiji.data.labels import read_page_labels, read_page_points
from kuzushiji.metric import score_points

LEVEL2 = "--num-boost-round 200 --min-probability auto --threads 1"
"""As in profiles/demo.env; one thread, since threads that wait for each other on a busy machine cost seconds."""


@dataclass(frozen=True)
class Run:
    """A finished run and where to work on it."""

    folder: Path
    work: Path
    n_folds: int
    level2: tuple[str, ...]

    @property
    def root(self) -> Path:
        """The data root."""
        return self.folder / "books"

    def features(self) -> list[Path]:
        """The features of the held-out pages by fold, then those of the test pages."""
        names = [f"level2_features_{test}fold{fold}" for test in ("", "test_") for fold in range(self.n_folds)]
        return [self.folder / f"{name}.parquet" for name in names]

    def extra(self, name: str) -> list[Path]:
        """The extra columns of each of these."""
        return [self.work / path.name.replace("level2_features", name) for path in self.features()]

    def call(self, module: str, *words: object) -> dict[str, float]:
        """Run a command on this data root and return what it took."""
        return measured(["-m", f"kuzushiji.{module}", *map(str, words), "--data-root", str(self.root)])


def head_features(run: Run) -> dict[str, float]:
    """Save the features of the first classifier's head; with that goes a prediction of the test pages."""
    took = []
    for fold in range(run.n_folds):
        model = run.folder / f"clf-fold{fold}"
        trained = json.loads((model / "params.json").read_text())
        words = [
            run.folder / "segment_clf_gt.csv", "--output-dir", run.work / model.name, "--fold", fold,
            "--n-folds", run.n_folds, "--submission", "--resume", model / "model_best.pth", "--save-features", 1,
            "--opt-level", trained["opt_level"], "--n-tta", trained["n_tta"], "--threads", trained["threads"],
        ]  # fmt: skip
        took.append(run.call("classify.main", *words))
    return together(took)


def neighbours(run: Run) -> dict[str, float]:
    """Make the columns of the nearest neighbours."""
    took = []
    for number, (features, output) in enumerate(zip(run.features(), run.extra("knn"), strict=True)):
        heads = run.work / f"clf-fold{number % run.n_folds}"
        queries = heads / ("head_features.parquet" if number < run.n_folds else "test_head_features.parquet")
        words = [features, output, "--queries", queries, "--gallery", heads / "train_head_features.parquet"]
        took.append(measured(["-m", "kuzushiji.classify.knn", *map(str, words)]))
    return together(took)


def language(run: Run) -> dict[str, float]:
    """Make the columns of the language model, with the neighbours as the run's second level reads them."""
    read_as = [run.folder / "level2_models" / "oof.parquet"] * run.n_folds
    read_as += [run.folder / "submission_detailed.parquet"] * run.n_folds
    return together([
        run.call("lm", features, output, "--read-as", table, "--n-folds", run.n_folds)
        for features, output, table in zip(run.features(), run.extra("lm"), read_as, strict=True)
    ])  # fmt: skip


def second_level(run: Run, extra: str) -> dict[str, Any]:
    """Train the second level with these extra columns, apply it, and return what it reaches and takes."""
    tables = [*run.features(), *run.extra(extra)]
    held_out, test = ([path for path in tables if ("_test_" in path.name) == wanted] for wanted in (False, True))
    boxes = [run.folder / f"clf-fold{fold}" / "detailed.parquet" for fold in range(run.n_folds)]
    models, submission = run.work / f"with-{extra}", run.work / f"with-{extra}.csv"
    train = run.call(
        "classify.level2", *boxes, *held_out, "--save-model", models, "--n-folds", run.n_folds, *run.level2
    )
    test_boxes = run.folder / "clf-fold0" / "test_detailed.parquet"
    apply = run.call("classify.level2", test_boxes, *test, "--load-model", models, "--output", submission)
    return {**reached(run, models, submission), "training": train, "applying": apply}


def reached(run: Run, models: Path, submission: Path) -> dict[str, float]:
    """Return the F1 of a second level out of fold and on the test pages, and that of the blend out of fold."""
    f1 = json.loads((models / "record-level2.json").read_text())["facts"]["f1"]
    test = score_points(read_page_labels(run.root / "solution.csv"), read_page_points(submission))
    return {"f1": f1["level 2"], "blend": f1["blend"], "test_f1": test.f1}


def together(took: list[dict[str, float]]) -> dict[str, float]:
    """Return what commands one after the other take."""
    sums = {name: round(sum(part[name] for part in took), 1) for name in ("seconds", "processor_seconds")}
    return {"commands": len(took), **sums, "peak_gb": max(part["peak_gb"] for part in took)}


def evaluate(run: Run) -> dict[str, Any]:
    """Measure one run."""
    run.work.mkdir(parents=True, exist_ok=True)
    plain = reached(run, run.folder / "level2_models", run.folder / "submission.csv")
    found: dict[str, Any] = {"level 2": {"plain": plain}, "columns": {}}
    found["columns"]["knn: head features"] = head_features(run)
    found["columns"]["knn"] = neighbours(run)
    found["columns"]["lm"] = language(run)
    for name in ("knn", "lm"):
        found["level 2"][f"with {name}"] = second_level(run, name)
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--name", nargs="+", help="of each run in the result; else its folder's")
    parser.add_argument("--level2", default=LEVEL2, help="flags of training the second level")
    parser.add_argument("--output", type=Path)
    args = parser.parse_args()
    kept = args.output and args.output.exists()
    table: dict[str, Any] = json.loads(args.output.read_text()) if kept else {"machine": machine(), "runs": {}}
    for folder, name in zip(args.runs, args.name or [folder.name for folder in args.runs], strict=True):
        if name not in table["runs"]:
            n_folds = len(list(folder.glob("level2_features_fold*.parquet")))
            run = Run(folder.resolve(), args.work / re.sub(r"\W+", "-", name), n_folds, tuple(shlex.split(args.level2)))
            table["runs"][name] = evaluate(run)
        if args.output:
            args.output.write_text(json.dumps(table, indent=1) + "\n")
    print(json.dumps(table, indent=1))


if __name__ == "__main__":
    main()
