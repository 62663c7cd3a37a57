"""What the XML formats share."""

import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping

_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def child(parent: ET.Element, name: str, attributes: Mapping[str, object] | None = None, text: str = "") -> ET.Element:
    """Append an element; values become strings, and what XML cannot hold becomes a replacement character."""
    element = ET.SubElement(parent, name, {key: held(str(value)) for key, value in (attributes or {}).items()})
    element.text = held(text) or None
    return element


def held(text: str) -> str:
    """Return a text without the characters that no XML document may have, escaped or not: names of files have some."""
    return _FORBIDDEN.sub("\ufffd", text)


def serialised(root: ET.Element, *, indented: bool = True, declared: bool = True) -> bytes:
    """Return the document as UTF-8.

    Args:
        root: Of the document.
        indented: Whether lines and blanks may stand between elements; where they are text they may not.
        declared: Whether the declaration of XML comes first.
    """
    if indented:
        ET.indent(root)
    content: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=declared)
    return content + b"\n"
