"""A labelled page as `predict` describes what it has read, for its writers."""

import numpy as np

from kuzushiji.data.labels import whole_pixels
from kuzushiji.forms.page import Page
from kuzushiji.predict.transcription import Transcription


def transcription_of(page: Page, image: str) -> Transcription:
    """Return the page with a picture of this name; nobody doubted its characters, so there is no probability (NaN).

    Raises:
        InputError: as `Page.layout`.
    """
    unknown = np.full(len(page.codes), np.nan, np.float32)
    return Transcription(
        page.name, image, page.width, page.height, whole_pixels(page.boxes_xywh), page.codes, unknown, unknown, {},
        page.layout(),
    )  # fmt: skip
