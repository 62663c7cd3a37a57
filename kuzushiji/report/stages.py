"""The table stage by stage with everything that is known: the report's wide form of `table`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kuzushiji.metric import Counts
from kuzushiji.report.collect import SECOND_LEVEL, Collected, Run
from kuzushiji.report.outcome import Outcome
from kuzushiji.report.reference import Reference
from kuzushiji.report.stage_rows import Row, decimal, notes_of

GROUPS = (
    ("", ("stage", "model", "fold")),
    ("held-out pages", ("F1", "precision", "recall", "accuracy")),
    ("during training", ("best F1", "of epoch", "last F1", "epochs")),
    ("test pages", ("F1", "precision", "recall")),
    ("cost", ("minutes", "peak memory, MiB", "training, crops/s", "prediction, pages/s")),
)
REFERENCE_GROUP = ("reference", ("best F1", "epoch", "last F1", "hours"))
NOTES = (
    "accuracy: share of the boxes that were given the right class; false boxes belong to the class seg_fp.",
    "cost: minutes of training, folds together summed; the most memory that a process had, and where there is a "
    "graphics card that of the card; crops a second in training; pages a second in predicting held-out pages.",
)


@dataclass(frozen=True)
class WideTable:
    """The table as text.

    Attributes:
        groups: Heading over several columns, and the columns.
        rows: Cells of each row, a dash where something is not known.
        together: Whether each row is of all folds together.
        notes: What the columns mean.
    """

    groups: tuple[tuple[str, tuple[str, ...]], ...]
    rows: tuple[tuple[str, ...], ...]
    together: tuple[bool, ...]
    notes: tuple[str, ...]


def wide_table(
    rows: Sequence[Row], collected: Collected, outcomes: Sequence[Outcome], reference: Reference
) -> WideTable:
    """Return the table.

    Args:
        rows: The rows of the narrow table, in order.
        collected: What is in the run folder.
        outcomes: What was read on held-out pages.
        reference: Stands beside runs that repeat its recipe.
    """
    repeated = {
        (run.kind, run.fold): theirs for run in collected.runs if (theirs := reference.model_of(run)) is not None
    }
    second = next((outcome for outcome in outcomes if outcome.name.startswith(f"{SECOND_LEVEL},")), None)
    lines = []
    for row in rows:
        runs = [run for run in collected.of_kind(row.model) if row.fold in ("all", str(run.fold))]
        is_last = row.stage == "second level"
        held_out = _held_out(runs, second if is_last else None)
        accuracy = _accuracy_of(second) if is_last else _accuracy(runs)
        seconds = collected.second_level_seconds if is_last else row.seconds
        cells = [
            row.stage, row.model, row.fold, *_scores(held_out, row.held_out), decimal(accuracy),
            *_epochs(runs), *_scores(row.test), *_cost(seconds, runs),
        ]  # fmt: skip
        if repeated:
            theirs = repeated.get((row.model, int(row.fold))) if row.fold.isdigit() else None
            numbers = ("-",) * 4 if theirs is None else (
                f"{theirs.best_f1:.4f}", str(theirs.best_epoch), f"{theirs.last_f1:.4f}", f"{theirs.hours:.1f}",
            )  # fmt: skip
            cells += numbers
        lines.append(tuple(cells))
    groups = (*GROUPS, REFERENCE_GROUP) if repeated else GROUPS
    return WideTable(groups, tuple(lines), tuple(row.fold == "all" for row in rows), (*notes_of(rows), *NOTES))


def without_dashes(table: WideTable) -> WideTable:
    """Return the table without columns that have a dash in every row, and without headings over nothing."""
    if not table.rows:
        return table
    columns = [(title, name) for title, names in table.groups for name in names]
    kept = [i for i in range(len(columns)) if any(row[i] != "-" for row in table.rows)]
    groups: list[tuple[str, tuple[str, ...]]] = []
    for title, name in (columns[i] for i in kept):
        if groups and groups[-1][0] == title:
            groups[-1] = (title, (*groups[-1][1], name))
        else:
            groups.append((title, (name,)))
    rows = tuple(tuple(row[i] for i in kept) for row in table.rows)
    return WideTable(tuple(groups), rows, table.together, table.notes)


def _held_out(runs: Sequence[Run], second: Outcome | None) -> Counts | None:
    """Return the counts of the runs' folds together; None unless all are there."""
    if second is not None and second.scores is not None:
        return Counts.total(second.scores)
    known = [run.held_out for run in runs if run.held_out is not None]
    return sum(known, Counts()) if known and len(known) == len(runs) else None


def _accuracy(runs: Sequence[Run]) -> float | None:
    """Return the share of boxes of the right class, folds weighted by their boxes."""
    known = [(run.prediction["accuracy"], run.prediction["boxes"]) for run in runs if "accuracy" in run.prediction]
    boxes = sum(n for _, n in known)
    return sum(share * n for share, n in known) / boxes if boxes and len(known) == len(runs) else None


def _accuracy_of(outcome: Outcome | None) -> float | None:
    if outcome is None or outcome.truth is None or outcome.boxes.empty:
        return None
    return float((outcome.boxes["true"] == outcome.boxes["pred"]).mean())


def _scores(counts: Counts | None, f1: float | None = None) -> tuple[str, str, str]:
    if counts is None:
        return decimal(f1), "-", "-"
    return decimal(counts.f1 if f1 is None else f1), decimal(counts.precision), decimal(counts.recall)


def _epochs(runs: Sequence[Run]) -> tuple[str, ...]:
    if len(runs) != 1:
        return ("-",) * 4
    (run,) = runs
    best, last = (run.metrics.get(f"{name}_epoch") for name in ("best", "last"))
    known = run.f1("best") is not None
    return (
        decimal(run.f1("best")), str(best + 1) if known and best is not None else "-",
        decimal(run.f1("last")), str(last + 1) if last is not None else "-",
    )  # fmt: skip


def _cost(training: float | None, runs: Sequence[Run]) -> tuple[str, str, str, str]:
    minutes = "-" if training is None else f"{training / 60:.1f}"
    sources = [source for run in runs for source in (run.metrics, run.prediction)]
    memory = [
        max((int(source[key]) for source in sources if source.get(key)), default=0)
        for key in ("peak_memory_mib", "peak_device_memory_mib")
    ]
    pages = [_pages_and_seconds(run.prediction) for run in runs]
    seconds = sum(time for _, time in pages)
    crops = [rate for run in runs if (rate := _crops_per_second(run))]
    return (
        minutes,
        " + ".join(f"{mib:,}" for mib in memory if mib) or "-",
        f"{sum(crops) / len(crops):.1f}" if crops else "-",
        f"{sum(n for n, _ in pages) / seconds:.1f}" if seconds else "-",
    )


def _crops_per_second(run: Run) -> float:
    """Return crops a second in training: as the run measured it, else by its updates and batch size; 0 if unknown."""
    measured = run.metrics.get("crops_per_second")
    if measured:
        return float(measured)
    epochs = [event for event in run.events if event.get("kind") == "epoch"]
    batch = run.params.get("batch_size", 0) * run.params.get("accumulation_steps", 1)
    return epochs[-1]["step"] * batch / run.seconds if epochs and run.seconds else 0.0


def _pages_and_seconds(prediction: dict[str, Any]) -> tuple[float, float]:
    pages, seconds, rate = (float(prediction.get(key) or 0) for key in ("pages", "seconds", "pages_per_second"))
    return (pages, pages / rate) if rate else (pages, seconds)
