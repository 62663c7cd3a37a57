"""What a run folder does not hold yet, in words: so that a gap in the report is no riddle."""

from kuzushiji.artifacts import characters_path
from kuzushiji.report.collect import Collected, Run
from kuzushiji.run_folder import SEGMENT


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
