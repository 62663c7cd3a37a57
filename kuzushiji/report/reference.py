"""The reference solution's results and recipes, as they are published in `_runs/reference`."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from kuzushiji.errors import InputError
from kuzushiji.files import read_json
from kuzushiji.metric import Counts
from kuzushiji.report.collect import Run
from kuzushiji.run_folder import PARAMS

RESULTS = "results.csv"
PAGES, CLASSES = 3_881, 4_212
"""Of the competition's training pages, which the results are of."""

_COLUMNS = ("stage", "run", "fold", "best_epoch", "best_f1", "tp", "fp", "fn", "last_f1", "hours")
_NOT_RECIPE = frozenset(
    {
        # Where the inputs are, and what a repetition may have of its own. `weights` are a file in
        # place of a download, as on a machine without a network; that it holds the published ones is not looked into.
        "clf_gt", "pseudolabels", "resume", "weights", "fold", "seed", "compile", "amp_backend",
    }
)  # fmt: skip


@dataclass(frozen=True)
class ReferenceRun:
    """What the reference logged for one model.

    Attributes:
        kind: The kind of model; its name is that of our runs of the same recipe.
        fold: Number of the held-out fold.
        best_epoch: Number of the epoch with the best F1, from 1.
        best_f1: F1 of that epoch on the held-out fold.
        counts: What it was computed from.
        last_f1: F1 of the last epoch.
        hours: Hours of training on the cards of 2019.
    """

    kind: str
    fold: int
    best_epoch: int
    best_f1: float
    counts: Counts
    last_f1: float
    hours: float


@dataclass(frozen=True)
class Reference:
    """The reference's models.

    Attributes:
        runs: By kind and fold.
        params: Parameters of ours that make each kind, those of `params.json`.
    """

    runs: Mapping[tuple[str, int], ReferenceRun]
    params: Mapping[str, Mapping[str, Any]]

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of models, in the order of the file."""
        return tuple(dict.fromkeys(kind for kind, _ in self.runs))

    def of_kind(self, kind: str) -> tuple[ReferenceRun, ...]:
        """Return the runs of a kind, by fold; none of a kind that the reference does not have."""
        return tuple(run for (name, _), run in sorted(self.runs.items()) if name == kind)

    def other_parameters(self, run: Run) -> tuple[str, ...] | None:
        """Return the names of parameters that differ from the reference's recipe of the run's kind.

        None where there is nothing to compare: no such kind, or a run without params.json. A parameter that did not
        exist yet when the run was made is passed over.
        """
        recipe = self.params.get(run.kind)
        if recipe is None or not run.params:
            return None
        names = (name for name in recipe if name not in _NOT_RECIPE)
        return tuple(name for name in names if name in run.params and run.params[name] != recipe[name])

    def model_of(self, run: Run) -> ReferenceRun | None:
        """Return the reference's model of which `run` is a repetition: same kind, fold and recipe; else None."""
        return self.runs.get((run.kind, run.fold)) if self.other_parameters(run) == () else None


def default_folder() -> Path:
    """Return where the reference is: in the current folder's `_runs`, else in that of the source tree."""
    here = Path("_runs") / "reference"
    return here if here.is_dir() else Path(__file__).parents[2] / "_runs" / "reference"


def read_reference(folder: Path) -> Reference:
    """Read results and recipes.

    Raises:
        InputError: there are none, or they are no such table.
    """
    path = folder / RESULTS
    try:
        table = pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: expected the reference's results as a table, got none ({error})") from error
    missing = [name for name in _COLUMNS if name not in table.columns]
    if missing:
        raise InputError(f"{path}: expected the column {missing[0]}, got {', '.join(map(str, table.columns))}")
    try:
        runs = [_run(row) for row in table.to_dict("records")]
    except (TypeError, ValueError) as error:
        raise InputError(f"{path}: expected numbers in {', '.join(_COLUMNS[2:])}, got something else") from error
    params = {path.parent.name: read_json(path) for path in sorted(folder.glob(f"*/{PARAMS}"))}
    return Reference({(run.kind, run.fold): run for run in runs}, params)


def _run(row: Mapping[Any, Any]) -> ReferenceRun:
    return ReferenceRun(
        kind=str(row["run"]),
        fold=int(row["fold"]),
        best_epoch=int(row["best_epoch"]),
        best_f1=float(row["best_f1"]),
        counts=Counts.of(row),
        last_f1=float(row["last_f1"]),
        hours=float(row["hours"]),
    )
