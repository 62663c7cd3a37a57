"""What the XML formats share."""

import xml.etree.ElementTree as ET
from collections.abc import Mapping

from kuzushiji.record import package_versions


def child(parent: ET.Element, name: str, attributes: Mapping[str, object] | None = None, text: str = "") -> ET.Element:
    """Append an element; values become strings."""
    element = ET.SubElement(parent, name, {key: str(value) for key, value in (attributes or {}).items()})
    element.text = text or None
    return element


def serialised(root: ET.Element) -> bytes:
    """Return the document as indented UTF-8."""
    ET.indent(root)
    content: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return content + b"\n"


def version() -> str:
    """Return this package's version."""
    return package_versions().get("kuzushiji", "unknown")
