"""What is odd about a source is named with file and element; the rest is read all the same."""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

from kuzushiji.data.pages import read_page
from kuzushiji.errors import InputError
from kuzushiji.forms import reading
from kuzushiji.forms.labelled_page import MAX_IN_LAYOUT
from kuzushiji.forms.picture_files import Placer
from kuzushiji.forms.registry import FORMS
from tests.forms.samples import SAMPLES, SIZE, picture, read, write_json


@dataclass(frozen=True)
class Odd:
    """Something odd in a sample.

    Attributes:
        sample: Name of the sample.
        file: Which of its files is changed.
        old: Text that is replaced, everywhere.
        new: What it becomes.
        kind: Of the note; empty where a page or file is left out.
        message: What is said, a pattern.
        kept: Boxes of the page that stay.
    """

    sample: str
    file: str
    old: str
    new: str
    kind: str
    message: str
    kept: int = 2


CSV, COCO, PAGE, ALTO, YOLO = (
    "b1/b1_coordinate.csv",
    "instances.json",
    "page/b1_001.xml",
    "b1_001.xml",
    "labels/train/b1_001.txt",
)
FLAT, NO_CHARACTER, SEVERAL = "boxes of no area", "boxes without a character", "boxes of several characters"
NO_BOX, NO_PLACE, OUTSIDE, TWICE = (
    "shapes that are no box",
    "boxes without coordinates",
    "boxes outside the page",
    "ids twice",
)
ODD = {
    # CODH
    "csv: no area": Odd(
        "csv", CSV, "C0001,30,40", "C0001,0,40", FLAT,
        r"b1_coordinate.csv, row 2: expected a width and height above 0, got 0 x 40",
    ),
    "csv: negative": Odd("csv", CSV, "C0001,30,40", "C0001,-30,40", FLAT, "got -30 x 40"),
    "csv: no number": Odd(
        "csv", CSV, "C0001,30,40", "C0001,wide,40", "rows without numbers",
        "row 2: expected numbers, got 100,20,wide,40",
    ),
    "csv: nan": Odd("csv", CSV, "C0001,30,40", "C0001,nan,40", "rows without numbers", "row 2"),
    "csv: no code": Odd("csv", CSV, "U+3042", "", NO_CHARACTER, r"row 2: expected a character, got none \(''\)"),
    "csv: unreadable": Odd("csv", CSV, "U+3042", "〓", NO_CHARACTER, r"row 2: .*got U\+3013"),
    "csv: a code of no character": Odd("csv", CSV, "U+3042", "U+110000", NO_CHARACTER, "row 2: .*U.110000"),
    "csv: a code that nobody can read": Odd("csv", CSV, "U+3042", "U+FFFD", NO_CHARACTER, "row 2: .*U.FFFD"),
    "csv: several": Odd("csv", CSV, "U+3042", "あい", SEVERAL, r"row 2: expected one character, got 2"),
    "csv: outside": Odd(
        "csv", CSV, "U+3042,b1_001,100", "U+3042,b1_001,160", OUTSIDE,
        "row 2: expected a box on the page of 160 x 240, got 160 20 30 40",
    ),
    "csv: no picture": Odd(
        "csv", CSV, "b1_001", "b1_009", "",
        r"b1_coordinate.csv: expected the picture 'b1_009' in .*found none \(--images", 0,
    ),
    "csv: leaves": Odd(
        "csv", CSV, "b1_001", "../../../b1_001", "paths that leave the folder",
        "the path 'images/../../../b1_001' leaves the folder", 3,
    ),
    "csv: a column": Odd(
        "csv", CSV, "Width", "Breadth", "", "expected the columns Unicode,Image,X,Y,Width,Height, got", 0,
    ),
    # PAGE
    "page: no area": Odd(
        "page", PAGE, "100,20 130,20 130,60 100,60", "100,20 130,20 110,20", FLAT,
        "b1_001.xml, Glyph g0: .*got 30 x 0",
    ),
    "page: no points": Odd(
        "page", PAGE, ' points="100,20 130,20 130,60 100,60"', "", NO_PLACE, "Glyph g0: expected points",
    ),
    "page: points of words": Odd("page", PAGE, "100,20 130,20", "a,b", NO_PLACE, "Glyph g0"),
    "page: several": Odd(
        "page", PAGE, "<Unicode>寿</Unicode>", "<Unicode>寿命</Unicode>", SEVERAL,
        "Word w2: expected one character, got 2",
    ),
    "page: no text": Odd(
        "page", PAGE, "<Unicode>寿</Unicode>", "<Unicode/>", NO_CHARACTER, "Word w2: expected a character, got none",
    ),
    "page: an id twice": Odd(
        "page", PAGE, 'id="g1"', 'id="g0"', TWICE, "Glyph g0: expected each id once; the box is kept", 3,
    ),
    "page: no picture": Odd(
        "page", PAGE, "b1_001.jpg", "gone.jpg", "", "b1_001.xml: expected the picture 'gone.jpg'", 0,
    ),
    "page: another ending": Odd(
        "page", PAGE, "b1_001.jpg", "b1_001.tif", "pictures of another name", "there is no picture 'b1_001.tif'", 3,
    ),
    "page: another case": Odd(
        "page", PAGE, "b1_001.jpg", "B1_001.JPG", "pictures of another name", "there is no picture 'B1_001.JPG'", 3,
    ),
    "page: a path of Windows": Odd("page", PAGE, "b1_001.jpg", r"C:\scans\b1_001.jpg", "", "", 3),
    "page: leaves": Odd(
        "page", PAGE, "b1_001.jpg", "/etc/b1_001.jpg", "paths that leave the folder",
        "the path '/etc/b1_001.jpg' leaves", 3,
    ),
    "page: another size": Odd(
        "page", PAGE, 'imageWidth="160" imageHeight="240"', 'imageWidth="320" imageHeight="480"',
        "pages of another size", "the file says 320 x 480 pixels, the picture has 160 x 240; boxes are scaled", 3,
    ),
    "page: empty": Odd("page", PAGE, "", "", "", "b1_001.xml: expected XML, got an empty file", 0),
    "page: cut off": Odd("page", PAGE, "</Page></PcGts>", "", "", "b1_001.xml: expected XML, got something else", 0),
    "page: entity": Odd(
        "page", PAGE, "<PcGts", '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>\n<PcGts', "",
        "b1_001.xml: refused, expected XML without entities", 0,
    ),
    "page: bomb": Odd(
        "page", PAGE, "<PcGts", '<!DOCTYPE x [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]>\n<PcGts', "",
        "refused, expected XML without entities", 0,
    ),
    # ALTO
    "alto: no area": Odd(
        "alto", ALTO, 'VPOS="24" WIDTH="28"', 'VPOS="24" WIDTH="0"', FLAT, "b1_001.xml, String s2: .*got 0 x 44",
    ),
    "alto: no place": Odd(
        "alto", ALTO, 'VPOS="24" WIDTH="28"', 'VPOS="24"', NO_PLACE, "String s2: expected HPOS VPOS WIDTH HEIGHT",
    ),
    "alto: several": Odd("alto", ALTO, 'CONTENT="寿"', 'CONTENT="寿命"', SEVERAL, "String s2"),
    "alto: an id twice": Odd("alto", ALTO, 'ID="g10070"', 'ID="g10020"', TWICE, "Glyph g10020", 3),
    "alto: entity": Odd(
        "alto", ALTO, "<alto", '<!DOCTYPE x [<!ENTITY e SYSTEM "http://localhost/x">]>\n<alto', "", "refused", 0,
    ),
    "alto: millimetres without a size": Odd("alto", ALTO, '>pixel<', '>mm10<', "", "", 3),
    # COCO
    "coco: no area": Odd(
        "coco", COCO, "[100, 20, 30, 40]", "[100, 20, 30, 0]", FLAT, "instances.json, annotation 0: .*got 30 x 0",
    ),
    "coco: three numbers": Odd(
        "coco", COCO, "[100, 20, 30, 40]", "[100, 20, 30]", NO_BOX,
        "annotation 0: expected bbox with 4 numbers or a polygon",
    ),
    "coco: a mask": Odd(
        "coco", COCO, '"segmentation": [[', '"segmentation": {"counts": "x"}, "rest": [[', NO_BOX, "annotation 2",
    ),
    "coco: no category": Odd("coco", COCO, '"id": 7, "name"', '"id": 77, "name"', NO_CHARACTER, "annotation 0"),
    "coco: several": Odd("coco", COCO, '"あ"', '"あい"', SEVERAL, "annotation 0"),
    "coco: no image": Odd(
        "coco", COCO, '"id": 0, "image_id": 0', '"id": 0, "image_id": 5', "boxes of no page",
        "annotation 0: no image has the id 5",
    ),
    "coco: an id twice": Odd("coco", COCO, '"id": 1, "image_id"', '"id": 0, "image_id"', TWICE, "annotation 0", 3),
    "coco: an image twice": Odd(
        "coco", COCO, '"id": 1, "file_name"', '"id": 0, "file_name"', "",
        "image b1_002.jpg: expected each image id once, got 0 again", 3,
    ),
    "coco: no object": Odd(
        "coco", COCO, '"categories": [', '"categories": [3, ', "entries that are no object", "categories 0", 3,
    ),
    "coco: an id that is a list": Odd(
        "coco", COCO, '"image_id": 0, "category_id": 7', '"image_id": [0], "category_id": {}', "boxes of no page",
        r"annotation 0: no image has the id \[0\]",
    ),
    "coco: hundreds of digits": Odd("coco", COCO, "[100, 20, 30, 40]", f"[{'9' * 400}, 2, 3, 4]", NO_BOX, ""),
    "coco: half a surrogate pair": Odd("coco", COCO, '"あ"', r'"\ud800\ud800"', SEVERAL, r"annotation 0: .*ud800"),
    "coco: a name that no file can have": Odd(
        "coco", COCO, "b1_001.jpg", "b" * 300 + ".jpg", "", "expected the picture 'bbb", 0,
    ),
    "coco: another size": Odd(
        "coco", COCO, '"width": 160', '"width": 320', "pages of another size", "the file says 320 x 240", 3,
    ),
    # YOLO
    "yolo: no area": Odd("yolo", YOLO, " 0.1875 ", " 0 ", FLAT, "b1_001.txt, line 1: "),
    "yolo: two numbers": Odd(
        "yolo", YOLO, "0 0.71875", "0 0.7\n0 0.71875", "lines that are no box",
        "b1_001.txt, line 1: expected a class and 4 numbers, got 0 0.7", 3,
    ),
    "yolo: no class": Odd(
        "yolo", YOLO, "0 0.71875", "12 0.71875", "classes without a name",
        "line 1: expected one of 3 classes, got 12",
    ),
    "yolo: no names": Odd("yolo", "data.yaml", "  0: あ", "  x: あ", "", "data.yaml: expected names by number", 0),
    # LabelMe
    "labelme: a circle": Odd(
        "labelme", "b1_001.json", "polygon", "circle", NO_BOX, "b1_001.json, shape 2: expected .*, got circle",
    ),
    "labelme: no points": Odd("labelme", "b1_001.json", "[[130, 60], [100, 20]]", "[]", NO_BOX, "shape 0"),
    "labelme: no area": Odd(
        "labelme", "b1_001.json", "[[130, 60], [100, 20]]", "[[130, 60], [130, 20]]", FLAT, "shape 0",
    ),
    "labelme: several": Odd("labelme", "b1_001.json", '"あ"', '"あい"', SEVERAL, "shape 0"),
    "labelme: cut off": Odd(
        "labelme", "b1_001.json", '"flags": {}', '"flags": {', "", "b1_001.json: expected JSON, got something else",
        0,
    ),
    # Label Studio
    "labelstudio: turned": Odd(
        "labelstudio", "export.json", '"rotation": 0, "rectanglelabels"', '"rotation": 9, "rectanglelabels"',
        "boxes that are turned", "export.json, task 1, region r0: the upright box around it", 3,
    ),
    "labelstudio: no box": Odd(
        "labelstudio", "export.json", '"width": 18.75', '"radius": 1', NO_BOX, "task 1, region r0",
    ),
    "labelstudio: an ellipse": Odd(
        "labelstudio", "export.json", '"width": 18.75', '"radiusX": 9', NO_BOX, "task 1, region r0: expected a rect",
    ),
    "labelstudio: no area": Odd("labelstudio", "export.json", '"width": 18.75', '"width": 0', FLAT, "region r0"),
    "labelstudio: several labels": Odd(
        "labelstudio", "export.json", '["あ"]', '["あ", "い"]', SEVERAL, "task 1, region r0: expected one .*, got 2",
    ),
    "labelstudio: gone": Odd("labelstudio", "export.json", "b1_001.jpg", "gone.jpg", "", "the picture 'gone.jpg'", 0),
    "labelstudio: an id twice": Odd(
        "labelstudio", "export.json", '"id": "r1"', '"id": "r2"', "ids twice",
        "task 1, region r2: expected one box, got 2; they are kept", 3,
    ),
    "labelstudio: cut off": Odd("labelstudio", "export.json", '"result": []}]}]', "", "", "expected JSON", 0),
    "labelstudio: no label": Odd("labelstudio", "export.json", '["あ"]', "[]", NO_CHARACTER, "task 1, region r0"),
    "labelstudio: no picture": Odd(
        "labelstudio", "export.json", "b1_002.jpg", "b1_002", "", "task 2: expected the name of a picture", 3,
    ),
    "labelstudio: no list": Odd(
        "labelstudio", "export.json", '[{"result": []}]', '5', "", "task 2: expected an annotation of b1_002.jpg", 3,
    ),
    "labelstudio: no address": Odd(
        "labelstudio", "export.json", "/data/local-files/?d=scans/b1_002.jpg", "http://[a/b1_002.jpg", "",
        "task 2: expected the name of a picture", 3,
    ),
    # VIA
    "via: regions that are a number": Odd("via json", "via_project.json", '"regions": []', '"regions": 3', "", "", 3),
    "via: a circle": Odd(
        "via json", "via_project.json", '"polygon"', '"circle"', NO_BOX,
        "b1_001.jpg, region 2: expected rect or polygon, got circle",
    ),
    "via: an ellipse": Odd(
        "via json", "via_project.json", '{"name": "rect", "x": 100, "y": 20, "width": 30, "height": 40}',
        '{"name": "ellipse", "cx": 115, "cy": 40, "rx": 15, "ry": 20, "theta": 0}', NO_BOX,
        "b1_001.jpg, region 0: expected rect or polygon, got ellipse",
    ),
    "via: no area": Odd("via json", "via_project.json", '"width": 30', '"width": 0', FLAT, "region 0: .*got 0 x 40"),
    "via: two boxes ticked": Odd(
        "via project", "via_project_2Jan2026.json", '{"寿": true}', '{"寿": true, "あ": true}', SEVERAL, "region 2",
    ),
    "via: nothing ticked": Odd(
        "via project", "via_project_2Jan2026.json", '{"寿": true}', '{"寿": false}', NO_CHARACTER, "region 2",
    ),
    "via: gone": Odd(
        "via json", "via_project.json", '"b1_001.jpg"', '"gone.jpg"', "", "expected the picture 'gone.jpg'", 0,
    ),
    "via csv: gone": Odd("via csv", "via.csv", "b1_001.jpg", "gone.jpg", "", "expected the picture 'gone.jpg'", 0),
    "via: leaves": Odd(
        "via json", "via_project.json", '"filename": "b1', '"filename": "../../b1', "paths that leave the folder",
        "the path '../../b1_001.jpg' leaves", 3,
    ),
    "via: several": Odd("via json", "via_project.json", '"あ"', '"あい"', SEVERAL, "region 0"),
    "via: no JSON": Odd(
        "via csv", "via.csv", '0,"{""name""', '0,"{name""', "rows that cannot be read",
        "via.csv, row 2: expected JSON",
    ),
    # predict
    "predict: no box": Odd(
        "predict", "b1_001.json", "[100, 20, 30, 40]", "[100]", NO_PLACE, "b1_001.json, character 0: expected box",
    ),
    "predict: no characters": Odd(
        "predict", "b1_001.json", '"characters"', '"letters"', "",
        "b1_001.json: expected a page as predict writes it, got one without 'characters'", 0,
    ),
}  # fmt: skip


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_odd(odd: Odd, tmp_path: Path) -> None:
    SAMPLES[odd.sample][1](tmp_path)
    file = tmp_path / odd.file
    text = file.read_text(encoding="utf-8")
    assert odd.old in text
    file.write_text(text.replace(odd.old, odd.new) if odd.old else "", encoding="utf-8")
    try:
        pages, notes = read(tmp_path)
    except InputError as error:
        assert not odd.kind and not odd.kept
        assert re.search(odd.message, str(error))
        return
    counts = {kind: n for kind, n in notes.counts.items() if kind != "characters of another code"}
    if odd.kind:
        assert odd.kind in counts
        assert any(re.search(odd.message, line) for line in notes.lines), notes.lines
    else:
        assert [line for line in notes.failures if re.search(odd.message, line)] or not odd.message, notes.lines
    assert len(next((page.codes for page in pages if page.name == "b1_001"), ())) == odd.kept


def test_boxes_are_scaled_to_the_picture(tmp_path: Path) -> None:
    SAMPLES["coco"][1](tmp_path)
    picture(tmp_path / "images" / "b1_001.jpg", (SIZE[0] * 2, SIZE[1] * 2))
    pages, notes = read(tmp_path)
    assert notes.counts == {"pages of another size": 1}
    assert pages[0].boxes_xywh[0].tolist() == [200, 40, 60, 80]


def test_tenths_of_millimetres(tmp_path: Path) -> None:
    SAMPLES["alto"][1](tmp_path)
    path = tmp_path / "b1_001.xml"
    path.write_text(
        path.read_text(encoding="utf-8")
        .replace(">pixel<", ">mm10<")
        .replace('NR="1" WIDTH="160"', 'NR="1" WIDTH="320"'),
        encoding="utf-8",
    )
    pages, notes = read(tmp_path)
    assert not notes.counts
    assert pages[0].boxes_xywh[0].tolist() == [50, 20, 15, 40]


def test_the_same_box_twice(tmp_path: Path) -> None:
    SAMPLES["csv"][1](tmp_path)
    table = tmp_path / CSV
    table.write_text(table.read_text() + table.read_text().splitlines()[1] + "\n")
    pages, notes = read(tmp_path)
    assert len(pages[0].codes) == 3 and notes.counts == {"boxes twice": 1}
    assert "row 5" in notes.lines[0]


def test_names_of_yolo_are_texts(tmp_path: Path) -> None:
    """YAML takes some words for a truth value or a date; and names that refer to each other are no names."""
    SAMPLES["yolo"][1](tmp_path)
    (tmp_path / "data.yaml").write_text("names: [2, !!timestamp x, &a [1, 1], [*a, *a]]\n", encoding="utf-8")
    pages, notes = read(tmp_path)
    assert list(pages[0].codes) == ["U+0032", "U+0078"] and notes.counts == {"boxes without a character": 1}


TURNED = {
    # form; the size that the file says; EXIF orientation; what the page is
    "shown upright": ("labelme", (240, 160), 6, True, (240, 160)),
    "counts stored pixels": ("labelme", (160, 240), 6, False, (160, 240)),
    "upside down": ("labelme", (160, 240), 3, True, (160, 240)),
    "upright": ("labelme", (160, 240), 1, False, (160, 240)),
    "CODH counts stored pixels": ("csv", None, 6, False, (160, 240)),
}


@pytest.mark.parametrize(("sample", "said", "orientation", "turned", "size"), TURNED.values(), ids=TURNED)
def test_pictures_of_a_camera(
    sample: str, said: tuple[int, int] | None, orientation: int, turned: bool, size: tuple[int, int], tmp_path: Path
) -> None:
    SAMPLES[sample][1](tmp_path)
    path = next(tmp_path.rglob("b1_001.jpg"))
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture(path, exif=exif)
    if said:
        value = reading.read_any_json(tmp_path / "b1_001.json") | {"imageWidth": said[0], "imageHeight": said[1]}
        write_json(tmp_path / "b1_001.json", value)
    page = read(tmp_path)[0][0]
    assert (page.turned, page.width, page.height) == (turned, *size)
    with Image.open(Placer()(page, tmp_path / "out")) as image:
        assert image.size == size and image.format == ("PNG" if turned else "JPEG")


KINDS = {"JPEG": ".jpg", "PNG": ".png", "TIFF": ".tif", "WEBP": ".webp", "JPEG2000": ".jp2"}


@pytest.mark.parametrize("kind", KINDS)
def test_pictures_stay_as_they_are(kind: str, tmp_path: Path) -> None:
    SAMPLES["labelme"][1](tmp_path)
    (tmp_path / "b1_001.jpg").unlink()
    path = picture(tmp_path / f"b1_001{KINDS[kind].upper()}", format=kind)
    page = read(tmp_path)[0][0]
    linked = Placer()(page, tmp_path / "out")
    assert linked.name == f"b1_001{KINDS[kind]}" and os.path.samefile(linked, path)
    assert read_page(linked).shape == (SIZE[1], SIZE[0], 3)
    copied = Placer(copy=True)(page, tmp_path / "copies")
    assert not os.path.samefile(copied, path) and copied.read_bytes() == path.read_bytes()


def several_pages(path: Path) -> None:
    image = Image.new("L", SIZE)
    image.save(path, format="TIFF", save_all=True, append_images=[image])


BAD_PICTURES: dict[str, tuple[Callable[[Path], object], str]] = {
    "empty": (lambda path: path.write_bytes(b""), "expected a JPEG, PNG, .* image, got an empty file"),
    "no picture": (lambda path: path.write_text("text"), "image, got 4 bytes that are none"),
    "of several pages": (several_pages, "expected the image of one page, got a file with 2 pictures"),
    "a link out": (lambda path: path.symlink_to("/etc/hostname"), "expected a picture in its folder, got a link to"),
}


@pytest.mark.parametrize(("make", "message"), BAD_PICTURES.values(), ids=BAD_PICTURES)
def test_bad_pictures(make: Callable[[Path], object], message: str, tmp_path: Path) -> None:
    SAMPLES["labelme"][1](tmp_path)
    (tmp_path / "b1_001.jpg").unlink()
    make(tmp_path / "b1_001.jpg")
    pages, notes = read(tmp_path)
    assert [page.name for page in pages] == ["b1_002"]
    assert len(notes.failures) == 1 and re.search(message, notes.failures[0])


def test_two_pictures_of_a_name(tmp_path: Path) -> None:
    SAMPLES["page"][1](tmp_path)
    picture(tmp_path / "more" / "b1_001.jpg")
    assert re.search("expected one picture 'b1_001.jpg', found .* and", read(tmp_path)[1].failures[0])


NOTHING: dict[str, Callable[[Path], object]] = {
    "nothing there": lambda path: path.rmdir(),
    "an empty folder": lambda path: None,
    "only pictures": lambda path: picture(path / "a.jpg"),
    "JSON of something else": lambda path: write_json(path / "a.json", {"a": 1}),
    "XML of something else": lambda path: (path / "a.xml").write_text("<html/>"),
}


@pytest.mark.parametrize("make", NOTHING.values(), ids=NOTHING)
def test_nothing_to_read(make: Callable[[Path], object], tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    make(source)
    with pytest.raises(InputError, match="expected labelled pages"):
        read(source)


def test_files_have_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    SAMPLES["page"][1](tmp_path)
    monkeypatch.setattr(reading, "MAX_XML", 1 << 8)
    assert "expected at most" in read(tmp_path)[1].failures[0]


def test_a_hundred_thousand_boxes(tmp_path: Path) -> None:
    """They are read; what needs their lines says that it cannot find those of so many."""
    SAMPLES["csv"][1](tmp_path)
    rows = "".join(f"U+3042,b1_001,{n % 150},{n % 200},B,C{n},{1 + n // 1000},5\n" for n in range(100_000))
    (tmp_path / CSV).write_text("Unicode,Image,X,Y,Block ID,Char ID,Width,Height\n" + rows)
    pages, _ = read(tmp_path)
    assert len(pages[0].codes) > 50_000
    write = FORMS["page"].write
    assert write is not None
    with pytest.raises(
        InputError, match=f"page b1_001: expected at most {MAX_IN_LAYOUT:,} characters to find its lines"
    ):
        write(tmp_path / "out", pages, Placer())
