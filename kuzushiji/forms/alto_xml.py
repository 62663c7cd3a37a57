"""ALTO XML of any version: https://www.loc.gov/standards/alto/."""

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

from kuzushiji.forms.labelled_page import Label, RawPage, TextLine
from kuzushiji.forms.notes import Notes
from kuzushiji.forms.page_xml import page_name
from kuzushiji.forms.reading import number_of, read_xml, root_tag, size_of
from kuzushiji.layout import ROLES, TEXT

_PLACE = ("HPOS", "VPOS", "WIDTH", "HEIGHT")


def recognises(path: Path) -> bool:
    """Return whether a file is ALTO XML."""
    return root_tag(path) == "alto"


def read(path: Path, notes: Notes) -> Iterator[RawPage]:
    """Yield the pages of a file: glyphs, and strings of one character without glyphs."""
    root = read_xml(path)
    unit = (root.findtext(".//{*}MeasurementUnit") or "pixel").strip()
    image = (root.findtext(".//{*}sourceImageInformation/{*}fileName") or "").strip()
    roles = {tag.get("ID", ""): tag.get("LABEL", "") for tags in root.findall("{*}Tags") for tag in tags}
    for number, element in enumerate(root.findall("{*}Layout/{*}Page")):
        name = page_name(path) if number == 0 else f"{page_name(path)}_{number + 1:03d}"
        page = RawPage(
            name, path, image, size_of(element.get("WIDTH"), element.get("HEIGHT")), in_pixels=unit == "pixel"
        )
        if not page.in_pixels and page.size is None:
            notes.fail(f"{path}, page {name}: expected WIDTH and HEIGHT for places in {unit}, got none")
            continue
        ids: set[str] = set()
        for block in element.findall(".//{*}TextBlock"):
            tags = [roles.get(reference, "") for reference in block.get("TAGREFS", "").split()]
            role = next((tag for tag in tags if tag in ROLES), TEXT)
            for line in block.findall("{*}TextLine"):
                _read_line(page, line, role, ids, notes)
        yield page


def _read_line(page: RawPage, line: ET.Element, role: str, ids: set[str], notes: Notes) -> None:
    number = len(page.lines)
    strings = line.findall("{*}String")
    page.lines.append(TextLine("".join(string.get("CONTENT", "") for string in strings), role))
    for element in [element for string in strings for element in string.findall("{*}Glyph") or [string]]:
        name = element.get("ID", "")
        place = f"{element.tag.rpartition('}')[2]} {name}".strip()
        if name and name in ids:
            notes.add("ids twice", f"{page.file}, {place}", "expected each ID once; the box is kept")
        ids.add(name)
        try:
            x, y, w, h = (number_of(element.get(key, "")) for key in _PLACE)
        except ValueError:
            notes.add("boxes without coordinates", f"{page.file}, {place}", f"expected {' '.join(_PLACE)}; left out")
            continue
        page.labels.append(Label(element.get("CONTENT", ""), x, y, w, h, place, number, role))
