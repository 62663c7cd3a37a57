"""Whether the data have passed the stage `check`, and are the same since."""

from pathlib import Path

from kuzushiji.content import digest_of_all
from kuzushiji.data.paths import DataRoot
from kuzushiji.errors import InputError

STAMP = "check.passed"
"""In the folder of logs: the digest of the data that passed."""


def is_checked(data_root: Path, logs: Path) -> bool:
    """Return whether the tables and the images that they name have the contents that passed the check."""
    try:
        return (logs / STAMP).read_text(encoding="utf-8").strip() == _digest(data_root)
    except (OSError, InputError):  # no stamp, or no data: the check reports what is missing
        return False


def note_checked(data_root: Path, logs: Path) -> None:
    """Note that a data root has passed."""
    (logs / STAMP).write_text(f"{_digest(data_root)}\n", encoding="utf-8")


def _digest(data_root: Path) -> str:
    return digest_of_all(DataRoot(data_root).inputs())
