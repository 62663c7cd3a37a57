"""Codes and the characters they stand for."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from kuzushiji.data.label_text import CODE, read_columns
from kuzushiji.errors import InputError


def code_to_char(code: str) -> str:
    """Return the character of a code: `U+3042` -> `あ`.

    Raises:
        InputError: it is no code of a character (`seg_fp` is none).
    """
    number = int(code[2:], 16) if CODE.fullmatch(code) else -1
    surrogate = 0xD800 <= number <= 0xDFFF
    if not 0 <= number <= 0x10FFFF or surrogate:
        raise InputError(f"expected a code such as U+3042, got {code!r}")
    return chr(number)


def char_to_code(char: str) -> str:
    """Return the code of a character: `あ` -> `U+3042`.

    Raises:
        InputError: it is not one character.
    """
    if len(char) != 1:
        raise InputError(f"expected one character, got {char!r}")
    return f"U+{ord(char):04X}"


class Characters(Mapping[str, str]):
    """The character of each code: of a data root's table, and of codes that it lacks the one that they stand for."""

    def __init__(self, table: Mapping[str, str]) -> None:
        self.table = table

    def __getitem__(self, code: str) -> str:
        try:
            return self.table[code] if code in self.table else code_to_char(code)
        except InputError as error:
            raise KeyError(code) from error

    def __iter__(self) -> Iterator[str]:
        return iter(self.table)

    def __len__(self) -> int:
        return len(self.table)


def read_characters(path: Path) -> Characters:
    """Return the characters of a data root; its table `unicode_translation.csv` may be missing.

    Raises:
        InputError: as `read_unicode_translation`, where there is a table.
    """
    return Characters(read_unicode_translation(path) if path.exists() else {})


def read_unicode_translation(path: Path) -> dict[str, str]:
    """Return the character of each code in a table `Unicode,char`, in its order.

    A few codes of the competition's table stand for another, similar character, so this is more than `code_to_char`.

    Raises:
        InputError: the file is missing or no such table, or has a wrong or doubled code.
    """
    codes, characters = read_columns(path, ("Unicode", "char"))
    table: dict[str, str] = {}
    for row, (code, character) in enumerate(zip(codes, characters, strict=True), start=2):
        if not CODE.fullmatch(code):
            raise InputError(f"{path}, row {row}: expected a code such as U+3042, got {code!r}")
        if code in table:
            raise InputError(f"{path}, row {row}: expected each code once, {code} comes twice")
        table[code] = character
    return table
