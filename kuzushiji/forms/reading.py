"""Files of others, read with bounds: no file is larger than its kind can be, and no XML fetches anything."""

import json
import math
import xml.etree.ElementTree as ET
from functools import lru_cache
from pathlib import Path
from typing import Any

from kuzushiji.errors import InputError

MAX_XML = 64 << 20
"""Bytes of one page; one of 100,000 glyphs has about 30 MB."""

_NO_XML = (ET.ParseError, UnicodeError, LookupError)
"""What the parser raises for what is no XML. (The errors of defusedxml are ValueErrors.)"""

MAX_JSON = 1 << 30
"""Bytes; a data set of a million boxes has about 200 MB."""


def read_xml(path: Path) -> ET.Element:
    """Return the root of an XML file. Entities are refused, internal ones too; nothing outside the file is read.

    Raises:
        InputError: it cannot be read, is too large, declares entities, or is no XML.
    """
    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import fromstring

    try:
        root: ET.Element = fromstring(read_bounded(path, MAX_XML))
    except (DefusedXmlException, *_NO_XML) as error:
        raise _xml_error(path, error) from error
    return root


def root_tag(path: Path) -> str:
    """Return the local name of an XML file's root element.

    Raises:
        InputError: as `read_xml`; the rest of the file is not looked at.
    """
    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import iterparse

    try:
        with path.open("rb") as file:
            for _, element in iterparse(file, events=("start",)):
                return local_name(element)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (DefusedXmlException, *_NO_XML) as error:
        raise _xml_error(path, error) from error
    return ""


def _xml_error(path: Path, error: Exception) -> InputError:
    if not isinstance(error, _NO_XML) or "entit" in str(error).lower():
        return InputError(f"{path}: refused, expected XML without entities, got one that declares them")
    got = "something else" if path.stat().st_size else "an empty file"
    return InputError(f"{path}: expected XML, got {got} ({error})")


def local_name(element: ET.Element) -> str:
    """Return an element's name without its namespace."""
    return str(element.tag).rpartition("}")[2]


def read_any_json(path: Path) -> Any:
    """Return the value of a JSON file.

    Raises:
        InputError: it cannot be read, is too large, or is no JSON.
    """
    status = path.stat() if path.is_file() else None
    return _parsed_json(path, status.st_mtime_ns if status else 0)


@lru_cache(maxsize=1)  # who recognises the form of a file and who reads it come one after the other
def _parsed_json(path: Path, _mtime: int) -> Any:
    content = read_bounded(path, MAX_JSON)
    try:
        return json.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        got = "something else" if content else "an empty file"
        raise InputError(f"{path}: expected JSON, got {got} ({error})") from error


def read_text_file(path: Path) -> str:
    """Return the text of a small file in UTF-8.

    Raises:
        InputError: it cannot be read, is too large, or is in another encoding.
    """
    try:
        return read_bounded(path, MAX_XML).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: expected text in UTF-8, got something else ({error})") from error


def read_bounded(path: Path, limit: int) -> bytes:
    """Return a file's content.

    Raises:
        InputError: it cannot be read, or has more bytes than `limit`.
    """
    try:
        with path.open("rb") as file:
            content = file.read(limit + 1)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
    if len(content) > limit:
        raise InputError(f"{path}: expected at most {limit >> 20:,} MiB, got {path.stat().st_size >> 20:,} MiB")
    return content


def number_of(value: Any) -> float:
    """Return a value of a file as a number.

    Raises:
        ValueError: it is none, or not finite.
    """
    try:
        number = float(value)
    except OverflowError:  # an integer of hundreds of digits
        number = math.inf
    if not abs(number) <= 1e9:  # NaN too
        raise ValueError(f"expected a number, got {value!r}")
    return number


def size_of(width: Any, height: Any) -> tuple[float, float] | None:
    """Return a page's width and height as numbers; None unless both are above 0."""
    try:
        size = number_of(width), number_of(height)
    except (TypeError, ValueError):
        return None
    return size if min(size) > 0 else None


def list_of(value: Any) -> list[Any]:
    """Return a value of a file that should be a list; an empty one where it is none."""
    return value if isinstance(value, list) else []


def bounding_box(points: list[tuple[float, float]]) -> tuple[float, float, float, float]:
    """Return x y w h of the smallest box around some points.

    Raises:
        ValueError: there are none.
    """
    xs, ys = [x for x, _ in points], [y for _, y in points]
    return min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)
