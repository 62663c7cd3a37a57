"""What a JPEG file says about itself, without decoding it."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

_START = b"\xff\xd8"
_END = b"\xff\xd9"
_SCAN = 0xDA
_APP2 = 0xE2
_PROFILE = b"ICC_PROFILE\0"
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


def without_profile(content: bytes) -> bytes:
    """Return a JPEG without its colour profile, which changes no pixel here: some files have a broken one."""
    parts = [_START]
    for marker, segment in read_segments(content):
        if not marker:
            parts.append(segment)
        elif marker != _APP2 or not segment.startswith(_PROFILE):
            parts.append(bytes([0xFF, marker]) + (len(segment) + 2).to_bytes(2, "big") + segment)
    return b"".join(parts)


def read_segments(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the marker and the content of each segment up to the header of the first scan, and then what follows it.

    Yields:
        A marker's second byte and the segment behind its length; at the end 0 and the rest of the file.

    Raises:
        NotJpegError: it is not a JPEG, or is cut off.
    """
    file = io.BytesIO(content)
    if file.read(2) != _START:
        raise NotJpegError("it does not begin like one")
    marker = 0
    while marker != _SCAN:
        marker = _next_marker(file)
        if marker not in _WITHOUT_LENGTH:
            yield marker, _exactly(file, int.from_bytes(_exactly(file, 2), "big") - 2)
    yield 0, file.read()


def _next_marker(file: BinaryIO) -> int:
    if _exactly(file, 1) != b"\xff":
        raise NotJpegError("its header is damaged")
    marker = _exactly(file, 1)
    while marker == b"\xff":  # fill bytes
        marker = _exactly(file, 1)
    return marker[0]


def _exactly(file: BinaryIO, size: int) -> bytes:
    content = file.read(max(size, 0))
    if len(content) != size:
        raise NotJpegError("its header is cut off")
    return content
