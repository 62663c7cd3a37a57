"""COCO's JSON of detection: https://cocodataset.org/#format-data; the category of a box is its character."""

from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from kuzushiji.data.characters import code_to_char
from kuzushiji.files import atomic_write_json
from kuzushiji.forms.labelled_page import Label, LabelledPage, RawPage
from kuzushiji.forms.notes import Notes
from kuzushiji.forms.picture_files import Placer
from kuzushiji.forms.reading import bounding_box, list_of, number_of, read_any_json, size_of

FILE = "annotations.json"


def recognises(path: Path) -> bool:
    """Return whether a file is such JSON."""
    value = read_any_json(path)
    return isinstance(value, dict) and all(isinstance(value.get(key), list) for key in ("images", "annotations"))


def read(path: Path, notes: Notes) -> Iterator[RawPage]:
    """Yield the pages in the order of the images."""
    value = read_any_json(path)
    names = {_key(item.get("id")): str(item.get("name", "")) for item in _objects(value, "categories", path, notes)}
    pages: dict[Any, RawPage] = {}
    for item in _objects(value, "images", path, notes):
        key = _key(item.get("id"))
        if key in pages:
            notes.fail(
                f"{path}, image {item.get('file_name')}: expected each image id once, got {item.get('id')} again"
            )
            continue
        image = str(item.get("file_name", ""))
        pages[key] = RawPage(
            PurePosixPath(image.replace("\\", "/")).stem, path, image, size_of(item.get("width"), item.get("height"))
        )
    ids: set[Any] = set()
    for number, item in enumerate(_objects(value, "annotations", path, notes)):
        place = f"annotation {item.get('id', number)}"
        page = pages.get(_key(item.get("image_id")))
        if page is None:
            notes.add("boxes of no page", f"{path}, {place}", f"no image has the id {item.get('image_id')}; left out")
            continue
        if _key(item.get("id")) in ids:
            notes.add("ids twice", f"{path}, {place}", "expected each id once; the box is kept")
        ids.add(_key(item.get("id")))
        box = _box(item)
        if box is None:
            notes.add(
                "shapes that are no box", f"{path}, {place}", "expected bbox with 4 numbers or a polygon; left out"
            )
            continue
        page.labels.append(Label(names.get(_key(item.get("category_id")), ""), *box, place))
    yield from pages.values()


def write(out: Path, pages: Iterable[LabelledPage], place: Placer) -> int:
    """Write `annotations.json` and `images/`; return the number of pages. A category's name is the character."""
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    categories: dict[str, int] = {}
    for number, page in enumerate(pages, start=1):
        image = place(page, out / "images").name
        images.append({"id": number, "file_name": image, "width": page.width, "height": page.height})
        for code, (x, y, w, h) in zip(page.codes, page.boxes_xywh.tolist(), strict=True):
            category = categories.setdefault(code, len(categories) + 1)
            corners = [x, y, x + w, y, x + w, y + h, x, y + h]
            annotations.append(
                {"id": len(annotations) + 1, "image_id": number, "category_id": category, "bbox": [x, y, w, h],
                 "area": w * h, "segmentation": [corners], "iscrowd": 0}
            )  # fmt: skip
    named = [{"id": number, "name": code_to_char(code), "supercategory": ""} for code, number in categories.items()]
    atomic_write_json(out / FILE, {"images": images, "annotations": annotations, "categories": named})
    return len(images)


def _objects(value: Any, key: str, path: Path, notes: Notes) -> Iterator[dict[str, Any]]:
    for number, item in enumerate(list_of(value.get(key))):
        if isinstance(item, dict):
            yield item
        else:
            notes.add("entries that are no object", f"{path}, {key} {number}", "expected an object; left out")


def _key(value: Any) -> int | float | str:
    """Return an id; whatever is neither a number nor a text, as text."""
    return value if isinstance(value, int | float | str) else repr(value)


def _box(item: dict[str, Any]) -> tuple[float, float, float, float] | None:
    try:
        if item.get("bbox"):
            x, y, w, h = map(number_of, item["bbox"])
            return x, y, w, h
        numbers = [number_of(value) for polygon in item["segmentation"] for value in polygon]
        return bounding_box(list(zip(numbers[::2], numbers[1::2], strict=True)))
    except (KeyError, TypeError, ValueError):
        return None
