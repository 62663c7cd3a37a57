"""What each part of the second level brings: F1 out of fold, over several runs of the chain.

    PYTHONPATH=. python benchmarks/level2_ablation.py RUNS... --data-root ROOT... [--only NAME...]

RUNS are folders of runs of the chain, such as those of three seeds, each with its own data root (or one for all). Reads
the out-of-fold tables RUNS/clf-fold{k}{kind}/detailed.parquet (or RUNS/fold{k}-{kind}.parquet) of all kinds that every
fold has. Prints, for each variant, F1 of each run, the mean gain over the blend, log loss a box and seconds, and at the
end JSON.
"""

import argparse
import json
import re
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from kuzushiji.artifacts import read_detailed
from kuzushiji.artifacts.features import Features
from kuzushiji.classify.boosters import LIGHTGBM, XGBOOST
from kuzushiji.classify.boosting import BINARY, SOFTMAX, Recipe
from kuzushiji.classify.candidates import build_features
from kuzushiji.classify.context import BOX_FEATURES
from kuzushiji.classify.level2_columns import EXTENDED, REFERENCE, Source, Table, source_of
from kuzushiji.classify.level2_report import BLEND, LEVEL2, fold_choices, score_folds
from kuzushiji.classify.level2_tables import true_classes
from kuzushiji.classify.level2_training import Training, target_rows, train_across_folds
from kuzushiji.classify.ngrams import FEATURES as LANGUAGE
from kuzushiji.classify.ngrams import NGrams, count_ngrams
from kuzushiji.classify.parallel import n_cores
from kuzushiji.data.folds import fold_of_pages
from kuzushiji.data.labels import PageLabels, read_page_labels
from kuzushiji.metric import Counts

LANGUAGE_COLUMNS = (*LANGUAGE, "language_lead")
AGREEMENT_COLUMNS = ("votes", "known_to", "box_agreement", "worst_log_probability", "best_log_probability")
GEOMETRY_COLUMNS = tuple(f"box_{name}" for name in BOX_FEATURES)


@dataclass(frozen=True)
class Narrower(Source):
    """A source without some of its columns."""

    without: frozenset[str] = frozenset()

    def table(self, leave_out: Collection[int] = ()) -> Table:
        """Return the rows without these columns."""
        return self._narrow(super().table(leave_out))

    def linear_table(self, leave_out: Collection[int] = ()) -> Table:
        """Return the rows of the linear model without these columns."""
        return self._narrow(super().linear_table(leave_out))

    def read_as(self, scores: np.ndarray) -> Source:
        """Return the source read by these scores, or as it is where the neighbours are those of the blend."""
        return self if "second reading" in self.without else super().read_as(scores)

    def _narrow(self, table: Table) -> Table:
        kept = [i for i, name in enumerate(table.names) if name not in self.without]
        return Table(tuple(table.names[i] for i in kept), table.values[:, kept], table.offsets)


@dataclass(frozen=True)
class Variant:
    """One way to train."""

    features: str = EXTENDED
    objective: str = SOFTMAX
    start: bool = True
    without: tuple[str, ...] = ()
    rounds: int = 400
    kinds: tuple[str, ...] = (LIGHTGBM, XGBOOST)
    lr: float = 0.05
    eta: float = 0.15
    leaves: int | None = None
    categorical: bool = False


VARIANTS = {
    "reference": Variant(features=REFERENCE, objective=BINARY, start=False),
    "reference, softmax": Variant(features=REFERENCE, start=False),
    "reference, lightgbm": Variant(features=REFERENCE, objective=BINARY, start=False, kinds=(LIGHTGBM,)),
    "the same, categorical": Variant(REFERENCE, BINARY, start=False, kinds=(LIGHTGBM,), categorical=True),
    "binary": Variant(objective=BINARY, start=False),
    "softmax without start": Variant(start=False),
    "start alone": Variant(rounds=1),
    "all": Variant(),
    "without language": Variant(without=LANGUAGE_COLUMNS),
    "without geometry": Variant(without=GEOMETRY_COLUMNS),
    "without page": Variant(without=("on_page",)),
    "without second reading": Variant(without=("second reading",)),
    "without context": Variant(without=(*LANGUAGE_COLUMNS, *GEOMETRY_COLUMNS, "on_page")),
    "without agreement": Variant(without=AGREEMENT_COLUMNS),
    "lightgbm alone": Variant(kinds=(LIGHTGBM,)),
    "xgboost alone": Variant(kinds=(XGBOOST,)),
    "half the rates": Variant(lr=0.025, eta=0.075),
    "twice the rates": Variant(lr=0.1, eta=0.3),
    "small trees": Variant(leaves=8),
}  # fmt: skip


@dataclass(frozen=True)
class Run:
    """The boxes of one run, by fold."""

    features: dict[int, Features]
    truth: PageLabels
    fold_of_page: np.ndarray
    language: NGrams


def read_run(runs: Path, root: Path, kinds: list[str] | None, top_k: int) -> Run:
    """Read the out-of-fold tables of a run."""
    found: dict[int, dict[str, Path]] = {}
    for path in [*runs.glob("clf-fold*/detailed.parquet"), *runs.glob("fold*-*.parquet")]:
        name = path.parent.name if path.name == "detailed.parquet" else path.stem
        match = re.fullmatch(r"(?:clf-)?fold(\d+)(.*)", name)
        if match and (kinds is None or match[2] in kinds):
            found.setdefault(int(match[1]), {})[match[2]] = path
    common = sorted(set.intersection(*(set(by_kind) for by_kind in found.values())))
    print(f"{runs}: {len(found)} folds, kinds {', '.join(kind or 'first' for kind in common)}", flush=True)
    features = {}
    for fold in sorted(found):
        tables = [read_detailed(found[fold][kind]) for kind in common]
        features[fold] = build_features(tables, [[kind] for kind in common], {}, top_k)
    labels = read_page_labels(root / "train.csv")
    folds = fold_of_pages(labels.image_ids, len(found))
    vocabulary = features[0].vocabulary
    return Run(features, labels, folds, count_ngrams(labels, folds, len(found), vocabulary))


def evaluate(run: Run, variant: Variant) -> dict[str, float]:
    """Train across the folds of a run and return what the variant reaches."""
    started = time.perf_counter()
    sources = {
        fold: Narrower(**vars(source_of(part, variant.features, run.language)), without=frozenset(variant.without))
        for fold, part in run.features.items()
    }
    targets = {fold: target_rows(part, true_classes(part)) for fold, part in run.features.items()}
    recipes = {}
    names = next(iter(sources.values())).take(np.zeros(1, np.int64)).table().names
    for kind in variant.kinds:
        leaves = {"num_leaves": variant.leaves} if kind == LIGHTGBM else {"max_depth": 3}
        positive = 1.2 if variant.objective == BINARY and kind == LIGHTGBM else 1.0
        rate = variant.lr if kind == LIGHTGBM else variant.eta
        plain = Recipe(variant.objective, variant.rounds, 20, rate, positive)
        extra: dict[str, object] = leaves if variant.leaves else {}
        if variant.categorical:
            extra["categorical_feature"] = [i for i, name in enumerate(names) if name.endswith("_cls")]
        recipes[kind] = replace(plain, extra=extra)
    training = Training(recipes, variant.start, 800_000, 0, n_cores())
    results = train_across_folds(sources, targets, training)
    choices = {r.model.fold: fold_choices(run.features[r.model.fold], r, variant.objective, 0.0) for r in results}
    scores = score_folds(run.truth, run.fold_of_page, run.features, choices)
    losses = [-np.log(np.maximum(choices[fold].candidates[targets[fold]], 1e-9)) for fold in run.features]
    return {
        "f1": sum(scores[LEVEL2].values(), Counts()).f1,
        "blend": sum(scores[BLEND].values(), Counts()).f1,
        "log_loss": float(np.mean(np.concatenate(losses))),
        "seconds": time.perf_counter() - started,
    }


def report(name: str, results: list[dict[str, float]]) -> None:
    """Print one line of the table."""
    gains = [100 * (result["f1"] - result["blend"]) for result in results]
    f1 = "  ".join(f"{result['f1']:.4f}" for result in results)
    loss, seconds = (np.mean([result[key] for result in results]) for key in ("log_loss", "seconds"))
    print(f"{name:<24} {f1}  gain {np.mean(gains):+.2f} (from {min(gains):+.2f} to {max(gains):+.2f})  "
          f"log loss {loss:.4f}  {seconds:.0f} s", flush=True)  # fmt: skip


def for_each_run(runs: Iterable[Run], work: Callable[[Run], dict[str, float]]) -> list[dict[str, float]]:
    """Return what `work` gives for each run."""
    return [work(run) for run in runs]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--data-root", type=Path, nargs="+", required=True)
    parser.add_argument("--kinds", nargs="+", default=None)
    parser.add_argument("--top-k", type=int, default=3)
    parser.add_argument("--only", nargs="+", default=list(VARIANTS), choices=list(VARIANTS))
    args = parser.parse_args()
    roots = args.data_root * len(args.runs) if len(args.data_root) == 1 else args.data_root
    runs = [read_run(folder, root, args.kinds, args.top_k) for folder, root in zip(args.runs, roots, strict=True)]
    table = {}
    for name in args.only:
        variant = VARIANTS[name]
        table[name] = for_each_run(runs, lambda run, variant=variant: evaluate(run, variant))
        if len(table) == 1:
            report("blend", [{**result, "f1": result["blend"], "log_loss": np.nan} for result in table[name]])
        report(name, table[name])
    print(json.dumps(table, indent=1))


if __name__ == "__main__":
    main()
