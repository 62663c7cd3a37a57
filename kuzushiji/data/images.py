"""Image files of every kind that pages come in, as Pillow reads them; `data.pages` decodes JPEGs faster.

One rule for the pixels: RGB, 8 bits. Of deeper pixels the highest 8 of the bits that are used stay, grey becomes three
equal channels, CMYK is converted, what is transparent becomes white paper.
"""

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kuzushiji.data import png, tiff
from kuzushiji.errors import InputError

if TYPE_CHECKING:
    from PIL import Image

MAX_PIXELS = 200_000_000
"""A page of the competition has about 10 million pixels; a header that promises more than this is not believed."""

FORMATS = ("JPEG", "PNG", "TIFF", "WEBP", "JPEG2000")
"""Of labelled pages, by Pillow's names."""

_EXPECTED = "expected a JPEG, PNG, TIFF, WebP or JPEG 2000 image"
_BITS_PER_SAMPLE, _PHOTOMETRIC, _PLANES, _SAMPLE_FORMAT = 258, 262, 284, 339
_WHITE_IS_ZERO, _PLANES_APART, _SIGNED = 0, 2, 2
_DEPTHS = (8, 10, 12, 14, 16)
"""Bits that cameras and scanners use of 16."""

_DARK = 1 << 6
"""A picture of 16 bits a channel whose high bytes are all below this uses 14 bits at most."""


@contextmanager
def open_image(
    path: Path, formats: tuple[str, ...] = FORMATS, head: bytes = b"", name: str = ""
) -> Iterator["Image.Image"]:
    """Open an image, of which only the header is read.

    Args:
        path: The file.
        formats: That are read, by Pillow's names.
        head: Of a `tiff.Directory`: the picture of the file that is meant.
        name: Names it in messages, if not the file.

    Raises:
        InputError: the file is missing, empty, of another format, or larger than `MAX_PIXELS`.
    """
    name = name or str(path)
    try:
        source = _source(path, head)
    except OSError as error:
        raise unreadable(path, error) from error
    with source:
        image = _opened(source, path, formats, name)
        check_size(image.width, image.height, name)
        yield image


def unreadable(path: Path, error: OSError) -> InputError:
    """Return the exception for a page that the system does not give."""
    return InputError(f"{path}: expected the image of a page, cannot be read: {error.strerror or error}")


def check_size(width: int, height: int, name: object) -> None:
    """Raise InputError unless a page can have this size, pixels."""
    if not 0 < width * height <= MAX_PIXELS:
        raise InputError(f"{name}: expected a page of 1 to {MAX_PIXELS:,} pixels, got one of {width} x {height}")


def decode_image(
    image: "Image.Image", name: object, notes: list[str] | None = None, *, upright: bool = False
) -> NDArray[np.uint8]:
    """Return an opened image as an array (height, width, 3), RGB.

    Args:
        image: As `open_image` returned it.
        name: Names it in messages.
        upright: Whether a rotation noted in EXIF data is carried out. TIFF files come upright in either case: their
            orientation says how rows are stored.
        notes: Receives what is odd about an image that is read all the same.

    Raises:
        InputError: it is damaged or of a kind that is no page.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image.load()
            page = np.array(_as_rgb(image, notes if notes is not None else []), np.uint8)
            orientation = orientation_of(image) if upright and image.format != "TIFF" else 1
    except MemoryError:
        raise
    except Exception as error:  # what a decoder says of a damaged file is of any type
        message = " ".join(str(error).split())[:120] or type(error).__name__
        raise InputError(f"{name}: expected a whole {image.format} image, got a damaged one ({message})") from error
    return turned_upright(page, orientation)


def brighter(page: NDArray[np.uint8], path: Path, number: int, notes: list[str] | None) -> NDArray[np.uint8]:
    """Return a page (h, w, 3) that was made of 16-bit colours; decoded again where their high bits are not used.

    Args:
        page: The high bytes.
        path: The file.
        number: Of the picture in the file, from 0.
        notes: Receives that this was necessary.
    """
    if page.max(initial=0) >= _DARK:
        return page
    import cv2

    whole, pictures = cv2.imreadmulti(str(path), number, 1, flags=cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION)
    deep = pictures[0] if whole and pictures else None
    if deep is None or deep.shape[:2] != page.shape[:2] or deep.ndim != 3 or deep.dtype != np.uint16:
        return page
    found, bits = _eight_bits(deep[:, :, 2::-1].astype(np.int64), 16)
    if notes is not None and bits < 16:
        notes.append(f"{bits} of 16 bits are used")
    return found


@cache
def _pillow() -> Any:
    """Return Pillow's module of images, set up once: our own limit of pixels, no messages, more kinds of grey."""
    from PIL import Image, TiffImagePlugin

    logging.getLogger("PIL").setLevel(logging.CRITICAL)
    Image.MAX_IMAGE_PIXELS = None  # `check_size` is the one limit
    for order in (b"II", b"MM"):
        deep = "I;16" if order == b"II" else "I;16B"
        for photometric in (0, 1):
            # Pillow reads both kinds, but not in each byte order and not where white is zero.
            TiffImagePlugin.OPEN_INFO.setdefault((order, photometric, (1,), 1, (12,), ()), ("I;16", "I;12"))
            TiffImagePlugin.OPEN_INFO.setdefault((order, photometric, (1,), 1, (16,), ()), (deep, deep))
    return Image


def _source(path: Path, head: bytes) -> Any:
    """Return the file to read from."""
    if head:
        return tiff.file_at(path, head)
    with path.open("rb") as file:
        start = file.read(16)
        if png.is_png(start):
            return io.BytesIO(png.picture_alone(start + file.read()))
    return path.open("rb")


def _opened(source: Any, path: Path, formats: tuple[str, ...], name: str) -> "Image.Image":
    from PIL import UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image: Image.Image = _pillow().open(source, formats=formats)
            return image
    except UnidentifiedImageError as error:
        raise InputError(f"{name}: {_EXPECTED}, got {_what(path)}") from error
    except OSError as error:
        raise unreadable(path, error) from error
    except Exception as error:  # what a reader says of a damaged header is of any type
        raise InputError(f"{name}: {_EXPECTED}, cannot be read: {error or type(error).__name__}") from error


def _what(path: Path) -> str:
    """Return what a file is that no reader takes for an image, in words."""
    n_bytes = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(16)
    kinds = {"JPEG": start.startswith(b"\xff\xd8"), "PNG": png.is_png(start), "TIFF": tiff.is_tiff(start)}
    kind = next((kind for kind, is_it in kinds.items() if is_it), "")
    if kind:
        return f"{n_bytes:,} bytes that begin like a {kind}: damaged, or of a kind that is not read"
    return f"{n_bytes:,} bytes that are none" if n_bytes else "an empty file"


def _as_rgb(image: "Image.Image", notes: list[str]) -> "Image.Image":
    """Return the picture with 3 channels of 8 bits."""
    from PIL import Image

    if image.mode.startswith("I"):
        return Image.fromarray(_grey(image, notes)).convert("RGB")
    if image.mode == "F":
        raise ValueError("its pixels are real numbers, which no page has")
    tags = getattr(image, "tag_v2", {})
    if tags.get(_PLANES) == _PLANES_APART and int(np.max(tags.get(_BITS_PER_SAMPLE, 8))) > 8:
        raise ValueError("its channels lie in planes of more than 8 bits, which Pillow reads wrong")
    if image.mode == "L" and _is_signed(image):
        return image.point([(value + 128) % 256 for value in range(256)]).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        layer = image.convert("RGBA")
        paper = Image.new("RGBA", layer.size, "white")
        return Image.alpha_composite(paper, layer).convert("RGB")
    return image.convert("RGB")


def _is_signed(image: "Image.Image") -> bool:
    return int(np.max(getattr(image, "tag_v2", {}).get(_SAMPLE_FORMAT, 1))) == _SIGNED


def _grey(image: "Image.Image", notes: list[str]) -> NDArray[np.uint8]:
    """Return deep grey as 8 bits; some readers widen 16 bits to 32."""
    tags = getattr(image, "tag_v2", {})
    declared = int(np.max(tags.get(_BITS_PER_SAMPLE, 16)))
    values = np.asarray(image).astype(np.int64)
    grey, bits = _eight_bits(
        values, declared, signed=_is_signed(image), white_is_zero=tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO
    )
    if bits < declared:
        notes.append(f"{bits} of {declared} bits are used")
    return grey


def _eight_bits(
    values: NDArray[np.int64], declared: int, *, signed: bool = False, white_is_zero: bool = False
) -> tuple[NDArray[np.uint8], int]:
    """Return the highest 8 bits of those that are used, and how many are.

    Depths below 16 are believed. 16 bits and more may hold fewer: of those the smallest usual depth counts that holds
    the largest value. Signed values below zero are shifted so that the lowest possible one is black, of 32 bits the
    lowest one that is there.
    """
    lowest = int(values.min(initial=0))
    if signed and lowest < 0:
        values = values + (1 << (declared - 1) if declared <= 16 else -lowest)
    highest = int(values.max(initial=0))
    depths = (declared,) if declared < 16 else (*_DEPTHS[:-1], *([15] if signed else []), 16)
    bits = next((depth for depth in depths if highest < 1 << depth), highest.bit_length())
    if white_is_zero:
        values = (1 << bits) - 1 - values
    return (values >> (bits - 8)).clip(0, 255).astype(np.uint8), bits


_ORIENTATION = 0x0112
_UPRIGHT: dict[int, Any] = {
    2: lambda page: page[:, ::-1],
    3: lambda page: page[::-1, ::-1],
    4: lambda page: page[::-1],
    5: lambda page: page.transpose(1, 0, 2),
    6: lambda page: page.transpose(1, 0, 2)[:, ::-1],
    7: lambda page: page.transpose(1, 0, 2)[::-1, ::-1],
    8: lambda page: page.transpose(1, 0, 2)[::-1],
}
"""How a stored picture is turned upright, by its EXIF orientation; 1 is upright."""


def orientation_of(image: "Image.Image") -> int:
    """Return the EXIF orientation of an opened image, 1 to 8; 1 where it is missing, broken or no such number."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            exif = image.getexif()
            value: Any = exif.get(_ORIENTATION, 1)
        if isinstance(value, bytes):
            value = int.from_bytes(value, "little" if getattr(exif, "endian", "<") == "<" else "big")
        number = int(value)
    except Exception:  # what Pillow raises for broken EXIF data is of any type, and the picture is whole
        return 1
    return number if number in _UPRIGHT else 1


def turned_upright(page: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Return a page (h, w, 3) as it is stored, turned upright by its EXIF orientation."""
    turn = _UPRIGHT.get(orientation)
    return page if turn is None else np.ascontiguousarray(turn(page))
