"""Images of labelled pages as arrays.

One rule for every page, whatever the file and whatever decodes it: RGB, 8 bits, pixels as they are stored. Grey
becomes three equal channels and CMYK is converted; `data.images` has the rest. A rotation noted in the EXIF data is
ignored, because labels count pixels as they are stored: turning the page would leave its boxes behind.

JPEGs are decoded by libjpeg-turbo: by the system's own with jpeg4py, else by the one in the wheel of simplejpeg. Both
give the same pixels.
"""

import io
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kuzushiji.data.images import check_size, decode_image, open_image, unreadable
from kuzushiji.data.jpeg import JpegHeader, NotJpegError, is_complete, is_jpeg, read_header, without_profile
from kuzushiji.errors import InputError

_TURBO_COMPONENTS = (1, 3)
_BAD_PROFILE = "bad ICC marker"
"""The warning of libjpeg for a colour profile that is broken; pixels do not depend on it."""
_DAMAGE = ("Corrupt JPEG data", "Premature end")
"""Warnings of libjpeg after which the picture is not the one that was stored."""


def read_page(path: Path) -> NDArray[np.uint8]:
    """Return the page as an array (height, width, 3), RGB: of a JPEG, PNG, TIFF, WebP or JPEG 2000 file.

    Raises:
        InputError: the file is missing, empty, of another kind, cut off, damaged, larger than `MAX_PIXELS`, or has
            more than one picture.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise unreadable(path, error) from error
    if is_jpeg(content):
        return decode_page(content, path)
    with open_image(path) as image:
        n_pictures = int(getattr(image, "n_frames", 1))
        if n_pictures > 1:
            raise InputError(f"{path}: expected the image of one page, got a file with {n_pictures} pictures")
        return decode_image(image, path)


def decode_page(content: bytes, path: Path) -> NDArray[np.uint8]:
    """Return what `read_page` returns for a JPEG file with this content; `path` names it in messages.

    OpenCV decodes what libjpeg-turbo's own interface cannot (CMYK); it does not notice damage in the middle of a file.

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
    with open_image(path) as image:
        width, height = image.size
        return width, height


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
