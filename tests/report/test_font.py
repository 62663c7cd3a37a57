import base64
import io
import re

from fontTools.ttLib import TTFont

from kuzushiji.report.font import font_style


def test_a_font_of_the_characters_that_have_strokes() -> None:
    style = font_style("国あaあ\U0001f600")
    data = re.fullmatch(
        r'@font-face\{font-family:"Kuzushiji strokes";src:url\(data:font/woff2;base64,(.*?)\) .*', style
    )
    assert data is not None
    font = TTFont(io.BytesIO(base64.b64decode(data[1])))
    assert set(font.getBestCmap()) == {ord("国"), ord("あ")}
    glyph = font["glyf"]["u56FD"]
    assert glyph.numberOfContours == 8  # the strokes of 国
    assert 0 <= glyph.xMin < 300 and 700 < glyph.xMax <= 1000 and glyph.yMax > 600
    assert style == font_style("あ国")  # the same characters, the same text


def test_no_characters_no_font() -> None:
    assert font_style("abc") == ""
