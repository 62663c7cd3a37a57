"""What a JPEG file says about itself, without decoding it."""

import io
from dataclasses import dataclass
from typing import BinaryIO

_START = b"\xff\xd8"
_END = b"\xff\xd9"
_SCAN = 0xDA
_RESTART_INTERVAL = 0xDD
# Start-of-frame markers: SOF0 to SOF15 without DHT (C4), JPG (C8) and DAC (CC), which share the range.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_WITHOUT_LENGTH = frozenset([0x01, *range(0xD0, 0xD8)])


class NotJpegError(ValueError):
    """The bytes are not a JPEG file, or its header is cut off."""


@dataclass(frozen=True)
class JpegHeader:
    """The frame header.

    Attributes:
        width: Pixels, as stored: an EXIF rotation is not applied.
        height: Pixels, as stored.
        components: 1 grey, 3 colour, 4 CMYK.
        end: Position of the file behind the header.
    """

    width: int
    height: int
    components: int
    end: int


def is_jpeg(content: bytes) -> bool:
    """Return whether a file that begins so is meant to be a JPEG."""
    return content.startswith(_START)


def read_header(file: BinaryIO) -> JpegHeader:
    """Read up to the frame header; the segments before it (EXIF, profiles) are skipped, not read.

    Raises:
        NotJpegError: there is none.
    """
    if file.read(2) != _START:
        raise NotJpegError("it does not begin like one")
    while True:
        marker = _next_marker(file)
        if marker in _WITHOUT_LENGTH:
            continue
        length = int.from_bytes(_exactly(file, 2), "big")
        if marker in _FRAMES:
            frame = _exactly(file, 6)
            return JpegHeader(
                height=int.from_bytes(frame[1:3], "big"),
                width=int.from_bytes(frame[3:5], "big"),
                components=frame[5],
                end=file.tell(),
            )
        if marker == _SCAN or length < 2:
            raise NotJpegError("its header is damaged")
        file.seek(length - 2, 1)


def is_complete(content: bytes, header: JpegHeader) -> bool:
    """Return whether the file goes on to its end marker (a preview inside the header has one of its own)."""
    return content.rfind(_END, header.end) >= 0


def split_scan(content: bytes) -> tuple[bytes, bytes]:
    """Return the header of a JPEG of one scan, and the scan's data without the end marker.

    Raises:
        NotJpegError: it is not a JPEG, or is cut off.
    """
    file = io.BytesIO(content)
    if file.read(2) != _START or content[-2:] != _END:
        raise NotJpegError("it does not begin or end like one")
    while True:
        marker = _next_marker(file)
        length = int.from_bytes(_exactly(file, 2), "big")
        file.seek(length - 2, 1)
        if marker == _SCAN:
            return content[: file.tell()], content[file.tell() : -2]


def with_restarts(head: bytes, rows: int) -> tuple[bytes, int]:
    """Return a header that announces a restart marker after every so many rows of pixels, and where its height stands.

    Args:
        head: Up to the scan, as `split_scan` returns it.
        rows: A multiple of the height of a block (8 pixels times the sampling).

    Raises:
        NotJpegError: there is no frame, or the blocks are higher.
    """
    header = read_header(io.BytesIO(head))
    frame = header.end - 6  # its precision; height, width, number of components and those follow
    samplings = head[header.end + 1 : header.end + 3 * header.components : 3]
    # The blocks of a picture of one component are not interleaved: 8 pixels, whatever its sampling says.
    across, down = (1, 1) if len(samplings) == 1 else (max(s >> 4 for s in samplings), max(s & 15 for s in samplings))
    if not across or not down or rows % (8 * down):
        raise NotJpegError(f"its blocks do not fit {rows} rows")
    interval = -(-header.width // (8 * across)) * (rows // (8 * down))
    segment = bytes([0xFF, _RESTART_INTERVAL]) + (4).to_bytes(2, "big") + interval.to_bytes(2, "big")
    return head[:2] + segment + head[2:], frame + 1 + len(segment)


def _next_marker(file: BinaryIO) -> int:
    if _exactly(file, 1) != b"\xff":
        raise NotJpegError("its header is damaged")
    marker = _exactly(file, 1)
    while marker == b"\xff":  # fill bytes
        marker = _exactly(file, 1)
    return marker[0]


def _exactly(file: BinaryIO, size: int) -> bytes:
    content = file.read(size)
    if len(content) != size:
        raise NotJpegError("its header is cut off")
    return content
