"""PNG files without what is no picture: text, profiles and times, which may be large or broken."""

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_KEPT = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"eXIf")
_AROUND = 12
"""Bytes of a chunk around its content: length, name, checksum."""


def is_png(start: bytes) -> bool:
    """Return whether a file that begins so is meant to be a PNG."""
    return start.startswith(_SIGNATURE)


def is_deep_colour(content: bytes) -> bool:
    """Return whether a PNG has several channels of 16 bits."""
    return content[24:25] == b"\x10" and content[25:26] in (b"\2", b"\6")


def picture_alone(content: bytes) -> bytes:
    """Return a PNG with the chunks alone that make up its picture; what is cut off stays so."""
    parts, at = [_SIGNATURE], len(_SIGNATURE)
    while at < len(content):
        length = int.from_bytes(content[at : at + 4], "big") + _AROUND
        if content[at + 4 : at + 8] in _KEPT:
            parts.append(content[at : at + length])
        at += length
    return b"".join(parts)
