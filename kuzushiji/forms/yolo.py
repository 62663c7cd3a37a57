"""YOLO in the layout of ultralytics: https://docs.ultralytics.com/datasets/detect/; or `classes.txt` beside the labels.

A picture `images/…/p1.jpg` has its labels in `labels/…/p1.txt` or beside it: a line a box, its class and the middle,
width and height (or the corners of a polygon) as shares of the picture.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from kuzushiji.data.characters import code_to_char
from kuzushiji.errors import InputError
from kuzushiji.files import atomic_write_text
from kuzushiji.forms.labelled_page import Label, LabelledPage, RawPage
from kuzushiji.forms.notes import Notes
from kuzushiji.forms.picture_files import Placer
from kuzushiji.forms.reading import bounding_box, number_of, read_text_file

FILE = "data.yaml"
_LISTS = ("classes.txt", "obj.names")
_NOT_LABELS = {*_LISTS, "train.txt", "val.txt", "test.txt", "README.txt", "readme.txt"}


def recognises(path: Path) -> bool:
    """Return whether a file names the classes of such a data set."""
    if path.name in _LISTS:
        return not (path.parent / FILE).is_file()
    return path.suffix in (".yaml", ".yml") and "names" in _settings(path)


def read(path: Path, notes: Notes) -> Iterator[RawPage]:
    """Yield the pages below the folder of the file with the classes, by name."""
    names = _names(path)
    for file in sorted(path.parent.rglob("*.txt")):
        if file.name in _NOT_LABELS or not file.is_file():
            continue
        parts = ["images" if part == "labels" else part for part in file.relative_to(path.parent).parts[:-1]]
        image = "/".join([*[".."] * (len(parts)), *parts, file.stem])
        page = RawPage(file.stem, file, image, (1.0, 1.0), in_pixels=False)
        for number, line in enumerate(read_text_file(file).splitlines(), start=1):
            if line.strip():
                _read_line(page, line.split(), number, names, notes)
        yield page


def write(out: Path, pages: Iterable[LabelledPage], place: Placer) -> int:
    """Write `data.yaml`, `images/train` and `labels/train`; return the number of pages.

    A class's name is its character.
    Validation is said to be on the same pages: who trains on them divides them as they like.
    """
    import yaml

    classes: dict[str, int] = {}
    count = 0
    for page in pages:
        image = place(page, out / "images" / "train")
        lines = []
        for code, (x, y, w, h) in zip(page.codes, page.boxes_xywh.tolist(), strict=True):
            shares = ((x + w / 2) / page.width, (y + h / 2) / page.height, w / page.width, h / page.height)
            lines.append(f"{classes.setdefault(code, len(classes))} {' '.join(f'{share:.8f}' for share in shares)}\n")
        atomic_write_text(out / "labels" / "train" / f"{image.stem}.txt", "".join(lines))
        count += 1
    names = {number: code_to_char(code) for code, number in classes.items()}
    settings = {"path": ".", "train": "images/train", "val": "images/train", "names": names}
    atomic_write_text(out / FILE, yaml.safe_dump(settings, allow_unicode=True, sort_keys=False))
    return count


def _settings(path: Path) -> dict[str, Any]:
    import yaml

    try:
        value = yaml.load(read_text_file(path), Loader=yaml.BaseLoader)  # noqa: S506 - it makes nothing but texts
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise InputError(f"{path}: expected YAML, got something else ({' '.join(str(error).split())})") from error
    return value if isinstance(value, dict) else {}


def _names(path: Path) -> dict[int, str]:
    if path.name in _LISTS:
        return dict(enumerate(line.strip() for line in read_text_file(path).splitlines()))
    names = _settings(path).get("names")
    pairs = enumerate(names) if isinstance(names, list) else names.items() if isinstance(names, dict) else ()
    try:
        return {int(number): name if isinstance(name, str) else "" for number, name in pairs}
    except ValueError as error:
        raise InputError(f"{path}: expected names by number, got something else ({error})") from error


def _read_line(page: RawPage, words: list[str], number: int, names: dict[int, str], notes: Notes) -> None:
    place = f"line {number}"
    try:
        kind, values = int(words[0]), [number_of(word) for word in words[1:]]
        if len(values) == 4:
            x, y, w, h = values[0] - values[2] / 2, values[1] - values[3] / 2, values[2], values[3]
        elif len(values) >= 6:
            x, y, w, h = bounding_box(list(zip(values[::2], values[1::2], strict=True)))
        else:
            raise ValueError("too few numbers")
    except ValueError:
        got = " ".join(words)[:60]
        notes.add(
            "lines that are no box", f"{page.file}, {place}", f"expected a class and 4 numbers, got {got}; left out"
        )
        return
    if kind not in names:
        notes.add(
            "classes without a name", f"{page.file}, {place}", f"expected one of {len(names)} classes, got {kind}"
        )
    page.labels.append(Label(names.get(kind, ""), x, y, w, h, place))
