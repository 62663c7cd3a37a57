"""Images of labelled pages as arrays.

One rule for every page, whatever the file and whatever decodes it: RGB, 8 bits, pixels as they are stored. Grey
becomes three equal channels and CMYK is converted; `data.images` has the rest. A rotation noted in the EXIF data is
ignored, because labels count pixels as they are stored: turning the page would leave its boxes behind.

JPEGs are decoded by libjpeg-turbo: by the system's own with jpeg4py, else by the one in the wheel of simplejpeg. Both
give the same pixels, and one rule decides what is whole: a JPEG whose rows are all there is read. A missing end marker,
bytes between the segments and zeros before the end marker change no pixel; they are noted.
"""

import io
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kuzushiji.data import png, tiff
from kuzushiji.data.images import brighter, check_size, decode_image, open_image, unreadable
from kuzushiji.data.jpeg import (
    JpegHeader,
    NotJpegError,
    is_complete,
    is_jpeg,
    read_header,
    with_fewer_zeros,
    without_gaps,
    without_profile,
)
from kuzushiji.errors import InputError

_TURBO_COMPONENTS = (1, 3)
_BAD_PROFILE = "bad ICC marker"
"""The warning of libjpeg for a colour profile that is broken; pixels do not depend on it."""
_DAMAGE = ("Corrupt JPEG data", "Premature end")
"""Warnings of libjpeg after which the picture is not the one that was stored."""

_BEFORE_END = "extraneous bytes before marker 0xd9"
"""Such a warning: zeros that were put before the end, or damage after which the rows were full too early."""

_END = b"\xff\xd9"


def read_page(path: Path, notes: list[str] | None = None) -> NDArray[np.uint8]:
    """Return the page as an array (height, width, 3), RGB: of a JPEG, PNG, TIFF, WebP or JPEG 2000 file.

    Args:
        path: The file.
        notes: Receives what is odd about a file that is read all the same.

    Raises:
        InputError: the file is missing, empty, of another kind, cut off, damaged, larger than `MAX_PIXELS`, or has
            more than one picture.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise unreadable(path, error) from error
    if is_jpeg(content):
        return decode_page(content, path, notes)
    with open_image(path, head=_head(path)) as image:
        n_pictures = int(getattr(image, "n_frames", 1)) if image.format != "TIFF" else 1
        if n_pictures > 1:
            raise InputError(f"{path}: expected the image of one page, got a file with {n_pictures} pictures")
        page = decode_image(image, path, notes)
    deep = png.is_png(content) and png.is_deep_colour(content)
    return brighter(page, path, 0, notes) if deep else page


def decode_page(content: bytes, path: Path, notes: list[str] | None = None) -> NDArray[np.uint8]:
    """Return what `read_page` returns for a JPEG file with this content; `path` names it in messages.

    OpenCV decodes what libjpeg-turbo's own interface cannot (CMYK); it does not notice damage in the middle of a file.

    Raises:
        InputError: as `read_page`.
    """
    header = _checked_header(io.BytesIO(content), path)
    notes = notes if notes is not None else []
    size = len(content)
    if header.gaps:
        content = without_gaps(content)
        header = _checked_header(io.BytesIO(content), path)
        notes.append("bytes between the parts of the JPEG were skipped")
    if is_complete(content, header):
        return _decode_whole(content, header, path, notes)
    try:
        if header.progressive or header.components not in _TURBO_COMPONENTS:
            raise ValueError  # nothing shows whether all of it is there
        page = _decode_whole(content + _END, header, path, notes)
    except ValueError as error:
        raise InputError(f"{path}: expected a whole JPEG image, got one without its end ({size} bytes)") from error
    notes.append("the JPEG has no end marker; all rows are there")
    return page


def _decode_whole(content: bytes, header: JpegHeader, path: Path, notes: list[str]) -> NDArray[np.uint8]:
    """As `decode_with_header`, also where zeros lie before the end marker."""
    try:
        return decode_with_header(content, header, path)
    except InputError as error:
        if _BEFORE_END not in str(error):
            raise
        for fewer in with_fewer_zeros(content):
            with suppress(InputError):
                page = decode_with_header(fewer, header, path)
                notes.append("zero bytes before the end of the JPEG were skipped")
                return page
        raise


def decode_with_header(content: bytes, header: JpegHeader, path: Path) -> NDArray[np.uint8]:
    """As `decode_page`, for a whole JPEG whose header is known.

    Raises:
        InputError: it is damaged.
    """
    if header.components in _TURBO_COMPONENTS:
        try:
            return _decode_with_simplejpeg(content) if _jpeg4py() is None else _decode_with_jpeg4py(content, header)
        except (RuntimeError, ValueError) as error:
            plain = without_profile(content) if _BAD_PROFILE in str(error) else content
            if len(plain) < len(content):
                return decode_with_header(plain, header, path)
            # OpenCV may decode this kind of JPEG all the same.
            if any(sign in str(error) for sign in _DAMAGE):
                raise InputError(f"{path}: expected a whole JPEG image, got a damaged one ({error})") from error
    return _decode_with_opencv(content, header, path)


def page_size(path: Path) -> tuple[int, int]:
    """Return (width, height) of the page that `read_page` would return, from the header alone.

    Raises:
        InputError: the file is missing, empty, of another kind, or larger than `MAX_PIXELS`.
    """
    try:
        with path.open("rb") as file:
            if is_jpeg(file.read(2)):
                file.seek(0)
                header = _checked_header(file, path)
                return header.width, header.height
    except OSError as error:
        raise unreadable(path, error) from error
    with open_image(path, head=_head(path)) as image:
        width, height = image.size
        return width, height


def _head(path: Path) -> bytes:
    """Return the head of the only picture in a TIFF file (`tiff.Directory`), nothing for files of other kinds."""
    found = tiff.pages_of(path)
    if len(found) > 1:
        raise InputError(f"{path}: expected the image of one page, got a file with {len(found)} pictures")
    if found and found[0].fault:
        raise InputError(f"{path}: expected a whole TIFF image, got a damaged one ({found[0].fault})")
    return found[0].head if found else b""


def _checked_header(file: Any, path: Path) -> JpegHeader:
    try:
        header = read_header(file)
    except NotJpegError as error:
        raise InputError(
            f"{path}: expected a JPEG image, got {file.seek(0, 2)} bytes that are none: {error}"
        ) from error
    check_size(header.width, header.height, path)
    return header


@cache
def _jpeg4py() -> Any:
    """Return the module, or None where it or its library is missing."""
    try:
        import jpeg4py
        from jpeg4py._cffi import initialize

        initialize()  # not by making a JPEG: one without a library prints a traceback when it goes
    except (ImportError, OSError):
        return None
    return jpeg4py


def _decode_with_jpeg4py(content: bytes, header: JpegHeader) -> NDArray[np.uint8]:
    """Return the page; what cannot be decoded raises RuntimeError."""
    page = np.zeros((header.height, header.width, 3), np.uint8)
    decoder = _jpeg4py().JPEG(np.frombuffer(content, np.uint8))
    try:
        decoder.decode(page)
    except _jpeg4py().JPEGRuntimeError:
        # jpeg4py would give the decompressor to the next page, but one that failed writes outside its picture.
        decoder.decompressor.release()
        decoder.decompressor = None
        raise
    return page


def _decode_with_simplejpeg(content: bytes) -> NDArray[np.uint8]:
    """Return the page; what cannot be decoded raises ValueError."""
    import simplejpeg

    page: NDArray[np.uint8] = simplejpeg.decode_jpeg(content, "RGB")
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
