"""What the report says first: the headline, and which run it is of."""

import os
import platform
import subprocess
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from kuzushiji.report.collect import Collected
from kuzushiji.report.outcome import Outcome
from kuzushiji.report.table import Row

_CHECKOUT = Path(__file__).parents[2]


def headline(rows: Sequence[Row], shown: Outcome | None) -> str:
    """Return the one number that counts: F1 of the last stage with a score, on test pages where they are known.

    Args:
        rows: The table stage by stage.
        shown: The result on test pages or, without it, on held-out pages.
    """
    read = [row for row in rows if row.fold == "all" and not row.stage.startswith("boxes")]
    if not read:
        return "Nothing was read yet"
    last = read[-1]
    if last.test is not None:
        pages = "" if shown is None else f" on {len(shown.pages):,} test pages"
        return f"F1 {last.test.f1:.3f}{pages}, read by: {last.stage}"
    if last.held_out is not None:
        return f"F1 {last.held_out:.3f} out of fold, read by: {last.stage}"
    return "No score is known yet"


def facts_of_run(collected: Collected, n_pages: tuple[int, int | None]) -> list[tuple[str, str]]:
    """Return names and values: date, code, profile, seed, data, machine; those that are not known are left out.

    The commit and the machine are those of this process: the chain runs it last.

    Args:
        collected: What is in the run folder.
        n_pages: Training pages, and test pages with truth, None where it is unknown.
    """
    train, test = n_pages
    seeds = sorted({str(run.params["seed"]) for run in collected.runs if "seed" in run.params})
    facts = [
        ("date", _date(collected)),
        ("code", _commit()),
        ("profile", _profile(collected.folder.resolve())),
        ("seed", ", ".join(seeds)),
        ("data", f"{train:,} training pages" + (f", {test:,} test pages with truth" if test else "")),
        ("machine", _machine()),
    ]
    return [(name, value) for name, value in facts if value]


def _date(collected: Collected) -> str:
    """Return the day on which the last result was written."""
    files = [*([collected.final] if collected.final else []), *collected.blends.values()]
    files += [path for run in collected.runs for path in run.folder.glob("metrics*.json")]
    times = [path.stat().st_mtime for path in files if path.exists()]
    return datetime.fromtimestamp(max(times)).astimezone().date().isoformat() if times else ""


def _profile(folder: Path) -> str:
    """Return the profile whose default run folder this is (`_runs/demo`; `_runs` of kaggle); "" for another folder."""
    names = {path.stem: path.stem for path in (_CHECKOUT / "profiles").glob("*.env")} | {"_runs": "kaggle"}
    return names.get(folder.name, "")


def _commit() -> str:
    """Return the commit of the code's checkout; "" where it is none."""
    if not (_CHECKOUT / ".git").exists():
        return ""
    command = ["git", "-C", str(_CHECKOUT), "describe", "--always", "--dirty", "--exclude=*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return f"commit {done.stdout.strip()}" if done.returncode == 0 else ""


def _machine() -> str:
    """Return processor, cores and system."""
    name = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), name)
    return f"{name}, {os.cpu_count()} cores, {platform.system()}"
