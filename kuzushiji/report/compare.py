"""A run beside the reference, fold by fold: which differences are larger than chance makes them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from kuzushiji.report.collect import Collected, Run
from kuzushiji.report.reference import CLASSES, PAGES, Reference
from kuzushiji.report.stage_rows import decimal
from kuzushiji.run_folder import SEGMENT
from kuzushiji.terminal import format_table

COLUMNS = (
    "model", "fold", "best", "reference", "difference", "last", "reference", "difference", "tolerance", "",
)  # fmt: skip
NOTES = (
    "best, last: F1 on the held-out fold in the best and in the last epoch. * stands for the final held-out prediction "
    "of a run that was not evaluated while it was trained.",
    "The reference's F1 left out pages without any predicted box, and its best epoch was chosen on the pages it is "
    "reported on: it flatters, by both.",
)
_WIDE = 2.0
"""Standard deviations that a difference may have: 95 % of those that are chance stay within."""

_TOGETHER = "mean"


@dataclass(frozen=True)
class Spread:
    """How far F1 of two trainings of the same recipe differ by chance, as standard deviations.

    Attributes:
        folds: What folds add beyond being easier or harder for every kind of model.
        seeds: What seeds add; 0 where runs of one seed alone are known.
    """

    folds: float
    seeds: float

    @property
    def tolerance(self) -> float:
        """The largest difference between a run and the reference that still counts as chance."""
        return _WIDE * float(np.hypot(self.folds, self.seeds))


@dataclass(frozen=True)
class Compared:
    """One line of the comparison; None where something is not known.

    Attributes:
        kind: The kind of model.
        fold: Its fold, or `mean` of the folds that both have.
        best: Our F1 of the best epoch; of the final prediction where `final_prediction`.
        reference_best: The reference's.
        last: Our F1 of the last epoch.
        reference_last: The reference's.
        tolerance: The largest difference that counts as chance.
        final_prediction: Whether `best` is not of an epoch.
        same_pages: Whether both are of the same pages; else a difference says nothing.
    """

    kind: str
    fold: str
    best: float | None
    reference_best: float | None
    last: float | None
    reference_last: float | None
    tolerance: float
    final_prediction: bool = False
    same_pages: bool = True

    @property
    def mark(self) -> str:
        """`below` or `above` where a difference is beyond the tolerance, `within` where none is.

        `other pages` where that says nothing, `not there` where there is none to say it of.
        """
        differences = [
            difference
            for difference in (_minus(self.best, self.reference_best), _minus(self.last, self.reference_last))
            if difference is not None
        ]
        if not differences:
            return "not there"
        if not self.same_pages:
            return "other pages"
        worst = max(differences, key=abs)
        return "within" if abs(worst) <= self.tolerance else "below" if worst < 0 else "above"

    def cells(self) -> tuple[str, ...]:
        """Return the line as text, a cell a column."""
        best = decimal(self.best) + ("*" if self.final_prediction else "")
        last = self.last, self.reference_last
        return (
            self.kind, self.fold, best, decimal(self.reference_best),
            decimal(_minus(self.best, self.reference_best), "+.4f"),
            decimal(last[0]), decimal(last[1]), decimal(_minus(*last), "+.4f"), f"{self.tolerance:.4f}", self.mark,
        )  # fmt: skip


@dataclass(frozen=True)
class Comparison:
    """A run folder beside the reference.

    Attributes:
        rows: Fold by fold and the mean of the folds, kind by kind.
        remarks: Which recipes differ in what, and which kinds only one of both has.
        other_pages: Why F1 of the two is not comparable; empty where it is.
    """

    rows: tuple[Compared, ...]
    remarks: tuple[str, ...]
    other_pages: str = ""


def compare(
    collected: Collected,
    reference: Reference,
    other_seeds: Sequence[Collected] = (),
    data: tuple[int, int] = (PAGES, CLASSES),
) -> Comparison:
    """Put the runs beside the reference's runs of the same kind and fold.

    Args:
        collected: The run folder.
        reference: What it is compared with.
        other_seeds: Run folders of the same recipes with other seeds, from which the spread of seeds is known.
        data: How many training pages and classes the run is of.
    """
    rows: list[Compared] = []
    remarks = []
    for kind in reference.kinds:
        runs = {run.fold: run for run in collected.of_kind(kind)}
        if not runs:
            remarks.append(f"{kind}: of the reference only")
            continue
        spread = Spread(_spread_of_folds(reference, kind), _spread_of_seeds([collected, *other_seeds], kind))
        of_kind = [_compare_fold(kind, fold, runs.get(fold), reference, spread) for fold in _folds(reference, kind)]
        rows += [*of_kind, _mean_of(of_kind)]
        seeds = f"{spread.seeds:.4f}" if other_seeds else "unknown (--seeds)"
        remarks.append(f"{kind}: spread of folds {spread.folds:.4f}, of seeds {seeds}; {_recipe(runs, reference)}")
    remarks += [f"{kind}: of this run only" for kind in collected.kinds if kind not in reference.kinds]
    if data == (PAGES, CLASSES):
        return Comparison(tuple(rows), tuple(remarks))
    other_pages = (
        f"not comparable: this run is of {data[0]:,} training pages with {data[1]:,} classes, "
        f"the reference of the competition's {PAGES:,} with {CLASSES:,}"
    )
    return Comparison(tuple(replace(row, same_pages=False) for row in rows), tuple(remarks), other_pages)


def format_comparison(comparison: Comparison) -> str:
    """Return the comparison as text, with what it means below."""
    rows = (row.cells() for row in comparison.rows)
    table = format_table(COLUMNS, rows, to_left=(COLUMNS[0], COLUMNS[-1]), rule=True)
    above = [comparison.other_pages] if comparison.other_pages else []
    return "\n".join([*above, table, *comparison.remarks, *NOTES])


def _compare_fold(kind: str, fold: int, run: Run | None, reference: Reference, spread: Spread) -> Compared:
    theirs = reference.runs[kind, fold]
    best, last = (run.f1("best"), run.f1("last")) if run else (None, None)
    final = best is None and run is not None and run.held_out is not None
    if final and run is not None and run.held_out is not None:
        best = run.held_out.f1
    return Compared(kind, str(fold), best, theirs.best_f1, last, theirs.last_f1, spread.tolerance, final)


def _mean_of(rows: Sequence[Compared]) -> Compared:
    """Return the mean of those folds that both have; chance in it is smaller by the root of their number."""
    known = [row for row in rows if row.best is not None]
    last = [row for row in known if row.last is not None]
    return Compared(
        rows[0].kind,
        _TOGETHER,
        _mean([row.best for row in known]),
        _mean([row.reference_best for row in known]),
        _mean([row.last for row in last]),
        _mean([row.reference_last for row in last]),
        rows[0].tolerance / max(1, len(known)) ** 0.5,
        any(row.final_prediction for row in known),
    )


def _spread_of_folds(reference: Reference, kind: str) -> float:
    """Return the standard deviation of the reference's F1 once its means by kind and by fold are taken out.

    A fold is easier or harder for all kinds alike; that is no chance. The detector is the only one of its stage: there
    difficulty and chance cannot be told apart, and the deviation of its folds counts whole.
    """
    kinds = [kind] if kind == SEGMENT else [name for name in reference.kinds if name != SEGMENT]
    folds = [set(_folds(reference, name)) for name in kinds]
    common = sorted(set.intersection(*folds))
    f1 = np.array([[reference.runs[name, fold].best_f1 for fold in common] for name in kinds])
    rest = f1 - f1.mean(axis=1, keepdims=True)
    degrees = len(common) - 1
    if len(kinds) > 1:
        rest = rest - f1.mean(axis=0) + f1.mean()
        degrees *= len(kinds) - 1
    return float(np.sqrt((rest**2).sum() / degrees)) if degrees else 0.0


def _spread_of_seeds(folders: Sequence[Collected], kind: str) -> float:
    """Return the standard deviation of F1 between seeds, pooled over the folds; 0 where there is one seed alone."""
    by_fold: dict[int, list[float]] = {}
    for collected in folders:
        for run in collected.of_kind(kind):
            f1 = run.f1("best") if run.held_out is None else run.held_out.f1
            if f1 is not None:
                by_fold.setdefault(run.fold, []).append(f1)
    several = [values for values in by_fold.values() if len(values) > 1]
    squares = sum(float(np.square(np.array(values) - np.mean(values)).sum()) for values in several)
    degrees = sum(len(values) - 1 for values in several)
    return (squares / degrees) ** 0.5 if degrees else 0.0


def _recipe(runs: dict[int, Run], reference: Reference) -> str:
    others = [reference.other_parameters(run) for run in runs.values()]
    if any(names is None for names in others):
        return "recipe unknown"
    names = sorted({name for found in others for name in found or ()})
    return f"another recipe: {', '.join(names)}" if names else "the reference's recipe"


def _folds(reference: Reference, kind: str) -> list[int]:
    return [run.fold for run in reference.of_kind(kind)]


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _minus(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else a - b
