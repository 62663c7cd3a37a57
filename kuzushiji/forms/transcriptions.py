"""A labelled page as `predict` describes what it has read, for its writers."""

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from kuzushiji.data.labels import whole_pixels
from kuzushiji.files import atomic_path
from kuzushiji.forms.labelled_page import LabelledPage
from kuzushiji.forms.picture_files import Placer
from kuzushiji.predict.transcription import Transcription


def transcription_of(page: LabelledPage, image: str) -> Transcription:
    """Return the page with a picture of this name; nobody doubted its characters, so there is no probability (NaN).

    Raises:
        InputError: as `LabelledPage.layout`.
    """
    unknown = np.full(len(page.codes), np.nan, np.float32)
    return Transcription(
        page.name, image, page.width, page.height, whole_pixels(page.boxes_xywh), page.codes, unknown, unknown, {},
        page.layout(),
    )  # fmt: skip


def writer_of(name: str) -> Callable[[Path, Iterable[LabelledPage], Placer], int]:
    """Return what writes pages in a format of `predict`, each beside its picture, and returns their number."""

    def write(out: Path, pages: Iterable[LabelledPage], place: Placer) -> int:
        from kuzushiji.predict.formats import DOCUMENTS

        document, count = DOCUMENTS[name], 0
        for page in pages:
            content = document.render(transcription_of(page, place(page, out).name))
            with atomic_path(out / f"{page.name}{document.ending}") as temporary:
                temporary.write_bytes(content)
            count += 1
        return count

    return write
