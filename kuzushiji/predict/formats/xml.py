"""What the XML formats share."""

import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping

_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def child(parent: ET.Element, name: str, attributes: Mapping[str, object] | None = None, text: str = "") -> ET.Element:
    """Append an element; values become strings, and what XML cannot hold becomes a replacement character."""
    element = ET.SubElement(parent, name, {key: _held(str(value)) for key, value in (attributes or {}).items()})
    element.text = _held(text) or None
    return element


def _held(text: str) -> str:
    """Return a text without the characters that no XML document may have, escaped or not: names of files have some."""
    return _FORBIDDEN.sub("\ufffd", text)


def serialised(root: ET.Element) -> bytes:
    """Return the document as indented UTF-8."""
    ET.indent(root)
    content: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return content + b"\n"
