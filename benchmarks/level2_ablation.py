"""The effect of each part of level 2: F1 out of fold and on the test pages, over several runs of the chain.

    PYTHONPATH=. python benchmarks/level2_ablation.py RUNS... [--data-root ROOT...] [--only NAME...] [--output JSON]

RUNS are folders of runs of the chain, such as those of three seeds, each with its data root in RUNS/books or where
--data-root says. Reads the tables RUNS/clf-fold{k}{kind}/detailed.parquet and test_detailed.parquet of all kinds that
every fold has, and writes nothing there; the variants are in `level2_variants.py`. Prints, for each variant, the F1 of
each run, the mean gain over the blend, log loss per box and seconds. --output keeps all of it, by libraries, variant
and name of the run's folder, and does not compute again what it holds already. Nothing
is selected by the F1 of test pages. Columns of optional stages: `extra_columns.py`.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from level2_variants import VARIANTS, Machine, Run, Variant, narrowed, read_run, train
from measure import machine

from kuzushiji.classify.level2.choice import Choice
from kuzushiji.classify.level2.config import LIGHTGBM, XGBOOST
from kuzushiji.classify.level2.cross_fitting import target_rows
from kuzushiji.classify.level2.model import apply_model
from kuzushiji.classify.level2.report import BLEND, LEVEL2, fold_choices, score_folds
from kuzushiji.classify.level2.tables import true_classes
from kuzushiji.classify.parallel import n_cores
from kuzushiji.data.labels import PageLabels
from kuzushiji.metric import Counts
from kuzushiji.scoring import score_classes

BOXES = ["image_id", "box", "x", "y", "w", "h"]
LIBRARIES = (LIGHTGBM, XGBOOST)


def test_f1(run: Run, choice: Choice) -> float:
    """Return the F1 on the test pages."""
    features = run.test[0]
    boxes = features.boxes[BOXES].assign(code=features.vocabulary.decode(choice.classes))
    return score_classes(run.test_truth, PageLabels(features.pages, boxes)).f1


def evaluate(run: Run, variant: Variant, trainer: Machine) -> dict[str, float]:
    """Train across the folds of a run and return what the variant reaches."""
    started, busy = time.perf_counter(), time.process_time()
    run = run if variant.top_k is None else narrowed(run, variant.top_k)
    run = run if variant.extra is None else variant.extra(run)
    results, model = train(run, variant, trainer)
    choices = {
        result.model.fold: fold_choices(run.features[result.model.fold], result, variant.objective)
        for result in results
    }
    scores = score_folds(run.truth, run.fold_of_page, run.features, choices)
    losses = []
    for fold, part in run.features.items():
        target = target_rows(part, true_classes(part))
        losses.append(-np.log(np.maximum(choices[fold].candidates[target], 1e-9)))
    told = {
        "f1": sum(scores[LEVEL2].values(), Counts()).f1,
        "blend": sum(scores[BLEND].values(), Counts()).f1,
        "log_loss": float(np.mean(np.concatenate(losses))),
    }
    if not variant.changes_columns:
        told["test_f1"] = test_f1(run, apply_model(model, list(run.test.values())))
    seconds = {"seconds": time.perf_counter() - started, "processor_seconds": time.process_time() - busy}
    return told | seconds


def report(name: str, results: list[dict[str, float]]) -> None:
    """Print one line of the table."""
    gains = [100 * (result["f1"] - result["blend"]) for result in results]
    f1 = "  ".join(f"{result['f1']:.4f}" for result in results)
    test = " ".join(f"{result['test_f1']:.4f}" for result in results if "test_f1" in result) or "-"
    loss, seconds = (np.mean([result[key] for result in results]) for key in ("log_loss", "processor_seconds"))
    print(f"{name:<24} {f1}  gain {np.mean(gains):+.2f} (from {min(gains):+.2f} to {max(gains):+.2f})  "
          f"log loss {loss:.4f}  {seconds:.0f} processor s  test {test}", flush=True)  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--data-root", type=Path, nargs="+")
    parser.add_argument("--top-k", type=int, default=20, help="classes of each kind that are read (default: 20)")
    parser.add_argument("--only", nargs="+", default=list(VARIANTS), choices=list(VARIANTS), metavar="NAME")
    parser.add_argument("--libraries", nargs="+", default=list(LIBRARIES), choices=LIBRARIES, help="default: both")
    parser.add_argument("--threads", type=int, default=n_cores(), help="of the libraries together (default: all cores)")
    parser.add_argument("--output", type=Path)
    args = parser.parse_args(argv)
    roots = args.data_root or [folder / "books" for folder in args.runs]
    runs = {folder.name: read_run(folder, root, args.top_k) for folder, root in zip(args.runs, roots, strict=True)}
    trainer = Machine(tuple(args.libraries), args.threads)
    known: dict[str, Any] = json.loads(args.output.read_text()) if args.output and args.output.exists() else {}
    known.setdefault("machine", machine())
    of_libraries = known.setdefault("libraries", {}).setdefault(" and ".join(args.libraries), {})
    for name in args.only:
        results = of_libraries.setdefault(name, {})
        for folder, run in runs.items():
            if folder not in results:
                results[folder] = evaluate(run, VARIANTS[name], trainer)
                if args.output:
                    args.output.write_text(json.dumps(known, indent=1) + "\n")
        report(name, [results[folder] for folder in runs])
    return 0


if __name__ == "__main__":
    sys.exit(main())
