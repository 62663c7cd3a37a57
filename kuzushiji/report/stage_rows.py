"""The table stage by stage: how good each model, each blend and the second level are."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from kuzushiji.data.labels import PageLabels, read_page_labels, read_page_points
from kuzushiji.metric import Counts, score_points
from kuzushiji.report.collect import ALL_KINDS, Collected, Run
from kuzushiji.report.grids import without_dashes
from kuzushiji.run_folder import SEGMENT
from kuzushiji.scoring import score_boxes
from kuzushiji.terminal import format_table

COLUMNS = (
    "stage",
    "model",
    "fold",
    "held-out F1",
    "best epoch",
    "last epoch",
    "test F1",
    "precision",
    "recall",
    "minutes",
)
_HELD_OUT = "held-out F1: on the fold's own pages. The second level's is honest, its boosters saw other folds only."
_COMPARED = (
    "held-out F1: on the fold's own pages. Where epochs were compared, by the best one's model, which was chosen on "
    "these pages: it flatters. The second level's is honest, its boosters saw other folds only.",
    "best epoch, last epoch: F1 on the same pages during training, where they were compared; the last is not chosen.",
)
_TEST = "test: on pages whose truth no stage has seen. boxes: with all characters given the same class."


def decimal(value: float | None, form: str = ".4f") -> str:
    """Return a number as text; a dash for what is not known."""
    return "-" if value is None else format(value, form)


@dataclass(frozen=True)
class Row:
    """One line of the table; None where something is not known.

    Attributes:
        stage: What kind of result it is.
        model: The kind of model, or the name of the blend.
        fold: The model's fold, or `all`.
        held_out: F1 on held-out training pages.
        best: Validation F1 of the best epoch.
        last: Validation F1 of the last epoch.
        test: Counts on the test pages, where their truth is known.
        seconds: Seconds of training.
    """

    stage: str
    model: str
    fold: str
    held_out: float | None = None
    best: float | None = None
    last: float | None = None
    test: Counts | None = None
    seconds: float | None = None

    def cells(self) -> tuple[str, ...]:
        """Return the row as text, a cell a column; a dash for what is not known."""
        test = self.test
        numbers = (
            self.held_out, self.best, self.last,
            test.f1 if test else None, test.precision if test else None, test.recall if test else None,
        )  # fmt: skip
        minutes = decimal(None if self.seconds is None else self.seconds / 60, ".1f")
        return (self.stage, self.model, self.fold, *map(decimal, numbers), minutes)


def stage_table(collected: Collected, truth: PageLabels | None) -> list[Row]:
    """Return the rows: each model and its kind's folds together, each blend, the second level.

    Args:
        collected: What is in the run folder.
        truth: Truth of all test pages; without it there are no test scores.

    Raises:
        InputError: a submission cannot be read, or has pages that the truth does not have.
    """
    rows: list[Row] = []
    for kind in collected.kinds:
        runs = collected.of_kind(kind)
        stage, score = ("boxes", score_boxes_file) if kind == SEGMENT else ("single model", score_submission)
        rows += [_row_of_run(stage, run, score, truth) for run in runs]
        together = collected.fused if kind == SEGMENT else collected.blends.get(kind)
        if together is not None:
            stage = "boxes fused" if kind == SEGMENT else "folds blended"
            rows.append(_row_of_kind(stage, runs, score(together, truth)))
    for name, path in collected.blends.items():
        if name not in collected.kinds:
            held_out = collected.second_level.get("blend") if name == ALL_KINDS else None
            rows.append(Row("blend", name, "all", held_out, test=score_submission(path, truth)))
    if collected.final is not None:
        held_out, test = collected.second_level.get("level 2"), score_submission(collected.final, truth)
        rows.append(Row("second level", "boosters", "all", held_out, test=test))
    return rows


def score_boxes_file(path: Path, truth: PageLabels | None) -> Counts | None:
    """Return the counts of boxes in a file; None where the file or the truth is not there."""
    return None if truth is None or not path.exists() else score_boxes(truth, read_page_labels(path))


def score_submission(path: Path, truth: PageLabels | None) -> Counts | None:
    """Return the counts of a submission; None where the file or the truth is not there."""
    return None if truth is None or not path.exists() else score_points(truth, read_page_points(path))


def format_stages(rows: Sequence[Row]) -> str:
    """Return the table as text without columns of dashes, with what the columns mean below."""
    columns, cells = without_dashes(COLUMNS, [row.cells() for row in rows])
    table = format_table(columns, cells, to_left=COLUMNS[:3], rule=True)
    return "\n".join([table, *notes_of(rows)])


def notes_of(rows: Sequence[Row]) -> tuple[str, ...]:
    """Return what the columns mean, those that something is in."""
    compared = any(row.best is not None for row in rows)
    return (*(_COMPARED if compared else (_HELD_OUT,)), _TEST)


Score = Callable[[Path, PageLabels | None], Counts | None]


def _row_of_run(stage: str, run: Run, score: Score, truth: PageLabels | None) -> Row:
    test = score(run.submission, truth)
    held_out = run.held_out.f1 if run.held_out else None
    return Row(stage, run.kind, str(run.fold), held_out, run.f1("best"), run.f1("last"), test, run.seconds)


def _row_of_kind(stage: str, runs: Sequence[Run], test: Counts | None) -> Row:
    """Return the row of a kind's folds together: held-out pages of all folds, minutes summed."""
    known = [run.held_out for run in runs if run.held_out is not None]
    held_out = sum(known, Counts()).f1 if known and len(known) == len(runs) else None
    seconds = [run.seconds for run in runs if run.seconds is not None]
    return Row(stage, runs[0].kind, "all", held_out, test=test, seconds=sum(seconds) if seconds else None)
