"""Codes and characters."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kuzushiji.data.characters import char_to_code, code_to_char, read_characters, read_unicode_translation
from kuzushiji.errors import InputError


@pytest.mark.parametrize(
    ("code", "char"),
    [("U+3042", "あ"), ("U+0031", "1"), ("U+24E30", "\U00024e30"), ("U+10FFFF", "\U0010ffff")],
)
def test_both_ways(code: str, char: str) -> None:
    assert code_to_char(code) == char
    assert char_to_code(char) == code


@given(st.characters(exclude_categories=["Cs"]))
def test_round_trip(char: str) -> None:
    assert code_to_char(char_to_code(char)) == char


@pytest.mark.parametrize(
    "code", ["", "3042", "U+", "U+304", "U+304g", "u+3042", "U+3042 ", "U+110000", "U+D800", "seg_fp"]
)
def test_no_code(code: str) -> None:
    with pytest.raises(InputError, match="expected a code such as"):
        code_to_char(code)


@pytest.mark.parametrize("char", ["", "ab"])
def test_no_character(char: str) -> None:
    with pytest.raises(InputError, match="expected one character"):
        char_to_code(char)


def test_table(tiny_root: Path) -> None:
    table = read_unicode_translation(tiny_root / "unicode_translation.csv")
    assert "".join(table.values()) == "あいうえお"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "expected the columns Unicode,char, got an empty file"),
        ("code,char\nU+3042,x\n", "expected the columns Unicode,char, got code,char"),
        ("Unicode,char\n3042,x\n", "row 2: expected a code such as U+3042, got '3042'"),
        ("Unicode,char\nU+3042,x\nU+3042,y\n", "row 3: expected each code once, U+3042 comes twice"),
        ("Unicode,char\nU+3042\n", "row 2: expected 2 columns, got 1"),
    ],
)
def test_damaged_table(text: str, line: str, tmp_path: Path) -> None:
    path = tmp_path / "unicode_translation.csv"
    path.write_text(text)
    with pytest.raises(InputError) as error:
        read_unicode_translation(path)
    assert line in str(error.value) and str(path) in str(error.value)


def test_characters_without_a_table_come_from_the_codes(tmp_path: Path) -> None:
    chars = read_characters(tmp_path / "unicode_translation.csv")
    assert chars["U+3042"] == "あ" and chars.get("seg_fp", "-") == "-"
    assert len(chars) == 0


def test_the_table_comes_before_the_codes(tmp_path: Path) -> None:
    (tmp_path / "unicode_translation.csv").write_text("Unicode,char\nU+F9DC,隆\n", encoding="utf-8")
    chars = read_characters(tmp_path / "unicode_translation.csv")
    assert (chars["U+F9DC"], chars["U+3042"], list(chars)) == ("隆", "あ", ["U+F9DC"])
