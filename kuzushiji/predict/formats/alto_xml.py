"""A page as ALTO XML, version 4.2: https://www.loc.gov/standards/alto/."""

import math
import xml.etree.ElementTree as ET
from datetime import datetime, timezone

import numpy as np
from numpy.typing import NDArray

from kuzushiji import __version__
from kuzushiji.data.characters import code_to_char
from kuzushiji.layout import TEXT
from kuzushiji.predict.formats.blocks import Block, baseline_of, best_of_models, blocks_of, frame_of, mean_probability
from kuzushiji.predict.formats.xml import child, serialised
from kuzushiji.predict.transcription import N_CANDIDATES, Transcription

NAMESPACE = "http://www.loc.gov/standards/alto/ns-v4#"
_XSI = "http://www.w3.org/2001/XMLSchema-instance"
_SCHEMA = "http://www.loc.gov/standards/alto/v4/alto-4-2.xsd"
_TAG = "role_"


def alto_xml(transcription: Transcription) -> bytes:
    """Return the page as an ALTO document.

    A block holds the columns as lines from right to left, each a single string of glyphs, with other candidates as
    variants. Furigana and what stands at the edge are blocks of their own, told by their tags. A page without
    characters has an empty print space.
    """
    root = ET.Element("alto", {"xmlns": NAMESPACE, "xmlns:xsi": _XSI, "xsi:schemaLocation": f"{NAMESPACE} {_SCHEMA}"})
    _description(child(root, "Description"), transcription)
    blocks = blocks_of(transcription)
    roles = [block.role for block in blocks if block.role != TEXT]
    if roles:
        tags = child(root, "Tags")
        for role in roles:
            child(tags, "LayoutTag", {"ID": f"{_TAG}{role}", "LABEL": role})
    size = {"WIDTH": transcription.width, "HEIGHT": transcription.height}
    page = child(child(root, "Layout"), "Page", {"ID": "page", "PHYSICAL_IMG_NR": transcription.frame + 1, **size})
    space = child(page, "PrintSpace", {"HPOS": 0, "VPOS": 0, **size})
    for block in blocks:
        _block(space, transcription, block)
    return serialised(root)


def _description(parent: ET.Element, transcription: Transcription) -> None:
    child(parent, "MeasurementUnit", text="pixel")
    child(child(parent, "sourceImageInformation"), "fileName", text=transcription.location or transcription.image)
    processing = child(parent, "Processing", {"ID": "reading"})
    child(processing, "processingCategory", text="contentGeneration")
    child(processing, "processingDateTime", text=datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"))
    software = child(processing, "processingSoftware")
    child(software, "softwareName", text="kuzushiji")
    child(software, "softwareVersion", text=__version__)


def _block(space: ET.Element, transcription: Transcription, block: Block) -> None:
    tag = {} if block.role == TEXT else {"TAGREFS": f"{_TAG}{block.role}"}
    place = _place(transcription, np.concatenate(block.lines))
    element = child(space, "TextBlock", {"ID": block.role, **tag, **place})
    for number, members in enumerate(block.lines):
        _line(element, transcription, members, f"{block.role}_{number}")


def _line(parent: ET.Element, transcription: Transcription, members: NDArray[np.int64], name: str) -> None:
    place = _place(transcription, members)
    baseline = " ".join(f"{x},{y}" for x, y in baseline_of(transcription, members))
    line = child(parent, "TextLine", {"ID": name, "BASELINE": baseline, **place})
    x, y, w, h = place.values()
    child(child(line, "Shape"), "Polygon", {"POINTS": f"{x},{y} {x + w},{y} {x + w},{y + h} {x},{y + h}"})
    text = "".join(code_to_char(code) for code in transcription.codes[members])
    confidence = _confidence("WC", mean_probability(transcription, members))
    string = child(line, "String", {"ID": f"{name}_string", **place, "CONTENT": text, **confidence})
    for number, i in enumerate(members.tolist()):
        char, probability = code_to_char(transcription.codes[i]), _confidence("GC", float(transcription.probability[i]))
        where = _place(transcription, members[number : number + 1])
        glyph = child(string, "Glyph", {"ID": f"{name}_{number}", **where, "CONTENT": char, **probability})
        for code, value in best_of_models(transcription, i)[: N_CANDIDATES - 1]:
            child(glyph, "Variant", {"CONTENT": code_to_char(code), "VC": f"{value:.4f}"})


def _confidence(name: str, probability: float) -> dict[str, str]:
    """Return the attribute of a probability, none where it is not known (NaN)."""
    return {} if math.isnan(probability) else {name: f"{min(probability, 1.0):.4f}"}


def _place(transcription: Transcription, members: NDArray[np.int64]) -> dict[str, int]:
    x, y, w, h = frame_of(transcription, members)
    return {"HPOS": x, "VPOS": y, "WIDTH": w, "HEIGHT": h}
