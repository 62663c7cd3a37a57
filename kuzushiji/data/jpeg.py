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
_PROGRESSIVE = frozenset([0xC2, 0xC6, 0xCA, 0xCE])
_LONGEST_GAP = 1 << 16
"""Bytes that may lie between two segments; more of them are another kind of file."""

_MOST_ZEROS = 4
"""With which coded data may end."""


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
        progressive: Whether later scans refine the picture.
        gaps: Whether bytes lie between the segments that belong to none.
    """

    width: int
    height: int
    components: int
    end: int
    progressive: bool = False
    gaps: bool = False


def is_jpeg(content: bytes) -> bool:
    """Return whether a file that begins so is meant to be a JPEG."""
    return content.startswith(_START)


def read_header(file: BinaryIO) -> JpegHeader:
    """Read up to the frame header; the segments before it (EXIF, profiles) are skipped, not read.

    Bytes between two segments are skipped too, as all decoders do.

    Raises:
        NotJpegError: there is none.
    """
    if file.read(2) != _START:
        raise NotJpegError("it does not begin like one")
    gaps = False
    while True:
        gap, marker = _next_marker(file)
        gaps = gaps or gap > 0
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
                progressive=marker in _PROGRESSIVE,
                gaps=gaps,
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


def without_gaps(content: bytes) -> bytes:
    """Return a JPEG without the bytes between its segments that belong to none.

    Raises:
        NotJpegError: it is not a JPEG, or is cut off.
    """
    parts = [_START]
    for marker, segment in read_segments(content, gaps=True):
        length = (len(segment) + 2).to_bytes(2, "big")
        parts += [bytes([0xFF, marker]), length, segment] if marker else [segment]
    return b"".join(parts)


def with_fewer_zeros(content: bytes) -> Iterator[bytes]:
    """Yield a JPEG with none, one and so on of the zero bytes before its end marker: coded data may end with some."""
    end = content.rfind(_END)
    body = content[: max(end, 0)].rstrip(b"\0")
    for n in range(min(end - len(body), _MOST_ZEROS)):
        yield body + bytes(n) + _END


def read_segments(content: bytes, *, gaps: bool = False) -> Iterator[tuple[int, bytes]]:
    """Yield the marker and the content of each segment up to the header of the first scan, and then what follows it.

    Args:
        content: Of the file.
        gaps: Whether bytes may lie between the segments that belong to none.

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
        gap, marker = _next_marker(file)
        if gap and not gaps:
            raise NotJpegError("its header is damaged")
        if marker not in _WITHOUT_LENGTH:
            yield marker, _exactly(file, int.from_bytes(_exactly(file, 2), "big") - 2)
    yield 0, file.read()


def _next_marker(file: BinaryIO) -> tuple[int, int]:
    """Return the number of bytes before the next marker, fill bytes left out, and the marker's second byte."""
    gap = 0
    while True:
        byte = _exactly(file, 1)
        while byte != b"\xff":
            gap += 1
            byte = _exactly(file, 1)
            if gap > _LONGEST_GAP:
                raise NotJpegError("its header is damaged")
        while byte == b"\xff":
            byte = _exactly(file, 1)
        if byte != b"\0":  # FF 00 is no marker
            return gap, byte[0]
        gap += 2


def _exactly(file: BinaryIO, size: int) -> bytes:
    content = file.read(max(size, 0))
    if len(content) != size:
        raise NotJpegError("its header is cut off")
    return content
