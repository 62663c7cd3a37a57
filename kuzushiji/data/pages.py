"""Pictures of pages as arrays.

One rule for every page, whatever the file and whatever decodes it: RGB, 8 bits, pixels as they are stored. Grey
becomes three equal channels and CMYK is converted. A rotation noted in the EXIF data is ignored, because labels
count pixels as they are stored: turning the page would leave its boxes behind.
"""

import io
import logging
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kuzushiji.data.jpeg import JpegHeader, NotJpegError, is_complete, read_header
from kuzushiji.errors import InputError

logger = logging.getLogger(__name__)

MAX_PIXELS = 200_000_000
"""A page of the competition has about 10 million pixels; a header that promises more than this is not believed."""

_JPEG4PY_COMPONENTS = (1, 3)
_DAMAGE = ("Corrupt JPEG data", "Premature end")
"""Warnings of libjpeg after which the picture is not the one that was stored."""


def read_page(path: Path) -> NDArray[np.uint8]:
    """Return the page as an array (height, width, 3), RGB.

    jpeg4py decodes; OpenCV where jpeg4py's library is missing, and what it cannot decode (CMYK). OpenCV does not tell
    damage in the middle of a file; a file that is cut off is refused with either.

    Raises:
        InputError: the file is missing, empty, not a JPEG, cut off, damaged, or larger than `MAX_PIXELS`.
    """
    return decode_page(_read_bytes(path), path)


def decode_page(content: bytes, path: Path) -> NDArray[np.uint8]:
    """Return what `read_page` returns for a file with this content; `path` names it in messages.

    Raises:
        InputError: as `read_page`.
    """
    header = _checked_header(io.BytesIO(content), path)
    if not is_complete(content, header):
        raise InputError(f"{path}: expected a whole JPEG image, got one without its end ({len(content)} bytes)")
    return decode_with_header(content, header, path)


def decode_with_header(content: bytes, header: JpegHeader, path: Path) -> NDArray[np.uint8]:
    """As `decode_page`, for a whole JPEG whose header is known.

    Raises:
        InputError: it is damaged.
    """
    if header.components in _JPEG4PY_COMPONENTS and _jpeg4py() is not None:
        page = _decode_with_jpeg4py(content, header, path)
        if page is not None:
            return page
    return _decode_with_opencv(content, header, path)


def page_size(path: Path) -> tuple[int, int]:
    """Return (width, height) of the page that `read_page` would return, from the header alone.

    Raises:
        InputError: the file is missing, empty, not a JPEG, or larger than `MAX_PIXELS`.
    """
    try:
        with path.open("rb") as file:
            header = _checked_header(file, path)
    except OSError as error:
        raise _unreadable(path, error) from error
    return header.width, header.height


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> InputError:
    return InputError(f"{path}: expected the image of a page, cannot be read: {error.strerror or error}")


def _checked_header(file: Any, path: Path) -> JpegHeader:
    try:
        header = read_header(file)
    except NotJpegError as error:
        size = file.seek(0, 2)
        got = f"{size} bytes that are none: {error}" if size else "an empty file"
        raise InputError(f"{path}: expected a JPEG image, got {got}") from error
    pixels = header.width * header.height
    if not 0 < pixels <= MAX_PIXELS:
        size = f"{header.width} x {header.height}"
        raise InputError(f"{path}: expected a page of 1 to {MAX_PIXELS:,} pixels, got one of {size}")
    return header


@cache
def _jpeg4py() -> Any:
    """Return the module, or None (said once) where it or its library is missing."""
    try:
        import jpeg4py

        jpeg4py.JPEG(np.zeros(1, np.uint8))  # loads the library
    except (ImportError, OSError) as error:
        logger.warning("pages are read by OpenCV, which is slower: jpeg4py cannot be used (%s)", error)
        return None
    return jpeg4py


def _decode_with_jpeg4py(content: bytes, header: JpegHeader, path: Path) -> NDArray[np.uint8] | None:
    """Return the page, or None where jpeg4py cannot decode this kind of JPEG."""
    jpeg4py = _jpeg4py()
    page = np.zeros((header.height, header.width, 3), np.uint8)
    decoder = jpeg4py.JPEG(np.frombuffer(content, np.uint8))
    try:
        decoder.decode(page)
    except jpeg4py.JPEGRuntimeError as error:
        # jpeg4py would give the decompressor to the next page, but one that failed writes outside its picture.
        decoder.decompressor.release()
        decoder.decompressor = None
        if any(sign in str(error) for sign in _DAMAGE):
            raise InputError(f"{path}: expected a whole JPEG image, got a damaged one ({error})") from error
        logger.debug("%s: read by OpenCV, jpeg4py cannot (%s)", path, error)
        return None
    return page


def _decode_with_opencv(content: bytes, header: JpegHeader, path: Path) -> NDArray[np.uint8]:
    import cv2

    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        page = cv2.imdecode(np.frombuffer(content, np.uint8), flags)
    except cv2.error as error:
        raise InputError(f"{path}: expected a JPEG image that can be decoded ({error.err})") from error
    if page is None or page.shape != (header.height, header.width, 3):
        raise InputError(f"{path}: expected a JPEG image of {header.width} x {header.height}, got a damaged one")
    rgb: NDArray[np.uint8] = cv2.cvtColor(page, cv2.COLOR_BGR2RGB)
    return rgb
