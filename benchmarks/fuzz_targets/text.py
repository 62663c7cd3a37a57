"""Label strings, CSV tables, names."""

import csv
import gzip
import io
import math
from pathlib import Path

import numpy as np

from benchmarks.fuzz_targets.target import PAGES, Check, Target, require
from kuzushiji.data import label_text
from kuzushiji.data.characters import read_unicode_translation
from kuzushiji.data.labels import (
    parse_labels,
    read_page_labels,
    read_page_points,
    whole_pixels,
    write_page_labels,
    write_page_points,
)
from kuzushiji.data.paths import image_path


def text_targets(folder: Path) -> list[Target]:
    """Return the targets whose input is text."""
    labels = "U+3042 1 2 30 40 seg_fp 5 -6 70.5 8e1 U+4E00 0 0 0 0"
    points = "U+3042 1 2 U+3044 300.5 4e2"
    table = f'image_id,labels\n{PAGES[0]},U+3042 1 2 30 40\n{PAGES[1]},\n"{PAGES[2]}",U+3044 5 6 7 8 U+3046 9 9 9 9\n'
    with_usage = "image_id,labels,Usage\n" + table.partition("\n")[2].replace("40\n", "40,Public\n")
    submission = f"image_id,labels\n{PAGES[0]},U+3042 1 2\n{PAGES[1]},\n{PAGES[2]},U+3044 5 6.5 U+3046 9 9\n"
    unicode_table = 'Unicode,char\nU+3042,あ\nU+3044,い\nU+0022,""""\n'
    ids = (*PAGES, "../../etc/passwd", "a/b", "..")
    packed = gzip.compress(table.encode(), mtime=0)
    return [
        Target("label strings", 330, [labels.encode(), b"", b"U+3042 1 2 3 4"], check_label_string),
        Target("point strings", 330, [points.encode(), b""], check_point_string),
        Target("image ids", 200, [name.encode() for name in ids], _check_id(folder)),
        Target("tables of labels", 55, [table.encode(), with_usage.encode()], _check_labels(folder / "labels.csv")),
        Target("tables of labels, packed", 8, [packed], _check_labels(folder / "labels.csv.gz")),
        Target("submissions", 20, [submission.encode()], _check_points(folder / "points.csv")),
        Target("tables of characters", 15, [unicode_table.encode()], _check_unicode(folder / "unicode.csv")),
    ]


def check_label_string(data: bytes) -> bool:
    """A page's labels of boxes."""
    text = data.decode("utf-8", "replace")
    codes, boxes_xywh = parse_labels(text, "fuzz")
    words = _words(text)
    require(len(words) == 5 * len(codes), "another number of fields")
    require(list(codes) == words[::5], "other codes")
    for field in range(4):
        _require_numbers(words[field + 1 :: 5], boxes_xywh[:, field])
    items = label_text.format_items(codes, whole_pixels(boxes_xywh).T.tolist())
    again = parse_labels(" ".join(items), "fuzz")
    require(list(again[0]) == list(codes) and (again[1] == whole_pixels(boxes_xywh)).all(), "no round trip")
    return True


def check_point_string(data: bytes) -> bool:
    """A page's points of a submission."""
    text = data.decode("utf-8", "replace")
    _, codes, numbers = label_text.parse_pages([text], label_text.POINT_FIELDS, lambda _: "fuzz")
    words = _words(text)
    require(len(words) == 3 * len(codes) and list(codes) == words[::3], "other codes")
    for field in range(2):
        _require_numbers(words[field + 1 :: 3], numbers[:, field])
    return True


def _words(text: str) -> list[str]:
    for code in _separators(text):
        text = text.replace(code, " ")
    return text.split()


def _separators(text: str) -> set[str]:
    """Return what separates fields: Unicode's white space, which is not all that Python takes for it."""
    return {char for char in set(text) if char.isspace() and not "\x1c" <= char <= "\x1f"}


def _require_numbers(words: list[str], numbers: "np.ndarray[tuple[int], np.dtype[np.float64]]") -> None:
    for word, number in zip(words, numbers.tolist(), strict=True):
        require(math.isfinite(number) and float(word) == number and abs(number) <= 1e9, f"{word!r} as {number}")


def _check_id(folder: Path) -> Check:
    def check(data: bytes) -> bool:
        image_id = data.decode("utf-8", "replace")
        path = image_path(folder, image_id)
        require(path.parent == folder and path.name == f"{image_id}.jpg", f"{image_id!r} leaves its folder")
        return True

    return check


def _check_labels(path: Path) -> Check:
    again = path.with_name("again.csv")

    def check(data: bytes) -> bool:
        path.write_bytes(data)
        labels = read_page_labels(path)
        require(len(set(labels.image_ids)) == len(labels.image_ids) and all(labels.image_ids), "pages")
        write_page_labels(again, labels)
        copy = read_page_labels(again)
        require(copy.image_ids == labels.image_ids, "other pages after a round trip")
        require((copy.boxes_xywh == whole_pixels(labels.boxes_xywh)).all(), "other boxes after a round trip")
        require(list(copy.boxes["code"]) == list(labels.boxes["code"]), "other codes after a round trip")
        return True

    return check


def _check_points(path: Path) -> Check:
    again = path.with_name("again-points.csv")

    def check(data: bytes) -> bool:
        path.write_bytes(data)
        points = read_page_points(path)
        write_page_points(again, points)
        copy = read_page_points(again)
        require(copy.image_ids == points.image_ids, "other pages after a round trip")
        moved = np.abs(copy.points[["x", "y"]].to_numpy() - points.points[["x", "y"]].to_numpy())
        require(bool((moved <= 0.0501).all()), "other points after a round trip")
        return True

    return check


def _check_unicode(path: Path) -> Check:
    def check(data: bytes) -> bool:
        path.write_bytes(data)
        table = read_unicode_translation(path)
        text = io.StringIO()
        csv.writer(text).writerows([("Unicode", "char"), *table.items()])
        path.write_text(text.getvalue(), encoding="utf-8", newline="")
        require(read_unicode_translation(path) == table, "no round trip")
        return True

    return check
