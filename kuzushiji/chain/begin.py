"""What must be there before a run begins, what to do where it is not, and whether the data are as they were checked."""

import shlex
from collections.abc import Iterator
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
