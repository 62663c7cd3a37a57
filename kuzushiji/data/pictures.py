"""Pictures of new pages: whatever a scanner or a camera has written, as the models want it.

One rule for every picture: RGB, 8 bits, upright. A rotation noted in the EXIF data is carried out, unlike for labelled
pages (`data.pages`): no box counts pixels yet. 16-bit pictures keep their high byte, grey becomes three equal channels,
CMYK is converted, what is transparent becomes white paper. Each picture of a TIFF file is a page of its own.
"""

import logging
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kuzushiji.data.pages import MAX_PIXELS, read_page
from kuzushiji.errors import InputError

if TYPE_CHECKING:
    from PIL import Image

SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff")
"""Of the files that are taken for pages when a folder is given."""

_FORMATS = ("JPEG", "PNG", "TIFF")
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


@dataclass(frozen=True)
class Picture:
    """A picture in a file.

    Attributes:
        path: The file.
        frame: Number of the picture in a TIFF file, from 0.
        n_frames: How many pictures the file has.
    """

    path: Path
    frame: int = 0
    n_frames: int = 1

    @property
    def number(self) -> str:
        """What tells its page's name from those of the file's others: `_001`; nothing where there are none."""
        return f"_{self.frame + 1:0{max(3, len(str(self.n_frames)))}d}" if self.n_frames > 1 else ""

    def __str__(self) -> str:
        return f"{self.path}, picture {self.frame + 1}" if self.n_frames > 1 else str(self.path)


def pictures_in(path: Path) -> list[Picture]:
    """Return the pictures of a file: one, of a TIFF file of several pages each.

    Raises:
        InputError: the file is missing, empty, no JPEG, PNG or TIFF, or larger than a page can be.
    """
    with _opened(path) as image:
        count = int(getattr(image, "n_frames", 1)) if image.format == "TIFF" else 1
    return [Picture(path, frame, count) for frame in range(count)]


def read_picture(picture: Picture) -> NDArray[np.uint8]:
    """Return the picture as an array (height, width, 3), RGB, upright.

    Raises:
        InputError: as `pictures_in`; the picture is damaged or of a kind that is no page.
    """
    with _opened(picture.path) as image:
        if image.format not in ("JPEG", "MPO"):
            return _decoded(image, picture)
        turn = _UPRIGHT.get(int(image.getexif().get(_ORIENTATION, 1)))
    page = read_page(picture.path)  # the very pixels that the models were trained on: decoders differ
    return page if turn is None else np.ascontiguousarray(turn(page))


def _opened(path: Path) -> "Image.Image":
    from PIL import Image, UnidentifiedImageError

    # Pillow notes oddities of a file as warnings or in its log; what matters comes as an error.
    logging.getLogger("PIL").setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = Image.open(path, formats=_FORMATS)
    except Image.DecompressionBombError as error:
        raise InputError(f"{path}: expected the image of a page, got one that is too large ({error})") from error
    except FileNotFoundError as error:
        raise InputError(f"{path}: expected the image of a page, there is no such file") from error
    except UnidentifiedImageError as error:
        n_bytes = path.stat().st_size
        got = f"{n_bytes:,} bytes that are none" if n_bytes else "an empty file"
        raise InputError(f"{path}: expected a JPEG, PNG or TIFF image, got {got}") from error
    except (OSError, ValueError, SyntaxError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path}: expected a JPEG, PNG or TIFF image, cannot be read: {reason}") from error
    if image.width * image.height > MAX_PIXELS:
        size = f"{image.width} x {image.height}"
        raise InputError(f"{path}: expected a page of 1 to {MAX_PIXELS:,} pixels, got one of {size}")
    return image


def _decoded(image: "Image.Image", picture: Picture) -> NDArray[np.uint8]:
    from PIL import ImageOps

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image.seek(picture.frame)
            image.load()
            return np.ascontiguousarray(_as_rgb(ImageOps.exif_transpose(image)), np.uint8)
    except (OSError, EOFError, ValueError, SyntaxError) as error:
        message = " ".join(str(error).split())[:120] or type(error).__name__
        raise InputError(f"{picture}: expected a whole {image.format} image, got a damaged one ({message})") from error


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
