"""LabelMe's JSON: https://github.com/wkentaro/labelme; a file a page, the label of a shape is its character."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from kuzushiji.data.characters import code_to_char
from kuzushiji.files import atomic_write_json
from kuzushiji.forms.labelled_page import Label, LabelledPage, RawPage
from kuzushiji.forms.notes import Notes
from kuzushiji.forms.picture_files import Placer
from kuzushiji.forms.reading import bounding_box, number_of, read_any_json, size_of

_VERSION = "5.5.0"
_SHAPES = ("rectangle", "polygon", "oriented_rectangle", "mask")


def recognises(path: Path) -> bool:
    """Return whether a file is such JSON."""
    value = read_any_json(path)
    return isinstance(value, dict) and isinstance(value.get("shapes"), list) and "imagePath" in value


def read(path: Path, notes: Notes) -> Iterator[RawPage]:
    """Yield the page of a file."""
    value = read_any_json(path)
    page = RawPage(path.stem, path, str(value["imagePath"]), size_of(value.get("imageWidth"), value.get("imageHeight")))
    for number, shape in enumerate(value["shapes"]):
        place = f"shape {number}"
        box = _box(shape)
        if box is None:
            kind = shape.get("shape_type") if isinstance(shape, dict) else shape
            notes.add(
                "shapes that are no box", f"{path}, {place}", f"expected {' or '.join(_SHAPES)}, got {kind}; left out"
            )
            continue
        page.labels.append(Label(str(shape.get("label", "")), *box, place))
    yield page


def write(out: Path, pages: Iterable[LabelledPage], place: Placer) -> int:
    """Write `PAGE.json` beside the picture of each page; return the number of pages."""
    count = 0
    for page in pages:
        value: dict[str, Any] = {
            "version": _VERSION, "flags": {}, "shapes": [
                {"label": code_to_char(code), "points": [[x, y], [x + w, y + h]], "group_id": None, "description": "",
                 "shape_type": "rectangle", "flags": {}, "mask": None}
                for code, (x, y, w, h) in zip(page.codes, page.boxes_xywh.tolist(), strict=True)
            ],
            "imagePath": place(page, out).name, "imageData": None, "imageHeight": page.height, "imageWidth": page.width,
        }  # fmt: skip
        atomic_write_json(out / f"{page.name}.json", value)
        count += 1
    return count


def _box(shape: Any) -> tuple[float, float, float, float] | None:
    try:
        if shape.get("shape_type", "polygon") not in _SHAPES:
            return None
        return bounding_box([(number_of(x), number_of(y)) for x, y in shape["points"]])
    except (AttributeError, KeyError, TypeError, ValueError):
        return None
