"""What each part of the second level brings: F1 out of fold and on the test pages, over several runs of the chain.

    PYTHONPATH=. python benchmarks/level2_ablation.py RUNS... [--data-root ROOT...] [--only NAME...] [--output JSON]

RUNS are folders of runs of the chain, such as those of three seeds, each with its data root in RUNS/books or where
--data-root says. Reads the tables RUNS/clf-fold{k}{kind}/detailed.parquet and test_detailed.parquet of all kinds that
every fold has; for the variant `with knn` also the head features of the first kind. Prints, for each variant, the F1 of
each run, the mean gain over the blend, log loss a box and seconds; --output keeps all of it, and what is there already
is not computed again. Nothing here is chosen by the test pages: their F1 stands beside.
"""

import argparse
import json
import re
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from measure import machine

from kuzushiji.artifacts import read_detailed
from kuzushiji.artifacts.features import Features
from kuzushiji.artifacts.head_features import read_head_features
from kuzushiji.classify.boosters import LIGHTGBM, XGBOOST
from kuzushiji.classify.boosting import BINARY, RANKING, SOFTMAX, Recipe
from kuzushiji.classify.candidates import build_features
from kuzushiji.classify.context import BOX_FEATURES, best_classes, blended_logits, share_of_group
from kuzushiji.classify.language import columns_of as language_columns
from kuzushiji.classify.level2_choice import Choice, Decision
from kuzushiji.classify.level2_columns import EXTENDED, REFERENCE, Source, Table, source_of
from kuzushiji.classify.level2_model import Level2Model, apply_model
from kuzushiji.classify.level2_reading import N_READINGS
from kuzushiji.classify.level2_report import BLEND, LEVEL2, fold_choices, score_folds
from kuzushiji.classify.level2_tables import true_classes
from kuzushiji.classify.level2_training import FoldResult, Training, target_rows, train_across_folds
from kuzushiji.classify.neighbours import Gallery, columns_of
from kuzushiji.classify.ngrams import FEATURES as LANGUAGE
from kuzushiji.classify.ngrams import NGrams, count_ngrams
from kuzushiji.classify.parallel import n_cores
from kuzushiji.data.folds import book_id, fold_of_pages
from kuzushiji.data.labels import PageLabels, read_page_labels
from kuzushiji.metric import Counts
from kuzushiji.scoring import score_classes

LANGUAGE_COLUMNS = (*LANGUAGE, "language_lead")
AGREEMENT_COLUMNS = ("votes", "known_to", "box_agreement", "worst_log_probability", "best_log_probability")
GEOMETRY_COLUMNS = tuple(f"box_{name}" for name in BOX_FEATURES)
LEAD_COLUMNS = ("blend_lead", "box_lead", "box_seg_fp_lead", *(f"group{g}_lead" for g in range(9)))
BOXES = ["image_id", "box", "x", "y", "w", "h"]


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

    def _narrow(self, table: Table) -> Table:
        kept = [i for i, name in enumerate(table.names) if name not in self.without]
        rows = table.values[:, kept]  # noqa: PD011
        return Table(tuple(table.names[i] for i in kept), rows, table.offsets)


@dataclass(frozen=True)
class Run:
    """The boxes of one run: of the training pages by fold, and of the test pages as each fold's models see them."""

    folder: Path
    features: dict[int, Features]
    test: dict[int, Features]
    labels: PageLabels
    truth: PageLabels
    test_truth: PageLabels
    fold_of_page: np.ndarray
    language: NGrams


@dataclass(frozen=True)
class Variant:
    """One way to train."""

    features: str = EXTENDED
    objective: str = SOFTMAX
    readings: int = N_READINGS
    without: tuple[str, ...] = ()
    kinds: tuple[str, ...] = (LIGHTGBM, XGBOOST)
    categorical: bool = False
    top_k: int | None = None
    extra: Callable[[Run, "Variant"], Run] | None = None


def with_book(run: Run, _: Variant) -> Run:
    """Add how often a candidate is the best class of its book's other boxes."""

    def add(features: Features) -> Features:
        book, _ = pd.factorize(features.boxes["image_id"].map(book_id))
        share = share_of_group(features, best_classes(features, blended_logits(features)), book.astype(np.int64))
        return replace(features, extra=features.extra | {"in_book": share})

    return replace(
        run, features={k: add(part) for k, part in run.features.items()}, test={k: add(p) for k, p in run.test.items()}
    )


def with_lm(run: Run, variant: Variant) -> Run:
    """Add the language's columns with the neighbours as a first second level reads them, out of fold."""
    results, model = train(run, replace(variant, extra=None))
    read = {r.model.fold: fold_choices(run.features[r.model.fold], r, variant.objective, Decision()) for r in results}
    test = apply_model(model, list(run.test.values())).classes
    folds = dict(
        zip(run.labels.image_ids, fold_of_pages(run.labels.image_ids, len(run.features)).tolist(), strict=True)
    )

    def add(features: Features, best: np.ndarray) -> Features:
        columns = language_columns(features, best, run.language, folds)
        return replace(features, extra=features.extra | {f"lm_{name}": values for name, values in columns.items()})

    return replace(
        run,
        features={k: add(part, read[k].classes[LEVEL2]) for k, part in run.features.items()},
        test={k: add(part, test) for k, part in run.test.items()},
    )


def with_knn(run: Run, _: Variant) -> Run:
    """Add the nearest neighbours of the head's features of the first kind."""
    features, test = {}, {}
    for fold in run.features:
        folder = run.folder / f"clf-fold{fold}"
        known = read_head_features(folder / "train_head_features.parquet")
        gallery = Gallery.of(known.vectors, known.vocabulary.encode(known.boxes["true"]))
        for name, parts, into in (("", run.features, features), ("test_", run.test, test)):
            queries = read_head_features(folder / f"{name}head_features.parquet")
            columns, _ = columns_of(queries.vectors, gallery, parts[fold], 20, 1024)
            extra = {f"knn_{name}": values for name, values in columns.items()}
            into[fold] = replace(parts[fold], extra=parts[fold].extra | extra)
    return replace(run, features=features, test=test)


PLAIN = Variant(features=REFERENCE, objective=BINARY, readings=0, top_k=3)
VARIANTS = {
    "reference": PLAIN,
    "reference, lightgbm": replace(PLAIN, kinds=(LIGHTGBM,)),
    "the same, categorical": replace(PLAIN, kinds=(LIGHTGBM,), categorical=True),
    "reference, ranking": replace(PLAIN, objective=RANKING),
    "reference, softmax": replace(PLAIN, objective=SOFTMAX),
    "all columns, binary": Variant(objective=BINARY, readings=0, top_k=3),
    "all columns, ranking": Variant(objective=RANKING),
    "all columns, softmax": Variant(),
    "top 5": Variant(top_k=5),
    "one reading": Variant(readings=1),
    "without language": Variant(without=LANGUAGE_COLUMNS),
    "without geometry": Variant(without=GEOMETRY_COLUMNS),
    "without page": Variant(without=("on_page",)),
    "without agreement": Variant(without=AGREEMENT_COLUMNS),
    "without leads": Variant(without=LEAD_COLUMNS),
    "with book": Variant(extra=with_book),
    "with lm": Variant(extra=with_lm),
    "with knn": Variant(extra=with_knn),
    "lightgbm alone": Variant(kinds=(LIGHTGBM,)),
    "xgboost alone": Variant(kinds=(XGBOOST,)),
}  # fmt: skip
ROUNDS, PATIENCE, LR, ETA = 200, 20, 0.05, 0.15


def read_run(folder: Path, root: Path, top_k: int) -> Run:
    """Read the tables of a run."""
    found: dict[int, set[str]] = {}
    for path in folder.glob("clf-fold*/detailed.parquet"):
        match = re.fullmatch(r"clf-fold(\d+)(.*)", path.parent.name)
        if match:
            found.setdefault(int(match[1]), set()).add(match[2])
    kinds = sorted(set.intersection(*found.values()))
    print(f"{folder}: {len(found)} folds, kinds {', '.join(kind or 'first' for kind in kinds)}", flush=True)

    def read(name: str, fold: int) -> Features:
        tables = [read_detailed(folder / f"clf-fold{fold}{kind}/{name}.parquet") for kind in kinds]
        return build_features(tables, [[kind] for kind in kinds], {}, top_k)

    features = {fold: read("detailed", fold) for fold in sorted(found)}
    labels = read_page_labels(root / "train.csv")
    folds = fold_of_pages(labels.image_ids, len(found))
    return Run(
        folder, features, {fold: read("test_detailed", fold) for fold in sorted(found)}, labels, labels,
        read_page_labels(root / "solution.csv"), folds,
        count_ngrams(labels, folds, len(found), features[0].vocabulary),
    )  # fmt: skip


def narrowed(run: Run, top_k: int) -> Run:
    """Return the run with the `top_k` best classes of each kind as candidates."""

    def narrow(features: Features) -> Features:
        top = features.top_classes[:, :, :top_k]
        kept = features.candidates == features.vocabulary.seg_fp
        of_box = top.reshape(len(features), -1)[features.box_of_candidate]
        kept |= (of_box == features.candidates[:, None]).any(axis=1)
        return replace(features.keep(kept), top_classes=top, top_logits=features.top_logits[:, :, :top_k])

    return replace(
        run, features={k: narrow(part) for k, part in run.features.items()},
        test={k: narrow(part) for k, part in run.test.items()},
    )  # fmt: skip


def training_of(variant: Variant, names: tuple[str, ...]) -> Training:
    """Return how to train a variant on columns of these names."""
    recipes = {}
    for kind in variant.kinds:
        positive = 1.2 if variant.objective == BINARY and kind == LIGHTGBM else 1.0
        extra: dict[str, Any] = {}
        if variant.categorical:
            extra["categorical_feature"] = [i for i, name in enumerate(names) if name.endswith("_cls")]
        rate = LR if kind == LIGHTGBM else ETA
        recipes[kind] = Recipe(variant.objective, ROUNDS, PATIENCE, rate, positive, extra=extra)
    return Training(recipes, variant.readings, 800_000, 0, n_cores())


def train(run: Run, variant: Variant) -> tuple[list[FoldResult], Level2Model]:
    """Train across the folds of a run."""
    language = None if variant.features == REFERENCE else run.language
    sources = {
        fold: Narrower(**vars(source_of(part, variant.features, language)), without=frozenset(variant.without))
        for fold, part in run.features.items()
    }
    targets = {fold: target_rows(part, true_classes(part)) for fold, part in run.features.items()}
    names = next(iter(sources.values())).take(np.zeros(1, np.int64)).table().names
    results = train_across_folds(sources, targets, training_of(variant, names))
    first = run.features[0]
    return results, Level2Model(
        folds=tuple(result.model for result in results), feature_set=variant.features, columns=names,
        objective=variant.objective, top_k=first.top_k, n_groups=first.n_groups, extra=first.extra_columns,
        vocabulary=first.vocabulary, language=language, decision=Decision(),
    )  # fmt: skip


def test_f1(run: Run, choice: Choice) -> float:
    """Return the F1 on the test pages."""
    features = run.test[0]
    boxes = features.boxes[BOXES].assign(code=features.vocabulary.decode(choice.classes))
    return score_classes(run.test_truth, PageLabels(features.pages, boxes)).f1


def evaluate(run: Run, variant: Variant) -> dict[str, float]:
    """Train across the folds of a run and return what the variant reaches."""
    started, busy = time.perf_counter(), time.process_time()
    run = run if variant.top_k is None else narrowed(run, variant.top_k)
    run = run if variant.extra is None else variant.extra(run, variant)
    results, model = train(run, variant)
    choices = {
        r.model.fold: fold_choices(run.features[r.model.fold], r, variant.objective, Decision()) for r in results
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
    if not variant.without:  # the model looks at test pages through all columns
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


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--data-root", type=Path, nargs="+")
    parser.add_argument("--top-k", type=int, default=20)
    parser.add_argument("--only", nargs="+", default=list(VARIANTS), choices=list(VARIANTS))
    parser.add_argument("--kinds", nargs="+", choices=(LIGHTGBM, XGBOOST), help="these libraries in place of both")
    parser.add_argument("--output", type=Path)
    args = parser.parse_args()
    roots = args.data_root or [folder / "books" for folder in args.runs]
    runs = [read_run(folder, root, args.top_k) for folder, root in zip(args.runs, roots, strict=True)]
    kept = args.output and args.output.exists()
    table: dict[str, Any] = json.loads(args.output.read_text()) if kept else {"machine": machine(), "variants": {}}
    for name in args.only:
        if len(table["variants"].get(name, [])) != len(runs):
            variant = replace(VARIANTS[name], kinds=tuple(args.kinds)) if args.kinds else VARIANTS[name]
            table["variants"][name] = [evaluate(run, variant) for run in runs]
        report(name, table["variants"][name])
        if args.output:
            args.output.write_text(json.dumps(table, indent=1) + "\n")


if __name__ == "__main__":
    main()
