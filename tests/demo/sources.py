"""A small font, layouts and texts, made for the tests of pages that imitate real ones."""

from pathlib import Path

from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen

from kuzushiji.demo.material import Sources

KANA = "あいうえおかきくのとしは"
KANJI = "人山川花御"
HEADER = "image_id,labels\n"


def write_font(path: Path, characters: str, *, empty: str = "") -> Path:
    """Write a TrueType font whose characters are bars of different shapes; those of `empty` have no outline."""
    names = [".notdef", *(f"c{number}" for number in range(len(characters)))]
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder(names)
    builder.setupCharacterMap({ord(character): name for character, name in zip(characters, names[1:], strict=True)})
    glyphs = {}
    for number, name in enumerate(names):
        pen = TTGlyphPen(None)
        if name != ".notdef" and characters[number - 1] not in empty:
            right, top = 300 + 40 * number, 500 + 20 * number
            for points in (
                [(100, 0), (100, top), (200, top), (200, 0)],
                [(100, 300), (100, 380), (right, 380), (right, 300)],
            ):
                pen.moveTo(points[0])
                for point in points[1:]:
                    pen.lineTo(point)
                pen.closePath()
        glyphs[name] = pen.glyph()
    builder.setupGlyf(glyphs)
    builder.setupHorizontalMetrics(dict.fromkeys(names, (1000, 0)))
    builder.setupHorizontalHeader(ascent=880, descent=-120)
    builder.setupNameTable({"familyName": "Bars", "styleName": "Regular"})
    builder.setupOS2()
    builder.setupPost()
    path.parent.mkdir(parents=True, exist_ok=True)
    builder.save(str(path))
    return path


def labels_of(text: str, *, columns: int = 2, x: int = 1500) -> str:
    """Return the labels of a text in columns from right to left."""
    length = -(-len(text) // columns)
    boxes = []
    for number, character in enumerate(text):
        left, top = x - 200 * (number // length), 300 + 130 * (number % length)
        boxes.append(f"U+{ord(character):04X} {left} {top} 100 110")
    return " ".join(boxes)


def write_sources(
    folder: Path, *, pages: dict[str, str], texts: tuple[str, ...] = (KANA * 4,), apart: str | None = None,
    without: frozenset[str] = frozenset(), fonts: str = KANA + KANJI,
) -> Sources:  # fmt: skip
    """Write sources into a folder."""
    write_font(folder / "fonts" / "bars" / "bars.ttf", fonts)
    rows = "".join(f"{image_id},{labels_of(text)}\n" for image_id, text in pages.items())
    (folder / "labels.csv").write_text(HEADER + rows, encoding="utf-8")
    paths = []
    for number, text in enumerate(texts):
        paths.append(folder / f"text{number}.txt")
        paths[-1].write_text(text, encoding="utf-8")
    codes = "".join(f"U+{ord(character):04X},{character}\n" for character in KANA + KANJI + "犬")
    (folder / "codes.csv").write_text("Unicode,char\n" + codes, encoding="utf-8")
    if apart is not None:
        (folder / "apart.txt").write_text(apart, encoding="utf-8")
    return Sources(
        folder / "fonts", folder / "labels.csv", tuple(paths), folder / "codes.csv", without,
        None if apart is None else folder / "apart.txt",
    )  # fmt: skip
