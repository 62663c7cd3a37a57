"""What does not count is gone on both sides."""

import numpy as np
import pytest

from kuzushiji.evaluate.measures import Normaliser
from kuzushiji.evaluate.readings import BOXES, Reading
from kuzushiji.forms.labelled_page import TextLine
from kuzushiji.layout import EDGE, FURIGANA, TEXT

TEXTS = {
    # text, what is ignored, what is left
    "form C, blanks": ("か\u3099 葛\U000e0100\u3000神\n", (), "が葛神"),
    "compatibility": ("\ufa19", (), "神"),
    "nothing more": ("國、「が」〱", (), "國、「が」〱"),
    "marks": ("國、「が」。・〱々ゝー○", ("marks",), "國が〱々ゝー"),
    "voicing": ("がぱヂ゛国", ("voicing",), "かはチ国"),
    "old forms": ("國學餘", ("old-forms",), "国学余"),
    "all": ("國、が", ("marks", "voicing", "old-forms"), "国か"),
}


@pytest.mark.parametrize(("text", "ignored", "expected"), TEXTS.values(), ids=TEXTS)
def test_text(text: str, ignored: tuple[str, ...], expected: str) -> None:
    assert Normaliser(ignored).text(text) == expected


def test_table() -> None:
    assert Normaliser((), {"惡": "悪"}).text("惡い") == "悪い"


def test_reading() -> None:
    lines = [TextLine("國が、"), TextLine("ふ", FURIGANA), TextLine("端", EDGE)]
    role = [TEXT, TEXT, TEXT, FURIGANA, EDGE]
    reading = Reading("p", BOXES, list("國が、ふ端"), np.arange(20.0).reshape(5, 4), role, lines)
    found = Normaliser(("furigana", "marks", "old-forms")).reading(reading)
    assert found.chars == ["国", "が", "端"]
    assert found.boxes_xywh[:, 0].tolist() == [0, 4, 16]
    assert found.role == [TEXT, TEXT, EDGE]
    assert found.lines == [TextLine("国が"), TextLine("端", EDGE)]
    assert Normaliser(("edge",)).reading(reading).chars == list("國が、ふ")
