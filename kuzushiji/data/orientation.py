"""How a camera was held: the rotation noted in the EXIF data of a picture."""

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL import Image

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
