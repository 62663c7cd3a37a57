"""Pictures of new pages: whatever a scanner or a camera has written, as the models want it.

Pixels as `data.images` says, and upright: a rotation noted in the EXIF data is carried out, unlike for labelled pages
(`data.pages`), because no box counts pixels yet. Each picture of a TIFF file is a page of its own.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kuzushiji.data.images import decode_image, open_image
from kuzushiji.data.pages import read_page

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
        InputError: as `open_image`.
    """
    with open_image(path) as image:
        count = int(getattr(image, "n_frames", 1)) if image.format == "TIFF" else 1
    return [Picture(path, frame, count) for frame in range(count)]


def read_picture(picture: Picture) -> NDArray[np.uint8]:
    """Return the picture as an array (height, width, 3), RGB, upright.

    Raises:
        InputError: as `open_image`; the picture is damaged or of a kind that is no page.
    """
    with open_image(picture.path) as image:
        if image.format not in ("JPEG", "MPO"):
            return decode_image(image, picture, frame=picture.frame, upright=True)
        turn = _UPRIGHT.get(int(image.getexif().get(_ORIENTATION, 1)))
    page = read_page(picture.path)  # the very pixels that the models were trained on: decoders differ
    return page if turn is None else np.ascontiguousarray(turn(page))
