"""A page as TEI P5, with a facsimile: https://tei-c.org/release/doc/tei-p5-doc/en/html/PH.html."""

import xml.etree.ElementTree as ET

import numpy as np
from numpy.typing import NDArray

from kuzushiji import __version__
from kuzushiji.layout import TEXT
from kuzushiji.predict.formats.blocks import blocks_of, frame_of
from kuzushiji.predict.formats.xml import child, held, serialised
from kuzushiji.predict.transcription import Transcription

NAMESPACE = "http://www.tei-c.org/ns/1.0"


def tei_xml(transcription: Transcription) -> bytes:
    """Return the page as a TEI document.

    The facsimile has a zone for each column. The text is an anonymous block of the columns, each after a line beginning
    that names its zone; furigana and what stands at the edge are blocks of these types. A doubtful character is
    `unclear`.
    """
    root = ET.Element("TEI", {"xmlns": NAMESPACE})
    description = child(child(root, "teiHeader"), "fileDesc")
    child(child(description, "titleStmt"), "title", text=transcription.name)
    child(child(description, "publicationStmt"), "p", text=f"Read by kuzushiji {__version__}.")
    picture = transcription.location or transcription.image
    child(child(description, "sourceDesc"), "p", text=f"{picture}, page {transcription.frame + 1}")
    corners = {"ulx": 0, "uly": 0, "lrx": transcription.width, "lry": transcription.height}
    surface = child(child(root, "facsimile"), "surface", {"xml:id": "page", **corners})
    child(surface, "graphic", {"url": picture})
    body = child(child(root, "text"), "body")
    child(body, "pb", {"facs": "#page"})
    for block in blocks_of(transcription):
        parent = child(body, "ab", {} if block.role == TEXT else {"type": block.role})
        for number, members in enumerate(block.lines):
            name = f"{block.role}_{number}"
            x, y, w, h = frame_of(transcription, members)
            child(surface, "zone", {"xml:id": name, "ulx": x, "uly": y, "lrx": x + w, "lry": y + h})
            _write_line(parent, child(parent, "lb", {"facs": f"#{name}"}), transcription, members)
    if not len(transcription):
        child(body, "ab")
    return serialised(root, indented=False)


def _write_line(parent: ET.Element, last: ET.Element, transcription: Transcription, members: NDArray[np.int64]) -> None:
    """Append a column's characters after its beginning: text, and an element for each doubtful one."""
    chars, doubtful = transcription.chars, transcription.doubts.doubtful
    for i in members.tolist():
        if doubtful[i]:
            last = child(parent, "unclear", text=chars[i])
        else:
            last.tail = (last.tail or "") + held(chars[i])
    last.tail = (last.tail or "") + "\n"
