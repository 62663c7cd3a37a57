"""What was read on a page, in the formats that others read."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kuzushiji.predict.formats.alto_xml import alto_xml
from kuzushiji.predict.formats.as_json import transcription_json
from kuzushiji.predict.formats.page_xml import page_xml
from kuzushiji.predict.formats.pictures import overlay_png, viewer_script
from kuzushiji.predict.transcription import Transcription
from kuzushiji.viewer.book import ENDING

Image = NDArray[np.uint8]


@dataclass(frozen=True)
class Format:
    """A format with a file for each page.

    Attributes:
        ending: Of the file's name.
        render: Returns the file's content for a transcription and its page (h, w, 3) RGB.
    """

    ending: str
    render: Callable[[Transcription, Image], bytes]


PAGE_FORMATS = {
    "text": Format(".txt", lambda transcription, _: transcription.text().encode()),
    "json": Format(".json", lambda transcription, _: transcription_json(transcription)),
    "page": Format(".page.xml", lambda transcription, _: page_xml(transcription)),
    "alto": Format(".alto.xml", lambda transcription, _: alto_xml(transcription)),
    "overlay": Format(".overlay.png", overlay_png),
    "viewer": Format(ENDING, viewer_script),
}
"""By their names on the command line; `csv` is a table of all pages and not among them. The pages of `viewer` are shown
by one document for all of them."""
