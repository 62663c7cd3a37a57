"""A page as PAGE XML, version 2019-07-15: https://www.primaresearch.org/schema/PAGE/gts/pagecontent/2019-07-15."""

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

NAMESPACE = "http://schema.primaresearch.org/PAGE/gts/pagecontent/2019-07-15"
_DIRECTIONS = {"readingDirection": "top-to-bottom", "textLineOrder": "right-to-left"}


def page_xml(transcription: Transcription) -> bytes:
    """Return the page as a PAGE document.

    A region of text holds the columns as lines from right to left, each a single word of glyphs; a glyph has other
    candidates as further equivalents. Furigana and what stands at the edge are regions of their own, outside the
    reading order. A page without characters has no region. An unknown
    probability (NaN) is not written.
    """
    root = ET.Element("PcGts", {"xmlns": NAMESPACE})
    now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    metadata = child(root, "Metadata")
    child(metadata, "Creator", text=f"kuzushiji {__version__}")
    child(metadata, "Created", text=now)
    child(metadata, "LastChange", text=now)
    size = {"imageWidth": transcription.width, "imageHeight": transcription.height}
    page = child(root, "Page", {"imageFilename": transcription.location or transcription.image, **size, **_DIRECTIONS})
    blocks = blocks_of(transcription)
    if blocks and blocks[0].role == TEXT:
        group = child(child(page, "ReadingOrder"), "OrderedGroup", {"id": "order"})
        child(group, "RegionRefIndexed", {"index": 0, "regionRef": TEXT})
    for block in blocks:
        _region(page, transcription, block)
    return serialised(root)


def _region(page: ET.Element, transcription: Transcription, block: Block) -> None:
    kind = "paragraph" if block.role == TEXT else "other"
    attributes = {"id": block.role, "type": kind, "custom": f"structure {{type:{block.role};}}", **_DIRECTIONS}
    region = child(page, "TextRegion", attributes)
    _coords(region, transcription, np.concatenate(block.lines))
    for number, members in enumerate(block.lines):
        _line(region, transcription, members, f"{block.role}_{number}")
    _equivalent(region, "\n".join(_text(transcription, members) for members in block.lines))


def _line(region: ET.Element, transcription: Transcription, members: NDArray[np.int64], name: str) -> None:
    line = child(region, "TextLine", {"id": name, "readingDirection": "top-to-bottom"})
    _coords(line, transcription, members)
    child(line, "Baseline", {"points": " ".join(f"{x},{y}" for x, y in baseline_of(transcription, members))})
    word = child(line, "Word", {"id": f"{name}_word", "readingDirection": "top-to-bottom"})
    _coords(word, transcription, members)
    for place, i in enumerate(members.tolist()):
        glyph = child(word, "Glyph", {"id": f"{name}_{place}"})
        _coords(glyph, transcription, members[place : place + 1])
        others = best_of_models(transcription, i)[: N_CANDIDATES - 1]
        _equivalent(
            glyph, code_to_char(transcription.codes[i]), float(transcription.probability[i]), 0 if others else None
        )
        for index, (code, probability) in enumerate(others, start=1):
            _equivalent(glyph, code_to_char(code), probability, index)
    text, confidence = _text(transcription, members), mean_probability(transcription, members)
    _equivalent(word, text, confidence)
    _equivalent(line, text, confidence)


def _coords(parent: ET.Element, transcription: Transcription, members: NDArray[np.int64]) -> None:
    x, y, w, h = frame_of(transcription, members)
    corners = ((x, y), (x + w, y), (x + w, y + h), (x, y + h))
    child(parent, "Coords", {"points": " ".join(f"{left},{top}" for left, top in corners)})


def _equivalent(parent: ET.Element, text: str, confidence: float | None = None, index: int | None = None) -> None:
    attributes: dict[str, object] = {} if index is None else {"index": index}
    if confidence is not None and not math.isnan(confidence):
        attributes["conf"] = f"{min(confidence, 1.0):.4f}"
    child(child(parent, "TextEquiv", attributes), "Unicode", text=text)


def _text(transcription: Transcription, members: NDArray[np.int64]) -> str:
    return "".join(code_to_char(code) for code in transcription.codes[members])
