"""Image files of every kind that pages come in, as Pillow reads them; `data.pages` decodes JPEGs faster.

One rule for the pixels: RGB, 8 bits. 16 bits keep their high byte, grey becomes three equal channels, CMYK is
converted, what is transparent becomes white paper.
"""

import logging
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kuzushiji.errors import InputError

if TYPE_CHECKING:
    from PIL import Image

SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp", ".jp2", ".j2k", ".jpf", ".jpx")
"""Of the files that are taken for pages. A file's content decides what it is, not its suffix."""

MAX_PIXELS = 200_000_000
"""A page of the competition has about 10 million pixels; a header that promises more than this is not believed."""

_FORMATS = ("JPEG", "PNG", "TIFF", "WEBP", "JPEG2000")
_EXPECTED = "expected a JPEG, PNG, TIFF, WebP or JPEG 2000 image"


def open_image(path: Path) -> "Image.Image":
    """Return an image of which only the header is read; to be closed.

    Raises:
        InputError: the file is missing, empty, of another format, or larger than `MAX_PIXELS`.
    """
    from PIL import Image, UnidentifiedImageError

    # Pillow notes oddities of a file as warnings or in its log; what matters comes as an error.
    logging.getLogger("PIL").setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = Image.open(path, formats=_FORMATS)
    except Image.DecompressionBombError as error:
        raise InputError(f"{path}: expected the image of a page, got one that is too large ({error})") from error
    except UnidentifiedImageError as error:
        n_bytes = path.stat().st_size
        got = f"{n_bytes:,} bytes that are none" if n_bytes else "an empty file"
        raise InputError(f"{path}: {_EXPECTED}, got {got}") from error
    except OSError as error:
        raise unreadable(path, error) from error
    except (ValueError, SyntaxError) as error:
        raise InputError(f"{path}: {_EXPECTED}, cannot be read: {error}") from error
    try:
        check_size(image.width, image.height, path)
    except InputError:
        image.close()
        raise
    return image


def unreadable(path: Path, error: OSError) -> InputError:
    """Return the exception for a page that the system does not give."""
    return InputError(f"{path}: expected the image of a page, cannot be read: {error.strerror or error}")


def check_size(width: int, height: int, path: Path) -> None:
    """Raise InputError unless a page can have this size, pixels."""
    if not 0 < width * height <= MAX_PIXELS:
        raise InputError(f"{path}: expected a page of 1 to {MAX_PIXELS:,} pixels, got one of {width} x {height}")


def decode_image(image: "Image.Image", name: object, *, frame: int = 0, upright: bool = False) -> NDArray[np.uint8]:
    """Return an opened image as an array (height, width, 3), RGB.

    Args:
        image: As `open_image` returned it.
        name: Names it in messages.
        frame: Number of the picture in a file of several.
        upright: Whether a rotation noted in EXIF data is carried out. TIFF files come upright in either case: their
            orientation says how rows are stored.

    Raises:
        InputError: it is damaged or of a kind that is no page.
    """
    from PIL import ImageOps

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image.seek(frame)
            image.load()
            return np.array(_as_rgb(ImageOps.exif_transpose(image) if upright else image), np.uint8)
    except (OSError, EOFError, ValueError, SyntaxError) as error:
        message = " ".join(str(error).split())[:120] or type(error).__name__
        raise InputError(f"{name}: expected a whole {image.format} image, got a damaged one ({message})") from error


def _as_rgb(image: "Image.Image") -> "Image.Image":
    """Return the picture with 3 channels of 8 bits."""
    from PIL import Image

    if image.mode.startswith("I"):  # 16 bits of grey; some readers widen them to 32
        return Image.fromarray((np.asarray(image).astype(np.int64).clip(0, 65535) >> 8).astype(np.uint8)).convert("RGB")
    if image.mode == "F":
        raise ValueError("its pixels are real numbers, which no page has")
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        layer = image.convert("RGBA")
        paper = Image.new("RGBA", layer.size, "white")
        return Image.alpha_composite(paper, layer).convert("RGB")
    return image.convert("RGB")
