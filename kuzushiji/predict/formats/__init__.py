"""What was read on a page, in the formats that others read."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kuzushiji.predict.formats.alto_xml import alto_xml
from kuzushiji.predict.formats.as_json import transcription_json
from kuzushiji.predict.formats.hocr import hocr
from kuzushiji.predict.formats.koji import koji
from kuzushiji.predict.formats.page_xml import page_xml
from kuzushiji.predict.formats.tei import tei_xml
from kuzushiji.predict.formats.views import overlay_png, viewer_script
from kuzushiji.predict.transcription import Transcription
from kuzushiji.viewer.book import ENDING

Image = NDArray[np.uint8]


@dataclass(frozen=True)
class Document:
    """A format that needs no picture.

    Attributes:
        ending: Of the file's name.
        render: Returns the file's content for a transcription.
    """

    ending: str
    render: Callable[[Transcription], bytes]


@dataclass(frozen=True)
class Format:
    """A format with a file for each page.

    Attributes:
        ending: Of the file's name.
        render: Returns the file's content for a transcription and its page (h, w, 3) RGB.
    """

    ending: str
    render: Callable[[Transcription, Image], bytes]


DOCUMENTS = {
    "text": Document(".txt", lambda transcription: transcription.text().encode()),
    "json": Document(".json", transcription_json),
    "page": Document(".page.xml", page_xml),
    "alto": Document(".alto.xml", alto_xml),
    "tei": Document(".tei.xml", tei_xml),
    "hocr": Document(".hocr", hocr),
    "koji": Document(".koji", koji),
}


def _with_picture(document: Document) -> Format:
    return Format(document.ending, lambda transcription, _: document.render(transcription))


PAGE_FORMATS = {
    **{name: _with_picture(document) for name, document in DOCUMENTS.items()},
    "overlay": Format(".overlay.png", overlay_png),
    "viewer": Format(ENDING, viewer_script),
}
"""By their names on the command line; `csv` is a table of all pages and not among them. The pages of `viewer` are shown
by one document for all of them."""
