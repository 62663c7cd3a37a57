"""One code for each way to write a character; what stands for none is refused."""

from pathlib import Path

import pytest

from kuzushiji.errors import InputError
from kuzushiji.forms.character_codes import character_of, normalised, read_character_map

SAME = {
    "itself": ("あ", "あ"),
    "a code": ("U+3042", "あ"),
    "a code in small letters": ("u+3042", "あ"),
    "five digits": ("U+20BB7", "𠮷"),
    "blanks around it": (" あ\n", "あ"),
    "a mark of its own": ("か\u3099", "が"),
    "a variation selector": ("葛\U000e0100", "葛"),
    "a selector of presentation": ("〽\ufe0e", "〽"),
    "a compatibility ideograph": ("\ufa19", "神"),
    "its code": ("U+FA19", "神"),
    "one of the supplement": ("\U0002f804", "你"),
    "a radical": ("\u2f00", "一"),
    "a digit is a character": ("3", "3"),
    "a letter of full width stays": ("Ａ", "Ａ"),
    "an iteration mark": ("ゝ", "ゝ"),
    "private use": ("\ue000", "\ue000"),
}


@pytest.mark.parametrize(("written", "expected"), SAME.values(), ids=SAME)
def test_same(written: str, expected: str) -> None:
    assert character_of(written) == expected


NONE = {
    "nothing": ("", "expected a character, got none"),
    "blanks": ("　 ", "expected a character, got none"),
    "two": ("あい", "expected one character, got 2"),
    "two that do not compose": ("あ\u3099", "expected one character, got 2"),
    "the replacement character": ("\ufffd", "can be read, got U\\+FFFD"),
    "the geta": ("〓", "can be read, got U\\+3013"),
    "a surrogate": ("U+D800", "expected a code such as"),
    "beyond Unicode": ("U+110000", "expected a code such as"),
    "not assigned": ("U+0378", "can be read"),
    "a control character": ("U+0007", "can be read"),
}


@pytest.mark.parametrize(("written", "message"), NONE.values(), ids=NONE)
def test_none(written: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        character_of(written)


def test_without_normalising_a_character_stays() -> None:
    assert character_of("U+FA19", normalise=False) == "\ufa19"


def test_normalised_text() -> None:
    assert normalised("か\u3099葛\U000e0100\ufa19") == "が葛神"


MAPS = {
    "codes with a header": ("Old,New,old,new\nU+60E1,U+60AA,惡,悪\n", {"惡": "悪"}),
    "characters without one": ("惡,悪\n國,国\n", {"惡": "悪", "國": "国"}),
    "tabs, a mark of order, blank lines": ("\ufeff惡\t悪\n\n", {"惡": "悪"}),
    "the same twice": ("惡,悪\n惡,悪\n", {"惡": "悪"}),
    "compatibility forms are told apart": ("U+FA19,神\n", {"\ufa19": "神"}),
}


@pytest.mark.parametrize(("content", "expected"), MAPS.values(), ids=MAPS)
def test_map(content: str, expected: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "map.csv").write_text(content, encoding="utf-8")
    assert read_character_map(tmp_path / "map.csv") == expected


BAD_MAPS = {
    "nothing in it": ("old,new\n", "got none in it"),
    "one column": ("惡,悪\n國\n", "row 2: expected an old and a new character"),
    "two characters": ("惡,悪\n國,国国\n", "row 2: .*expected one character, got 2"),
    "two new ones": ("惡,悪\n惡,国\n", "row 2: expected one new character for 惡, got 悪 and 国"),
}


@pytest.mark.parametrize(("content", "message"), BAD_MAPS.values(), ids=BAD_MAPS)
def test_bad_map(content: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "map.csv").write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        read_character_map(tmp_path / "map.csv")


def test_no_map(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        read_character_map(tmp_path / "map.csv")
