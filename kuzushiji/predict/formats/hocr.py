"""A page as hOCR 1.2: https://kba.github.io/hocr-spec/1.2/."""

import math
import xml.etree.ElementTree as ET
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from kuzushiji import __version__
from kuzushiji.layout import TEXT
from kuzushiji.predict.formats.blocks import blocks_of, frame_of
from kuzushiji.predict.formats.xml import child, serialised
from kuzushiji.predict.transcription import Transcription

_CLASSES = "ocr_page ocr_carea ocr_line ocrx_cinfo"
_DOCTYPE = b"<!DOCTYPE html>\n"


def hocr(transcription: Transcription) -> bytes:
    """Return the page as XHTML: an area for each block, a line for each column, an element for each character.

    Probabilities are in percent (`x_confs`); an unknown one (NaN) is not written. Areas that are no text have the class
    of their role beside `ocr_carea`.
    """
    root = ET.Element("html", {"xmlns": "http://www.w3.org/1999/xhtml", "lang": "ja"})
    head = child(root, "head")
    child(head, "title", text=transcription.name)
    child(head, "meta", {"charset": "utf-8"})
    facts = {"system": f"kuzushiji {__version__}", "capabilities": _CLASSES, "langs": "ja"}
    for name, content in facts.items():
        child(head, "meta", {"name": f"ocr-{name}", "content": content})
    picture = (transcription.location or transcription.image).replace('"', "%22")
    size = f"bbox 0 0 {transcription.width} {transcription.height}"
    title = f'image "{picture}"; {size}; ppageno {transcription.frame}'
    page = child(child(root, "body"), "div", {"class": "ocr_page", "id": "page", "title": title}, "\n")
    for block in blocks_of(transcription):
        kind = "ocr_carea" if block.role == TEXT else f"ocr_carea {block.role}"
        place = _place(transcription, np.concatenate(block.lines))
        area = child(page, "div", {"class": kind, "id": block.role, "title": place})
        for number, members in enumerate(block.lines):
            _line(area, transcription, members, f"{block.role}_{number}")
    return _DOCTYPE + serialised(root, indented=False, declared=False)


def _line(area: ET.Element, transcription: Transcription, members: NDArray[np.int64], name: str) -> None:
    line = child(area, "div", {"class": "ocr_line", "id": name, "title": _place(transcription, members)})
    chars = transcription.chars
    line.tail = "\n"
    for i in members.tolist():
        probability = float(transcription.probability[i])
        sure = "" if math.isnan(probability) else f"; x_confs {min(probability, 1.0) * 100:.1f}"
        child(line, "span", {"class": "ocrx_cinfo", "title": _place(transcription, [i]) + sure}, chars[i])


def _place(transcription: Transcription, members: NDArray[np.int64] | Sequence[int]) -> str:
    x, y, w, h = frame_of(transcription, np.asarray(members, np.int64))
    return f"bbox {x} {y} {x + w} {y + h}"
