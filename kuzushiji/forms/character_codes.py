"""Characters as others write them, and the one code that stands for each of them."""

import csv
import re
import unicodedata
from pathlib import Path

from kuzushiji.data.characters import char_to_code, code_to_char
from kuzushiji.errors import InputError

_CODE = re.compile(r"U\+([0-9A-F]{4,6})", re.IGNORECASE)
_SELECTOR = re.compile("[\ufe00-\ufe0f\u180b-\u180d\U000e0100-\U000e01ef]")
_RADICAL = re.compile("[\u2e80-\u2fdf]")
_KANJI = range(0x3400, 0xA000)
"""CJK unified ideographs, with those of extension A."""
_UNREADABLE = "\ufffd\u3013"
"""The replacement character, and the geta that printers set for what nobody can read."""


def normalised(text: str) -> str:
    """Return a text in Unicode form C without variation selectors.

    Form C composes marks (か and U+3099 are が) and unifies the CJK compatibility ideographs. It leaves radicals, which
    become the ideographs that they look like.
    """
    plain = unicodedata.normalize("NFC", _SELECTOR.sub("", text))
    return _RADICAL.sub(lambda found: unicodedata.normalize("NFKC", found.group()), plain)


def character_of(text: str, *, normalise: bool = True) -> str:
    """Return the one character that a label stands for: it is written itself, or as a code (`U+3042`).

    Raises:
        InputError: it is none, several, or one that stands for nothing in particular.
    """
    label = text.strip()
    code = _CODE.fullmatch(label)
    if code:
        label = code_to_char(f"U+{code.group(1).upper()}")
    if normalise:
        label = normalised(label)
    if len(label) != 1:
        raise InputError(f"expected one character, got {len(label)}" if label else "expected a character, got none")
    if label in _UNREADABLE or unicodedata.category(label) in ("Cc", "Cn", "Cs", "Zs", "Zl", "Zp"):
        raise InputError(f"expected a character that can be read, got {char_to_code(label)}")
    return label


def new_forms() -> dict[str, str]:
    """Return the new form of each old kanji that has one."""
    from joyokanji import convert

    pairs = ((char, convert(char)) for char in map(chr, _KANJI))
    return {old: new for old, new in pairs if new != old}


def read_character_map(path: Path) -> dict[str, str]:
    """Return the new character of each old one in a table; a row is old, new, and further columns do not matter.

    Characters are written themselves or as codes, fields are separated by commas or tabs. A first row that is none is a
    header.

    Raises:
        InputError: the file cannot be read, has a row that is none, or an old character with two new ones.
    """
    try:
        rows = list(csv.reader(path.read_text(encoding="utf-8-sig").replace("\t", ",").splitlines()))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path}: expected a table of old and new characters, cannot be read: {reason}") from error
    table: dict[str, str] = {}
    for number, row in enumerate(rows, start=1):
        if not any(row):
            continue
        try:
            old, new = (character_of(field, normalise=False) for field in row[:2])
        except (InputError, ValueError) as error:
            if number == 1:
                continue
            raise InputError(f"{path}, row {number}: expected an old and a new character ({error})") from error
        if table.setdefault(old, new) != new:
            raise InputError(f"{path}, row {number}: expected one new character for {old}, got {table[old]} and {new}")
    if not table:
        raise InputError(f"{path}: expected a table of old and new characters, got none in it")
    return table
