"""PAGE XML of any version: https://github.com/PRImA-Research-Lab/PAGE-XML."""

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

from kuzushiji.forms.labelled_page import Label, RawPage, TextLine
from kuzushiji.forms.notes import Notes
from kuzushiji.forms.reading import bounding_box, number_of, read_xml, root_tag, size_of
from kuzushiji.layout import ROLES, TEXT

_ROLE = re.compile(r"structure\s*\{[^}]*type:\s*(\w+)")


def recognises(path: Path) -> bool:
    """Return whether a file is PAGE XML."""
    return root_tag(path) == "PcGts"


def read(path: Path, notes: Notes) -> Iterator[RawPage]:
    """Yield the page of a file: its glyphs, and words or lines of one character without glyphs."""
    root = read_xml(path)
    for number, element in enumerate(root.findall("{*}Page")):
        name = page_name(path) if number == 0 else f"{page_name(path)}_{number + 1:03d}"
        page = RawPage(
            name, path, element.get("imageFilename", ""), size_of(element.get("imageWidth"), element.get("imageHeight"))
        )
        ids: set[str] = set()
        for region in _regions(element):
            custom = _ROLE.search(region.get("custom", ""))
            role = custom.group(1) if custom and custom.group(1) in ROLES else TEXT
            for line in region.findall("{*}TextLine"):
                _read_line(page, line, role, ids, notes)
        yield page


def page_name(path: Path) -> str:
    """Return the name of the page that an XML file describes: `p1.page.xml` and `p1.xml` are of p1."""
    stem = path.stem
    return stem.removesuffix(".page").removesuffix(".alto")


def _regions(page: ET.Element) -> list[ET.Element]:
    """Return the regions of text, those within others too: in the reading order that the file gives, then the rest."""
    regions = list(page.findall(".//{*}TextRegion"))
    references = list(page.findall(".//{*}RegionRefIndexed"))
    try:
        references.sort(key=lambda reference: int(reference.get("index", "0")))
    except ValueError:
        references = []
    place = {reference.get("regionRef"): number for number, reference in enumerate(references)}
    return sorted(regions, key=lambda region: place.get(region.get("id"), len(place)))


def _read_line(page: RawPage, line: ET.Element, role: str, ids: set[str], notes: Notes) -> None:
    number = len(page.lines)
    words = line.findall("{*}Word")
    text = _text(line) or "".join(_text(word) or _joined(word.findall("{*}Glyph")) for word in words)
    page.lines.append(TextLine(text, role))
    boxes = [element for word in words for element in word.findall("{*}Glyph") or [word]] or [line]
    for element in boxes:
        label = _text(element)
        name = element.get("id", "")
        place = f"{element.tag.rpartition('}')[2]} {name}".strip()
        if name and name in ids:
            notes.add("ids twice", f"{page.file}, {place}", "expected each id once; the box is kept")
        ids.add(name)
        try:
            x, y, w, h = bounding_box(_points(element))
        except ValueError:
            notes.add("boxes without coordinates", f"{page.file}, {place}", "expected points of Coords; left out")
            continue
        page.labels.append(Label(label, x, y, w, h, place, number, role))


def _text(element: ET.Element) -> str:
    """Return the element's own text: the equivalent of the lowest index."""
    equivalents = element.findall("{*}TextEquiv")
    if not equivalents:
        return ""
    first = min(equivalents, key=lambda item: int(item.get("index", "0")) if item.get("index", "0").isdigit() else 0)
    return (first.findtext("{*}Unicode") or "").strip()


def _joined(glyphs: list[ET.Element]) -> str:
    return "".join(_text(glyph) for glyph in glyphs)


def _points(element: ET.Element) -> list[tuple[float, float]]:
    coords = element.find("{*}Coords")
    if coords is None:
        raise ValueError("no Coords")
    if coords.get("points"):
        pairs = [point.split(",") for point in coords.get("points", "").split()]
        return [(number_of(x), number_of(y)) for x, y in pairs]
    points = coords.findall("{*}Point")  # before the version of 2013
    return [(number_of(point.get("x", "")), number_of(point.get("y", ""))) for point in points]
