"""What must be there before a run begins: the data as they were checked, weights to start from, and the run's locks.

Whoever runs the whole chain holds the run folder alone; those who run a part of it (`--fold`, `--stage`) share the
folder, and each holds its part alone. Jobs inherit the locks on purpose: a chain that was killed is over only when its
last job is.
"""

import logging
import os
import shlex
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from kuzushiji import locks
from kuzushiji.chain.listing import Job
from kuzushiji.content import digest_of_all
from kuzushiji.data.paths import DataRoot
from kuzushiji.errors import InputError, UsageError
from kuzushiji.run_folder import TRAIN_RECORD

logger = logging.getLogger(__name__)

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


TABLES = ("train.csv", "sample_submission.csv", "unicode_translation.csv")
IMAGES = ("train_images", "test_images")


def missing_data(folder: Path) -> list[str]:
    """Return what of the competition's data is not there, folders with a slash.

    Where the training pages are there, the table of characters may be missing, and so may the test pages as a whole.
    """
    tables = [name for name in TABLES if not (folder / name).is_file()]
    missing = [*tables, *(f"{name}/" for name in IMAGES if not (folder / name).is_dir())]
    if TABLES[0] in missing or f"{IMAGES[0]}/" in missing:
        return missing
    test = {TABLES[1], f"{IMAGES[1]}/"}
    return [name for name in missing if name in test and not test <= set(missing)]


def how_to_begin(folder: Path, profiles: list[str]) -> str:
    """Return what is missing in one line, then what to do about it: move the data up, unpack or download them."""
    lines = [f"The competition's data are not in {folder}/: expected {' '.join(missing_data(folder))} there too"]
    here = shlex.quote(str(folder))
    columns, archive = _foreign_columns(folder / "train.csv"), _packed_archive(folder)
    below = sorted([*folder.glob("*/train.csv"), *folder.glob("*/*/train.csv")])
    if columns:
        lines += [
            f"{folder}/train.csv is another competition's: expected the columns image_id,labels, got {columns}",
            *_how_to_download("kuzushiji-data", "KUZUSHIJI_DATA=kuzushiji-data "),
        ]
    elif below and not (folder / "train.csv").exists():
        there = shlex.quote(str(below[0].parent))
        lines += [
            f"They are in {there}/: move them up, or say that they are there:",
            f"  mv {there}/* {here}/",
            f"  KUZUSHIJI_DATA={there} bash run-all.sh kaggle",
        ]
    elif archive:
        lines.append(f"{archive} is there, but not unpacked:")
        lines += [*_how_to_unpack(here, archive.name), "  bash run-all.sh kaggle"]
    else:
        lines += _how_to_download(here, "")
    return "\n".join([*lines, f"Profiles: {' '.join(profiles)}. Without any data: bash run-all.sh demo"])


def _foreign_columns(table: Path) -> str:
    """Return the header of a table that is not the competition's; empty for one that is, is empty, or is not there."""
    if not table.is_file():
        return ""
    with table.open("rb") as file:
        header = file.read(200).decode("utf-8-sig", errors="replace").partition("\n")[0].strip()
    return "" if not header or {"image_id", "labels"} <= set(header.split(",")) else header


def _packed_archive(folder: Path) -> Path | None:
    """Return an archive with what is missing in the folder; None without one."""
    parts = [folder / f"{name}.zip" for name in IMAGES if not (folder / name).is_dir()]
    return next((path for path in [*sorted(folder.glob("kuzushiji*.zip")), *parts] if path.is_file()), None)


def _how_to_unpack(folder: str, archive: str) -> Iterator[str]:
    """Yield the command; the archive holds one for each folder of images."""
    whole = "" if archive.removesuffix(".zip") in IMAGES else f"unzip -q {shlex.quote(archive)} && "
    yield f"  (cd {folder} && {whole}for name in {' '.join(IMAGES)}; do"
    yield "    [ -d $name ] || unzip -q $name.zip -d $name; done)"


def _how_to_download(folder: str, setting: str) -> Iterator[str]:
    yield "To get them, with an account that has accepted the rules on https://www.kaggle.com/c/kuzushiji-recognition :"
    yield "  pip install kaggle"
    yield f"  kaggle competitions download -c kuzushiji-recognition -p {folder}"
    yield from _how_to_unpack(folder, "kuzushiji-recognition.zip")
    yield f"  {setting}bash run-all.sh kaggle"


PACKAGED = "books"
"""The value of `--weights` for backbones that come with the package."""

VARIABLES = ("SEGMENT_WEIGHTS", "FIRST_WEIGHTS", "SECOND_WEIGHTS")
"""Files for the detector and the two backbones, in place of what the profile starts from."""


def needed_weights(jobs: Iterable[Job], *, force: bool) -> list[str]:
    """Return the networks that jobs start from published weights, or from a file, as NETWORK or NETWORK=FILE.

    Args:
        jobs: Some of them train.
        force: Whether models are trained again that are trained.
    """
    needed: dict[str, None] = {}
    for job in jobs:
        folder, weights = job.value("--output-dir"), job.value("--weights")
        starts_anew = job.trains and job.value("--resume") is None and folder is not None
        if (
            not starts_anew
            or job.value("--start")
            or weights == PACKAGED
            or (not weights and job.value("--pretrained") == "0")
        ):
            continue
        if force or not Path(folder or "", TRAIN_RECORD).exists():
            network = job.value("--model") or job.value("--base") or ""
            needed[f"{network}={weights}" if weights else network] = None
    return list(needed)


def check_weights_files(variables: Mapping[str, str]) -> None:
    """Check that files of weights are there: the stage that reads one may begin days later.

    Raises:
        UsageError: one is not.
    """
    for name in VARIABLES:
        path = variables[name]
        if path not in ("", PACKAGED) and not Path(path).is_file():
            raise UsageError(f"{name}: expected a file of weights, got {path}")


WHOLE = ".chain.lock"


def hold_part(runs: Path, part: str, command: str) -> tuple[int, ...]:
    """Take the locks until this process and all its jobs have ended; return the descriptors that jobs are to inherit.

    Args:
        runs: The run folder.
        part: Name of the part; empty for the whole.
        command: What the user typed, for those who come later.

    Raises:
        InputError: somebody else has them, or they cannot be made.
    """
    paths = [runs / WHOLE, *([runs / f".chain-{part}.lock"] if part else [])]
    try:
        handles = tuple(os.open(path, os.O_RDWR | os.O_CREAT, 0o666) for path in paths)
    except OSError as error:
        raise InputError(f"{runs}: cannot write there: {error.strerror or error}") from error
    end = time.monotonic() + locks.PATIENCE
    said = False
    while not _take(handles):
        holder = _find_holder(runs, part)
        if not locks.is_dead(locks.read_holder(holder)) or time.monotonic() > end:
            raise InputError(f"{runs}: {locks.describe_holder(holder)} is at work there; one chain at a time")
        if not said:
            logger.info("%s: waiting for the jobs of a chain that was killed", runs)
            said = True
        time.sleep(0.2)
    locks.note_holder(handles[-1], command=command)
    return handles


def _take(handles: tuple[int, ...]) -> bool:
    """Lock the whole or, where a part is given too, share the whole and lock the part; return whether that went."""
    whole, *parts = handles
    return locks.take(whole, shared=bool(parts)) and all(locks.take(part, shared=False) for part in parts)


def _find_holder(runs: Path, part: str) -> Path:
    """Return the file of the lock that is in the way: of the same part, of any part, or of the whole."""
    parts = [runs / f".chain-{part}.lock"] if part else sorted(runs.glob(".chain-*.lock"))
    return next((path for path in parts if path.is_file() and locks.is_taken(path)), runs / WHOLE)
