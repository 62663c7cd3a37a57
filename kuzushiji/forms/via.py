"""VIA's CSV and JSON: https://www.robots.ox.ac.uk/~vgg/software/via/; an attribute of a region is its character."""

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from kuzushiji.errors import InputError
from kuzushiji.forms.labelled_page import Label, RawPage
from kuzushiji.forms.notes import Notes
from kuzushiji.forms.reading import MAX_JSON, bounding_box, list_of, number_of, read_any_json, read_bounded

_COLUMNS = ("filename", "region_shape_attributes", "region_attributes")
_NAMES = ("char", "character", "label", "class", "text", "code", "unicode", "name", "type")
"""Of the attribute that holds the character, where a region has several; the first one that is there."""


def recognises(path: Path) -> bool:
    """Return whether a file is such CSV or JSON."""
    if path.suffix == ".csv":
        with path.open(encoding="utf-8-sig", errors="replace") as file:
            head = file.readline()
        return all(name in head for name in _COLUMNS)
    return bool(_entries(read_any_json(path)))


def read(path: Path, notes: Notes) -> Iterator[RawPage]:
    """Yield the pages in the file's order."""
    regions = _csv_regions(path, notes) if path.suffix == ".csv" else _json_regions(path)
    pages: dict[str, RawPage] = {}
    for image, place, shape, attributes in regions:
        name = PurePosixPath(image.replace("\\", "/")).stem
        page = pages.setdefault(image, RawPage(name, path, image, None))
        if shape is None:
            continue
        box = _box(shape)
        if box is None:
            kind = shape.get("name") if isinstance(shape, dict) else shape
            notes.add("shapes that are no box", f"{path}, {place}", f"expected rect or polygon, got {kind}; left out")
            continue
        page.labels.append(Label(_text(attributes), *box, place))
    yield from pages.values()


_Region = tuple[str, str, Any, Any]
"""Picture, place in words, shape (None for a picture without regions), attributes."""


def _entries(value: Any) -> list[dict[str, Any]]:
    """Return the pictures of a project, of its annotations alone, or none."""
    found = value.get("_via_img_metadata", value) if isinstance(value, dict) else {}
    entries = list(found.values()) if isinstance(found, dict) else []
    fits = all(isinstance(entry, dict) and "filename" in entry and "regions" in entry for entry in entries)
    return entries if fits else []


def _json_regions(path: Path) -> Iterator[_Region]:
    for entry in _entries(read_any_json(path)):
        image = str(entry["filename"])
        regions = entry["regions"]  # a list, or in version 1 an object by number
        yield image, "", None, None
        for number, region in enumerate(regions.values() if isinstance(regions, dict) else list_of(regions)):
            place = f"{image}, region {number}"
            inner = region if isinstance(region, dict) else {}
            yield image, place, inner.get("shape_attributes") or {}, inner.get("region_attributes")


def _csv_regions(path: Path, notes: Notes) -> Iterator[_Region]:
    try:
        text = read_bounded(path, MAX_JSON).decode("utf-8-sig")
        rows = list(csv.DictReader(io.StringIO(text.removeprefix("#")), strict=True))  # "#filename" in version 1
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: expected CSV in UTF-8, got something else ({error})") from error
    for number, row in enumerate(rows, start=2):
        image, place = row.get("filename") or "", f"row {number}"
        if not image or image.startswith("#"):
            continue
        try:
            shape, attributes = (json.loads(row.get(name) or "{}") for name in _COLUMNS[1:])
        except (ValueError, RecursionError):
            notes.add(
                "rows that cannot be read", f"{path}, {place}", "expected JSON in the columns of regions; left out"
            )
            continue
        yield image, place, shape or None, attributes


def _text(attributes: Any) -> str:
    items = attributes.items() if isinstance(attributes, dict) else ()
    texts = {str(key).lower(): _chosen(value) for key, value in items}
    if len(texts) == 1:
        return next(iter(texts.values()))
    return next((texts[name] for name in _NAMES if texts.get(name)), "")


def _chosen(value: Any) -> str:
    """Return a value as text; of checkboxes, an object of truth values, what is ticked."""
    ticked = [str(name) for name, on in value.items() if on] if isinstance(value, dict) else [str(value)]
    return "".join(ticked)


def _box(shape: Any) -> tuple[float, float, float, float] | None:
    try:
        if shape.get("name") == "rect":
            x, y, w, h = (number_of(shape[key]) for key in ("x", "y", "width", "height"))
            return x, y, w, h
        if shape.get("name") in ("polygon", "polyline"):
            points = zip(shape["all_points_x"], shape["all_points_y"], strict=True)
            return bounding_box([(number_of(x), number_of(y)) for x, y in points])
    except (AttributeError, KeyError, TypeError, ValueError):
        return None
    return None
