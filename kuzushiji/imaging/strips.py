"""A page cut into narrow JPEGs that can be entered at any row, so that a crop decodes what it shows and little more.

The cut is lossless: the code words of the page's own JPEG are copied (`scan`). Each strip shows some of its neighbours
at its sides, and a crop is decoded with a block above and below, because the interpolation of colours looks that far:
the pixels are those of the whole page, bit for bit. That is checked when a page is cut. A page for which it does not
hold, or that is no baseline JPEG, is left as it is.

Within a strip, every row of blocks begins with a restart marker, where a decoder can begin: a few bytes of header,
and the rows from the first to the last that are wanted, are a JPEG of just these rows.
"""

import io
import json
import logging
import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kuzushiji.data.jpeg import JpegHeader, NotJpegError, read_header
from kuzushiji.data.pages import decode_with_header, read_page
from kuzushiji.errors import InputError
from kuzushiji.files import atomic_path
from kuzushiji.imaging.scan import read_scan
from kuzushiji.imaging.window import Image, Window

logger = logging.getLogger(__name__)

WIDTH = 256
"""Of a strip without its margins, pixels. Crops of both stages on real pages cost about the same with 128 to 384; the
files are then 1.26 to 1.09 times as large as the JPEGs."""

MARGIN = 16
"""Width of the margins, pixels: one block of the usual 4:2:0 sampling."""

_FORMAT = "kuzushiji-strips-2"
_EOI = 0xD9
_RST0 = 0xD0


class StripsLostError(Exception):
    """The file of strips is not there any more; the page has to be read from its JPEG."""


@dataclass(frozen=True, eq=False)
class PageStrips:
    """A file of strips, of which only the table of contents is in memory.

    Attributes:
        path: The file.
        width: Of the page, pixels.
        height: Of the page, pixels.
        row: Height of a row of blocks, pixels.
        heads: Header of each strip, for the height of the whole strip: as bytes, and what they say.
        heights_at: Where in each header the height stands.
        offsets: (strips, rows + 1) positions in the file where rows begin; each ends with a marker.
    """

    path: Path
    width: int
    height: int
    row: int
    heads: tuple[tuple[bytes, JpegHeader], ...]
    heights_at: tuple[int, ...]
    offsets: NDArray[np.int64]

    def read(self, window: Window) -> Image:
        """Return a part of the page; the window lies within it and has some area.

        Raises:
            StripsLostError: the file cannot be read, or was cut off since.
        """
        picture = np.empty((window.height, window.width, 3), np.uint8)
        first = max(window.y0 // self.row - 1, 0)
        last = min(-(-window.y1 // self.row) + 1, self.offsets.shape[1] - 1)
        try:
            with self.path.open("rb") as file:
                for strip in range(window.x0 // WIDTH, -(-window.x1 // WIDTH)):
                    rows = self._decode(file, strip, first, last)
                    x0, x1 = max(window.x0, strip * WIDTH), min(window.x1, (strip + 1) * WIDTH)
                    left, top = max(strip * WIDTH - MARGIN, 0), first * self.row
                    picture[:, x0 - window.x0 : x1 - window.x0] = rows[
                        window.y0 - top : window.y1 - top, x0 - left : x1 - left
                    ]
        except (OSError, InputError) as error:
            raise StripsLostError(f"{self.path}: {error}") from error
        return picture

    def _decode(self, file: Any, strip: int, first: int, last: int) -> Image:
        """Return the rows of blocks from `first` to before `last` of a strip."""
        offsets = self.offsets[strip, first : last + 1]
        file.seek(int(offsets[0]))
        content = file.read(int(offsets[-1] - offsets[0]))
        if len(content) != offsets[-1] - offsets[0]:
            raise OSError("it is cut off")
        scan = np.frombuffer(content, np.uint8).copy()
        # A row ends with a marker of two bytes; decoders want them to be numbered from 0.
        markers = offsets[1:] - offsets[0] - 1
        scan[markers] = _RST0 + np.arange(len(markers)) % 8
        scan[markers[-1]] = _EOI
        head, header = self.heads[strip]
        height = min(last * self.row, self.height) - first * self.row
        at = self.heights_at[strip]
        jpeg = b"".join((head[:at], height.to_bytes(2, "big"), head[at + 2 :], scan.tobytes()))
        return decode_with_header(jpeg, replace(header, height=height), self.path)


def open_strips(path: Path, source: Path) -> PageStrips | None:
    """Return the strips of a page; None where there are none, where they are damaged, or of another JPEG or form.

    Args:
        path: The file of strips.
        source: The page's JPEG.

    Raises:
        InputError: the JPEG is missing.
    """
    identity = _identity(source)
    try:
        return _parse(path, path.read_bytes(), identity)
    except (OSError, ValueError, TypeError, LookupError, ArithmeticError):
        return None


def _parse(path: Path, content: bytes, identity: list[Any]) -> PageStrips | None:
    """Return the strips in a file's content; None where it is damaged or of another JPEG or form.

    Raises:
        ValueError, TypeError, LookupError, ArithmeticError: it is no such file.
    """
    begin = 8 + int.from_bytes(content[:4], "little")
    meta = json.loads(content[8:begin])
    if not isinstance(meta, dict) or meta.get("of") != identity:
        return None
    if zlib.crc32(content[8:]) != int.from_bytes(content[4:8], "little"):
        return None
    width, height, row = (int(meta[name]) for name in ("width", "height", "row"))
    heights_at = tuple(map(int, meta["heights_at"]))
    heads = tuple((head, read_header(io.BytesIO(head))) for head in map(bytes.fromhex, meta["heads"]))
    sizes = np.asarray(meta["rows"], np.int64)
    n_strips, n_rows = -(-width // WIDTH), -(-height // row)
    if sizes.shape != (n_strips, n_rows) or len(heads) != n_strips or len(heights_at) != n_strips:
        return None
    ends = np.cumsum(sizes.ravel()).reshape(sizes.shape) + begin
    offsets = np.concatenate([ends[:, :1] - sizes[:, :1], ends], axis=1)
    return PageStrips(path, width, height, row, heads, heights_at, offsets)


def write_strips(path: Path, source: Path) -> bool:
    """Cut a page into strips; return whether that can be done: the page is a baseline JPEG, as is usual.

    Raises:
        InputError: the page cannot be read, or the file not be written.
    """
    identity = _identity(source)
    page = read_page(source)
    height, width = page.shape[:2]
    try:
        meta, rows = _cut(source.read_bytes(), width)
    except NotJpegError as error:
        logger.debug("%s: not cut into strips (%s)", source, error)
        return False
    described = json.dumps({"of": identity, "width": width, "height": height, **meta}).encode()
    body = described + b"".join(rows)
    with atomic_path(path) as temporary:
        temporary.write_bytes(len(described).to_bytes(4, "little") + zlib.crc32(body).to_bytes(4, "little") + body)
        written = open_strips(temporary, source)
        same = written is not None and _shows(written, page)
    if not same:
        path.unlink()
    return same


def _shows(strips: PageStrips, page: Image) -> bool:
    try:
        return np.array_equal(strips.read(Window(0, 0, strips.width, strips.height)), page)
    except StripsLostError:  # the decoder does not take what was cut
        return False


def _cut(content: bytes, width: int) -> tuple[dict[str, Any], list[bytes]]:
    """Return the table of contents of all strips, and the data of their rows, row after row and strip after strip.

    Raises:
        NotJpegError: the page cannot be cut.
    """
    scan = read_scan(content)
    if MARGIN % scan.width:
        raise NotJpegError(f"its blocks of {scan.width} pixels do not fit the margins")
    meta: dict[str, Any] = {"row": scan.height, "heads": [], "heights_at": [], "rows": []}
    rows: list[bytes] = []
    for x in range(0, width, WIDTH):
        start, end = max(x - MARGIN, 0), min(x + WIDTH + MARGIN, width)
        head, height_at = scan.header(end - start)
        # Each row is followed by a marker, whose number the reader fills in.
        of_strip = [
            scan.part(row, start // scan.width, -(-end // scan.width)) + b"\xff\xd0" for row in range(scan.rows)
        ]
        meta["heads"].append(head.hex())
        meta["heights_at"].append(height_at)
        meta["rows"].append([len(row) for row in of_strip])
        rows += of_strip
    return meta, rows


def _identity(source: Path) -> list[Any]:
    """Return of which JPEG the strips are, by size and time as in a stage's record, and of which form."""
    try:
        status = source.stat()
    except OSError as error:
        raise InputError(f"{source}: expected the image of a page, cannot be read: {error.strerror}") from error
    return [_FORMAT, status.st_size, status.st_mtime_ns, WIDTH, MARGIN]
