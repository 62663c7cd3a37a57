"""Pictures of new pages: whatever a scanner or a camera has written, as the models want it.

Pixels as `data.images` says, and upright: a rotation noted in the EXIF data is carried out, unlike for labelled pages
(`data.pages`), because no box counts pixels yet. Each picture of a TIFF file and each page of a PDF is a page of its
own; thumbnails and smaller copies in a TIFF file are none.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kuzushiji.data import pdf, png, tiff
from kuzushiji.data.images import (
    FORMATS,
    brighter,
    decode_image,
    open_image,
    orientation_of,
    turned_upright,
    unreadable,
)
from kuzushiji.data.pages import read_page
from kuzushiji.data.paths import SUFFIXES
from kuzushiji.errors import InputError

NEW_SUFFIXES = (*SUFFIXES, ".jpe", ".jfif", ".jpc", ".j2c", ".bmp", ".gif", ".pdf")
"""Of the files that are taken for new pages."""

NEW_FORMATS = (*FORMATS, "BMP", "GIF")
"""That are read, by Pillow's names."""


@dataclass(frozen=True)
class Picture:
    """A picture in a file.

    Attributes:
        path: The file.
        frame: Number of the picture among the pages of the file, from 0.
        n_frames: How many pages the file has.
        label: What the file itself calls the page; empty where it does not.
        head: Of a TIFF file: of the picture's `tiff.Directory`.
        index: Number of the picture in a TIFF file, thumbnails counted.
        fault: Why it cannot be read, where that is known; empty where it may be.
    """

    path: Path
    frame: int = 0
    n_frames: int = 1
    label: str = ""
    head: bytes = b""
    index: int = 0
    fault: str = ""

    @property
    def number(self) -> str:
        """What tells its page's name from those of the file's others: `_001`; nothing where there are none."""
        if self.n_frames < 2:
            return ""
        return f"_{self.label}" if self.label else f"_{self.frame + 1:0{max(3, len(str(self.n_frames)))}d}"

    def __str__(self) -> str:
        return f"{self.path}, picture {self.frame + 1}" if self.n_frames > 1 else str(self.path)


def pictures_in(path: Path) -> list[Picture]:
    """Return the pictures of a file: one, of a TIFF or PDF file of several pages each.

    A TIFF file that is broken after some of its pictures has them, and a last one with a fault.

    Raises:
        InputError: the file is missing, empty, or of a kind that is no page.
    """
    try:
        if path.exists() and not (path.is_file() or path.is_dir()):  # reading it may wait for ever
            raise InputError(f"{path}: expected the image of a page, got a pipe or device")
        if pdf.is_pdf(path):
            labels = pdf.labels_of(path)
            return [Picture(path, frame, len(labels), label) for frame, label in enumerate(labels)]
        found = tiff.directories(path)
        pages = tiff.pages_of(path)
    except OSError as error:
        raise unreadable(path, error) from error
    if not pages:
        with open_image(path, NEW_FORMATS):
            return [Picture(path)]
    return [
        Picture(path, frame, len(pages), "", page.head, found.index(page), page.fault)
        for frame, page in enumerate(pages)
    ]


def read_picture(picture: Picture, notes: list[str] | None = None) -> NDArray[np.uint8]:
    """Return the picture as an array (height, width, 3), RGB, upright.

    Args:
        picture: Of `pictures_in`.
        notes: Receives what is odd about a picture that is read all the same.

    Raises:
        InputError: as `open_image`; the picture is damaged or of a kind that is no page.
    """
    if picture.fault:
        raise InputError(f"{picture}: expected a whole TIFF image, got a damaged one ({picture.fault})")
    try:
        if pdf.is_pdf(picture.path):
            return pdf.read_page(picture.path, picture.frame)
    except OSError as error:
        raise unreadable(picture.path, error) from error
    with open_image(picture.path, NEW_FORMATS, picture.head, str(picture)) as image:
        if image.format not in ("JPEG", "MPO"):
            page = decode_image(image, picture, notes, upright=True)
            return brighter(page, picture.path, picture.index, notes) if _is_deep(picture) else page
        orientation = orientation_of(image)
    # the very pixels that the models were trained on: decoders differ
    return turned_upright(read_page(picture.path, notes), orientation)


def _is_deep(picture: Picture) -> bool:
    """Return whether a picture has several channels of more than 8 bits."""
    if picture.head:
        return tiff.directories(picture.path)[picture.index].is_deep_colour
    with picture.path.open("rb") as file:
        start = file.read(32)
    return png.is_png(start) and png.is_deep_colour(start)
