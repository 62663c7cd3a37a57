"""Whether the data have passed the stage `check`, and are the same since."""

import os
from pathlib import Path

STAMP = "check.passed"
"""In the folder of logs: names the data root that passed."""


def is_checked(data_root: Path, logs: Path) -> bool:
    """Return whether nothing below the data root is newer than its check."""
    stamp = logs / STAMP
    try:
        passed = stamp.stat().st_mtime_ns
        if stamp.read_text(encoding="utf-8").rstrip("\n") != str(data_root.resolve()):
            return False
        return not any(
            os.stat(os.path.join(folder, name)).st_mtime_ns > passed
            for folder, _, names in os.walk(data_root, followlinks=True)
            for name in (".", *names)
        )
    except OSError:  # no stamp, or a link that leads nowhere
        return False


def note_checked(data_root: Path, logs: Path) -> None:
    """Note that a data root has passed."""
    (logs / STAMP).write_text(f"{data_root.resolve()}\n", encoding="utf-8")
