"""What the stages left in a run folder: its data root, which runs there are, their results, what is missing."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kuzushiji.artifacts import characters_path
from kuzushiji.data.paths import DataRoot
from kuzushiji.engine.events import EventLog
from kuzushiji.errors import InputError
from kuzushiji.files import read_json
from kuzushiji.metric import Counts
from kuzushiji.run_folder import (
    BUNDLE_FILE,
    EVENTS,
    FUSED,
    LEVEL2,
    LEVEL2_RECORD,
    METRICS,
    METRICS_OOF,
    PARAMS,
    SEGMENT,
    SUBMISSION,
    TEST_PREDICTIONS,
    ModelName,
)


def find_root(given: Path | None, runs: Path) -> DataRoot:
    """Return the data root: `given`, else the books beside the runs (demo), else as all stages find it.

    Raises:
        InputError: `runs` or the data root is no folder; `runs` has models alone.
    """
    if not runs.is_dir():
        raise InputError(f"{runs}: expected a run folder, got none")
    if (runs / BUNDLE_FILE).is_file():
        expected = "expected the run folder that it was made of"
        raise InputError(f"{runs}: {expected}, got exported models ({BUNDLE_FILE}), which have no results to report")
    books = runs / "books"
    return DataRoot.find(books if given is None and books.is_dir() else given)


ALL_KINDS = "all"
"""Name of the blend of all kinds of models."""
SECOND_LEVEL = "level 2"
_RECORD_OF_SECOND_LEVEL = Path(LEVEL2) / LEVEL2_RECORD
_BLEND = re.compile(r"blend-(?P<name>.+)\.csv")


@dataclass(frozen=True)
class Run:
    """One trained model of one fold.

    Attributes:
        folder: Where its files are.
        kind: The kind of model, shared by its folds: `segment`, `clf`, `clf-resnet10t-pseudo`, …
        fold: Number of its fold.
        metrics: Content of `metrics.json`: last and best epoch of the training; empty where it is not there yet.
        held_out: Counts on the pages of the fold, as the final prediction has them; None where it is not there yet.
        events: Lines of `events.jsonl`, in order.
        params: Content of `params.json`; empty where it is not there yet.
        prediction: Content of `metrics-oof.json`, of which `held_out` is a part.
    """

    folder: Path
    kind: str
    fold: int
    metrics: dict[str, Any]
    held_out: Counts | None
    events: tuple[dict[str, Any], ...]
    params: dict[str, Any] = field(default_factory=dict)
    prediction: dict[str, Any] = field(default_factory=dict)

    @property
    def submission(self) -> Path:
        """What the model finds on the test pages: boxes of a detector, points of a classifier."""
        return self.folder / (TEST_PREDICTIONS if self.kind == SEGMENT else SUBMISSION)

    def f1(self, epoch: str) -> float | None:
        """Return the validation F1 of the `best` or the `last` epoch of the training; None if unknown."""
        value = self.metrics.get(epoch, {}).get("f1")
        return None if value is None else float(value)

    @property
    def seconds(self) -> float | None:
        """Seconds of training; None if unknown."""
        value = self.metrics.get("seconds")
        return None if value is None else float(value)


@dataclass(frozen=True)
class Collected:
    """Everything in a run folder that a report can be made of.

    Attributes:
        folder: The run folder.
        runs: Models, by kind and fold; detectors first.
        fused: Test boxes of all detectors together; None where they are not there.
        blends: Submissions of blends by name, from few models to many; the blend of a kind's folds has the kind's name.
        final: The result of the second level; None where it is not there.
        second_level: Out-of-fold F1 that the second level measured, by what it compared: `blend`, `level 2`, …
        second_level_seconds: Seconds of its training; None where it is not there.
    """

    folder: Path
    runs: tuple[Run, ...]
    fused: Path | None
    blends: dict[str, Path]
    final: Path | None
    second_level: dict[str, float]
    second_level_seconds: float | None = None

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of models, in order."""
        return tuple(dict.fromkeys(run.kind for run in self.runs))

    def of_kind(self, kind: str) -> tuple[Run, ...]:
        """Return the runs of a kind, by fold."""
        return tuple(run for run in self.runs if run.kind == kind)


def collect(folder: Path) -> Collected:
    """Read what the stages left in `folder`; what is not there yet is left out.

    Raises:
        InputError: a file is there and cannot be read.
    """
    named = [(path, ModelName.of_folder(path.name)) for path in sorted(folder.iterdir()) if path.is_dir()]
    runs = [_read_run(path, name) for path, name in named if name]
    runs.sort(key=lambda run: (run.kind != SEGMENT, run.kind, run.fold))
    fused, final = folder / FUSED, folder / SUBMISSION
    second_level = _read_if_there(folder / _RECORD_OF_SECOND_LEVEL)
    return Collected(
        folder,
        tuple(runs),
        fused if fused.exists() else None,
        _blends(folder),
        final if final.exists() else None,
        second_level.get("facts", {}).get("f1", {}),
        second_level.get("seconds"),
    )


def _read_run(folder: Path, name: ModelName) -> Run:
    metrics, held_out, params = (_read_if_there(folder / name) for name in (METRICS, METRICS_OOF, PARAMS))
    counts = Counts.of(held_out) if "tp" in held_out else None
    events = tuple(EventLog(folder / EVENTS).read())
    return Run(folder, name.kind, name.fold, metrics, counts, events, params, held_out)


def _read_if_there(path: Path) -> dict[str, Any]:
    value = read_json(path) if path.exists() else {}
    return value if isinstance(value, dict) else {}


def _blends(folder: Path) -> dict[str, Path]:
    found = [(match["name"], path) for path in folder.glob("blend-*.csv") if (match := _BLEND.fullmatch(path.name))]
    order = {"backbones": 1, ALL_KINDS: 2}
    return dict(sorted(found, key=lambda item: (order.get(item[0], 0), item[0])))


def missing_parts(collected: Collected, *, truth_is_known: bool) -> list[str]:
    """Return a line for each part that is missing; none for a run that is over.

    Args:
        collected: What is in the run folder.
        truth_is_known: Whether the truth of the test pages is there.
    """
    if not collected.runs:
        return [f"{collected.folder} holds no runs: no folder named segment-fold0, clf-fold0 and so on"]
    lines = []
    folds = {run.fold for run in collected.runs}
    for kind in collected.kinds:
        runs = collected.of_kind(kind)
        absent = sorted(folds - {run.fold for run in runs})
        if absent:
            lines.append(f"{kind}: no run of fold {', '.join(map(str, absent))}")
        lines += [line for run in runs if (line := _missing_of_run(run))]
    if collected.kinds == (SEGMENT,):
        lines.append("no classifiers yet: nothing was read, so there are no pages, errors and characters to show")
    if collected.fused is None:
        lines.append("the test boxes of all folds are not fused yet")
    if not collected.blends:
        lines.append("no blends yet")
    if collected.final is None:
        lines.append("no second level yet: the viewer shows held-out pages")
    elif not characters_path(collected.final).exists():
        lines.append(f"{characters_path(collected.final).name} is not there: the viewer shows held-out pages")
    if not truth_is_known:
        lines.append("the truth of the test pages is not known: no scores on test pages")
    return lines


def _missing_of_run(run: Run) -> str:
    steps = (
        ("training", bool(run.metrics)),
        ("the prediction of held-out pages", run.held_out is not None),
        ("the prediction of test pages", run.submission.exists()),
    )
    left = [name for name, is_done in steps if not is_done]
    return f"{run.folder.name}: {', '.join(left)} not finished" if left else ""
