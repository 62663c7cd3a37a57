"""What jobs reached, from the results that they print at their end; and what the whole chain did."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from kuzushiji.chain.listing import Job
from kuzushiji.run_folder import SUBMISSION

_CHECKED = re.compile(r"(?P<train>[\d,]+) training pages .*?(?P<test>[\d,]+) test pages: (?P<faults>[\d,]+) faults")
"""The result of the check, which is a sentence."""

SHOWN: Mapping[str, tuple[str, ...]] = {
    "kuzushiji.demo": (
        "{train_pages} training pages, {test_pages} test pages, {classes} characters",
        "{test_only_classes} of them on test pages alone",
    ),
    "kuzushiji.data.check": ("{train} training pages, {test} test pages, {faults} faults",),
    "kuzushiji.segment.main": ("held-out F1 of boxes {held_out f1}", "{test boxes} test boxes"),
    "kuzushiji.segment.merge": ("{boxes} boxes on {pages} training pages",),
    "kuzushiji.segment.fuse": ("{boxes} boxes on {pages} test pages",),
    "kuzushiji.classify.main": ("held-out F1 {held_out f1}", "{test characters} test characters"),
    "kuzushiji.classify.pseudolabel": ("{kept} of {boxes} test characters kept",),
    "kuzushiji.classify.blend": ("held-out F1 {f1}",),
    "kuzushiji.classify.level2_features": ("{candidates} candidates",),
    "kuzushiji.classify.level2": ("out-of-fold F1 {level 2}", "{characters} characters on {pages} test pages"),
}
"""For each module what its line says, in parts: those that the job did are shown. Names are those of its result."""

_FACT = re.compile(r"(\S(?:.{0,40}?\S)?) {2,}(\S.*)")
_COUNTS = re.compile(r"[\d,]+")


def facts_of(log: str) -> dict[str, str]:
    """Return the result in a job's output: names and values as it printed them, and the row `all` of a table."""
    facts: dict[str, str] = {}
    head: list[str] = []
    for line in log.splitlines():
        cells = re.split(r" {2,}", line.strip())
        if cells[0] == "fold":
            head = cells
        elif cells[0] == "all" and head:
            facts.update(zip(head, cells, strict=False))
        elif match := _CHECKED.fullmatch(line):
            facts.update(match.groupdict())
        elif match := _FACT.fullmatch(line):
            facts[match[1]] = match[2]
    return facts


def reached(jobs: Sequence[Job], facts: Sequence[Mapping[str, str]], log: str) -> str:
    """Return words for what jobs of one module reached: scores from the least to the best, counts together.

    Args:
        jobs: One, or several that share a line.
        facts: Of each.
        log: The output of the last one.
    """
    parts = []
    for template in SHOWN.get(jobs[0].words[0], ()):
        names = re.findall(r"{(.*?)}", template)
        found = [each for each in facts if all(name in each for name in names)]
        if found:
            parts.append(template.format_map({name: _together([each[name] for each in found]) for name in names}))
    if parts:
        return ", ".join(parts)
    lines = [line for line in log.splitlines() if line.strip()]
    if any("already done, skipped" in line for line in lines):
        return "already done"
    said = [line for line in lines if not line.startswith((" ", "Traceback", "Exception"))]
    return said[-1][:58] if said and jobs[0].words[0] not in SHOWN else "done"


def _together(values: Sequence[str]) -> str:
    if all(_COUNTS.fullmatch(value) for value in values):
        return f"{sum(int(value.replace(',', '')) for value in values):,}"
    return values[0] if len(set(values)) == 1 else f"{min(values)} to {max(values)}"


def closing(log: str, runs: Path, data_root: Path) -> list[str]:
    """Return the last lines of a chain: the headline, the table of the report, what to open and to type next.

    Args:
        log: Output of the stage `report`.
        runs: The run folder.
        data_root: The folder with the data.
    """
    lines = log.splitlines()
    head = next((number for number, line in enumerate(lines) if line.startswith("stage ")), None)
    if head is None:
        return []
    names = re.split(r" {2,}", lines[head])
    rows = [line for line in lines[head + 2 :] if "all" in re.split(r" {2,}", line)[:3]]
    last = dict(zip(names, re.split(r" {2,}", rows[-1]), strict=False)) if rows else {}
    closing_lines = ["", *_headline(last, runs), "", *lines[head : head + 2], *rows, ""]
    submission = runs / SUBMISSION
    closing_lines.append(f"to look at:  {runs / 'report.html'} (each model, confused characters, a viewer of pages)")
    if submission.exists():
        closing_lines.append(f"submission:  {submission}")
        closing_lines.append(
            f"read pages:  python -m kuzushiji.predict {data_root / 'test_images'} --models {runs} --output text"
        )
    return closing_lines


def _headline(row: Mapping[str, str], runs: Path) -> list[str]:
    """Return the score of the last row as one line."""
    test, held_out = row.get("test F1", "-"), row.get("held-out F1", "-")
    if row.get("stage") != "second level":
        return []
    if test != "-":
        return [f"F1 {float(test):.3f} on {_pages(runs / SUBMISSION)} test pages"]
    return (
        [f"F1 {float(held_out):.3f} out of fold; the truth of the test pages is not known here"]
        if held_out != "-"
        else []
    )


def _pages(submission: Path) -> int:
    with submission.open("rb") as file:
        return sum(1 for _ in file) - 1
