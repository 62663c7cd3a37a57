"""What was read on a page, in the formats that others read."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kuzushiji.predict.formats.alto_xml import alto_xml
from kuzushiji.predict.formats.as_json import reading_json
from kuzushiji.predict.formats.page_xml import page_xml
from kuzushiji.predict.formats.pictures import overlay_png, viewer_html
from kuzushiji.predict.reading import Reading

Image = NDArray[np.uint8]


@dataclass(frozen=True)
class Format:
    """A format with a file for each page.

    Attributes:
        ending: Of the file's name.
        render: Returns the file's content for a reading and its page (h, w, 3) RGB.
    """

    ending: str
    render: Callable[[Reading, Image], bytes]


PAGE_FORMATS = {
    "text": Format(".txt", lambda reading, _: reading.text().encode()),
    "json": Format(".json", lambda reading, _: reading_json(reading)),
    "page": Format(".page.xml", lambda reading, _: page_xml(reading)),
    "alto": Format(".alto.xml", lambda reading, _: alto_xml(reading)),
    "overlay": Format(".overlay.png", overlay_png),
    "viewer": Format(".html", viewer_html),
}
"""By their names on the command line; `csv` is a table of all pages and not among them."""
