"""Label Studio's JSON export: https://labelstud.io/guide/export; rectangles with a label or a text of their own."""

import math
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from kuzushiji.forms.labelled_page import Label, RawPage
from kuzushiji.forms.notes import Notes
from kuzushiji.forms.reading import bounding_box, list_of, number_of, read_any_json

_PREFIX = re.compile(r"^[0-9a-f]{8}-")
"""What an upload puts before the name of a file."""
_TEXTS = ("text", "rectanglelabels", "polygonlabels", "labels", "choices")
"""Where a region's character may stand; what an annotator wrote comes before a class."""


def recognises(path: Path) -> bool:
    """Return whether a file is such JSON."""
    value = read_any_json(path)
    tasks = value if isinstance(value, list) else [value]
    return bool(tasks) and all(isinstance(task, dict) and "data" in task and "annotations" in task for task in tasks)


def read(path: Path, notes: Notes) -> Iterator[RawPage]:
    """Yield a page a task: its last annotation that was not cancelled; predictions of models do not matter."""
    value = read_any_json(path)
    for number, task in enumerate(value if isinstance(value, list) else [value]):
        place = f"task {task.get('id', number)}"
        image = _image(task["data"])
        if not image:
            notes.fail(f"{path}, {place}: expected the name of a picture in data, got none")
            continue
        done = [
            item for item in list_of(task["annotations"]) if isinstance(item, dict) and not item.get("was_cancelled")
        ]
        if not done:
            notes.fail(f"{path}, {place}: expected an annotation of {image}, got none")
            continue
        if len(done) > 1:
            notes.add("tasks with several annotations", f"{path}, {place}", f"the last of {len(done)} is taken")
        page = RawPage(PurePosixPath(image).stem, path, image, (100.0, 100.0), in_pixels=False)
        _read_regions(page, list_of(done[-1].get("result")), place, notes)
        yield page


def _image(data: Any) -> str:
    """Return the picture's name: the first value of a task's data that looks like one."""
    for value in data.values() if isinstance(data, dict) else ():
        if isinstance(value, str) and re.search(r"\.(jpe?g|png|tiff?|webp|jp2)\b", value, re.IGNORECASE):
            try:
                parts = urlsplit(value)
                local = parse_qs(parts.query).get("d")
            except ValueError:  # no address after all, or one with too many fields
                continue
            place = unquote(local[0] if local else parts.path)
            return _PREFIX.sub("", PurePosixPath(place.replace("\\", "/")).name)
    return ""


def _read_regions(page: RawPage, results: list[Any], task: str, notes: Notes) -> None:
    """Add the boxes; the parts of a region (its rectangle, its label, its text) have one id."""
    regions: dict[str, list[dict[str, Any]]] = {}
    for number, result in enumerate(results):
        if isinstance(result, dict) and isinstance(result.get("value"), dict):
            regions.setdefault(str(result.get("id", number)), []).append({**result, **result["value"]})
        else:
            notes.add("entries that are no object", f"{page.file}, {task}, result {number}", "left out")
    for name, values in regions.items():
        place = f"{task}, region {name}"
        boxes = dict.fromkeys(box for value in values if (box := _box(value)))
        if not boxes:
            notes.add("shapes that are no box", f"{page.file}, {place}", "expected a rectangle or a polygon; left out")
        if len(boxes) > 1:
            notes.add("ids twice", f"{page.file}, {place}", f"expected one box, got {len(boxes)}; they are kept")
        if any(value.get("rotation") for value in values):
            notes.add("boxes that are turned", f"{page.file}, {place}", "the upright box around it is taken")
        for box in boxes:
            own = [value for value in values if _box(value) in (box, None)]
            page.labels.append(Label(_text(own), *box, place))


def _text(values: list[dict[str, Any]]) -> str:
    """Return the different texts of the first kind that a region has, in a row."""
    texts = ([text for value in values for text in _strings(value.get(key))] for key in _TEXTS)
    return "".join(dict.fromkeys(next(filter(None, texts), [])))


def _strings(value: Any) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else [value] if isinstance(value, str) else []


def _box(value: dict[str, Any]) -> tuple[float, float, float, float] | None:
    try:
        if "points" in value:
            return bounding_box([(number_of(x), number_of(y)) for x, y in value["points"]])
        x, y, w, h = (number_of(value[key]) for key in ("x", "y", "width", "height"))
        return _upright(value, x, y, w, h) if value.get("rotation") else (x, y, w, h)
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None


def _upright(value: dict[str, Any], x: float, y: float, w: float, h: float) -> tuple[float, float, float, float]:
    """Return the upright box around a rectangle that is turned clockwise about its upper left corner.

    It is turned in pixels, not in percent of a picture whose sides are of different length.
    """
    angle = math.radians(number_of(value["rotation"]))
    aspect = number_of(value["original_width"]) / number_of(value["original_height"])
    corners = [(right * w * aspect, down * h) for right in (0, 1) for down in (0, 1)]
    sin, cos = math.sin(angle), math.cos(angle)
    return bounding_box([(x + (a * cos - b * sin) / aspect, y + a * sin + b * cos) for a, b in corners])
