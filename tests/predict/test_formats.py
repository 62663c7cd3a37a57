"""What was read, in the formats of others: valid by their schemas, and read by libraries that are not ours."""

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from alto_tools import alto_tools
from lxml import etree, html
from pagexml.parser import parse_pagexml_file

from kuzushiji.layout import EDGE, FURIGANA, TEXT
from kuzushiji.predict.formats import PAGE_FORMATS
from kuzushiji.predict.formats.alto_xml import alto_xml
from kuzushiji.predict.formats.as_json import transcription_json
from kuzushiji.predict.formats.hocr import hocr
from kuzushiji.predict.formats.koji import koji
from kuzushiji.predict.formats.page_xml import page_xml
from kuzushiji.predict.formats.tei import tei_xml
from kuzushiji.predict.formats.views import overlay_png, viewer_script
from kuzushiji.predict.transcription import Transcription
from kuzushiji.viewer.book import read_summary
from tests.predict.readings import DOUBTFUL, EMPTY, FULL, HEIGHT, WIDTH, column, reading_of

SCHEMAS = Path(__file__).parent / "schemas"

PAGES = pytest.mark.parametrize("transcription", [FULL, EMPTY], ids=["full", "empty"])


def validate(content: bytes, schema: str) -> None:
    etree.XMLSchema(etree.parse(str(SCHEMAS / schema))).assertValid(etree.fromstring(content))


def test_layout_of_the_page() -> None:
    assert [int((FULL.layout.role == role).sum()) for role in (TEXT, FURIGANA, EDGE)] == [26, 2, 2]


def test_text_leaves_furigana_and_edge_out() -> None:
    lines = FULL.text().splitlines()
    assert [len(line) for line in lines] == [8, 7, 5, 6]
    assert lines[0] == "春はあけぼの<&"
    assert EMPTY.text() == ""


@PAGES
def test_page_xml_is_valid(transcription: Transcription) -> None:
    validate(page_xml(transcription), "page-2019-07-15.xsd")


def test_page_xml_is_read_by_pagexml_tools(tmp_path: Path) -> None:
    (tmp_path / "page.xml").write_bytes(page_xml(FULL))
    scan = parse_pagexml_file(str(tmp_path / "page.xml"))
    text, furigana, edge = scan.text_regions
    assert [line.text for line in text.lines] == FULL.text().splitlines()
    assert [region.type[-1] for region in (text, furigana, edge)] == ["text", "furigana", "edge"]
    line = text.lines[0]
    assert (line.coords.left, line.coords.top, line.coords.right) == (400, 100, 460)
    assert [len(region.lines[0].text) for region in (furigana, edge)] == [2, 2]
    assert list(scan.reading_order.values()) == ["text"]


def test_page_xml_without_characters_is_read_by_pagexml_tools(tmp_path: Path) -> None:
    (tmp_path / "page.xml").write_bytes(page_xml(EMPTY))
    scan = parse_pagexml_file(str(tmp_path / "page.xml"))
    assert scan.text_regions == [] and scan.stats["lines"] == 0


def test_boxes_of_xml_stay_within_the_page() -> None:
    root = etree.fromstring(page_xml(FULL))
    points = " ".join(element.get("points") for element in root.iter("{*}Coords")).replace(",", " ").split()
    x, y = np.array(points, int).reshape(-1, 2).T
    assert x.min() >= 0 and x.max() <= WIDTH and y.min() >= 0 and y.max() <= HEIGHT


@PAGES
def test_alto_xml_is_valid(transcription: Transcription) -> None:
    validate(alto_xml(transcription), "alto-4-2-written.xsd")


def test_alto_xml_is_read_by_alto_tools(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "page.xml").write_bytes(alto_xml(FULL))
    with (tmp_path / "page.xml").open(encoding="utf-8") as file:
        _, xml, namespace = alto_tools.alto_parse(file)
    capsys.readouterr()
    alto_tools.alto_text(xml, namespace)
    lines = [line.strip() for line in capsys.readouterr().out.split("\n") if line.strip()]
    assert lines[:4] == FULL.text().splitlines()
    assert [len(line) for line in lines[4:]] == [2, 2]


def test_other_candidates_are_variants_and_equivalents() -> None:
    glyph = etree.fromstring(alto_xml(FULL)).find(".//{*}Glyph")
    assert (glyph.get("CONTENT"), glyph.get("GC")) == ("春", "1.0000")
    assert [(item.get("CONTENT"), item.get("VC")) for item in glyph] == [("あ", "0.2000")]
    equivalents = etree.fromstring(page_xml(FULL)).find(".//{*}Glyph").findall("{*}TextEquiv")
    found = [(item.get("index"), item.get("conf"), item.findtext("{*}Unicode")) for item in equivalents]
    assert found == [("0", "1.0000", "春"), ("1", "0.2000", "あ")]


def test_json() -> None:
    page = json.loads(transcription_json(FULL))
    assert [page[key] for key in ("page", "image", "width", "height")] == ["page", "page <1>.jpg", WIDTH, HEIGHT]
    assert [len(column["characters"]) for column in page["columns"]] == [8, 7, 5, 6]
    assert [len(column["furigana"]) for column in page["columns"]] == [2, 0, 0, 0]
    first = page["characters"][0]
    assert first["box"] == [400, 100, 60, 60] and first["char"] == "春" and first["role"] == "text"
    assert first["candidates"]["a"][-1] == {"code": "seg_fp", "char": "", "probability": 0.1}
    assert {item["role"] for item in page["characters"][-2:]} == {"edge"}


@PAGES
def test_overlay(transcription: Transcription) -> None:
    page = np.full((HEIGHT, WIDTH, 3), 200, np.uint8)
    picture = cv2.imdecode(np.frombuffer(overlay_png(transcription, page), np.uint8), cv2.IMREAD_COLOR)
    assert picture.shape[0] == HEIGHT and picture.shape[1] > 2 * WIDTH
    assert (picture[:, :WIDTH] != 200).any() == (len(transcription) > 0)
    assert (page == 200).all()


@PAGES
def test_viewer(transcription: Transcription, tmp_path: Path) -> None:
    script = viewer_script(transcription, np.full((HEIGHT, WIDTH, 3), 200, np.uint8)).decode()
    (tmp_path / "p.viewer.js").write_text(script, encoding="utf-8")
    summary = read_summary(tmp_path / "p.viewer.js")
    assert summary["name"] == transcription.name and (summary["width"], summary["height"]) == (WIDTH, HEIGHT)
    assert len(summary["reading"]) == 16 and summary["thumbnail"].startswith("data:image/jpeg;base64,")
    assert ("春" in script) == (len(transcription) > 0)


def test_endings_differ() -> None:
    assert len({item.ending for item in PAGE_FORMATS.values()}) == len(PAGE_FORMATS)


def points_of(text: str) -> list[list[int]]:
    return [[int(number) for number in point.split(",")] for point in text.split()]


def test_each_line_has_a_baseline_from_its_top_to_its_end() -> None:
    """Without it other programs import no lines: through the middles of the characters, downwards, on the page."""
    page = etree.fromstring(page_xml(FULL)).findall(".//{*}TextLine")
    alto = etree.fromstring(alto_xml(FULL)).findall(".//{*}TextLine")
    baselines = [points_of(line.find("{*}Baseline").get("points")) for line in page]
    assert baselines == [points_of(line.get("BASELINE")) for line in alto] and len(baselines) == 6
    assert baselines[0] == [[430, 100], *([430, 130 + 72 * i] for i in range(8)), [430, 664]]
    for points in baselines:
        x, y = np.array(points).T
        assert len(points) >= 2 and (np.diff(y) > 0).all()
        assert x.min() >= 0 and x.max() < WIDTH and y.min() >= 0 and y.max() < HEIGHT


@pytest.mark.parametrize("box", [(0, 0, 1, 1), (599, 899, 1, 1), (599, 899, 60, 60), (10, 0, 1, 0)])
def test_baseline_of_a_single_small_character(box: tuple[int, int, int, int]) -> None:
    transcription = reading_of([box])
    validate(page_xml(transcription), "page-2019-07-15.xsd")
    validate(alto_xml(transcription), "alto-4-2-written.xsd")
    for line in etree.fromstring(alto_xml(transcription)).findall(".//{*}TextLine"):
        (_, y0), *_, (_, y1) = points_of(line.get("BASELINE"))
        assert 0 <= y0 < y1 < HEIGHT


def test_frame_and_notes() -> None:
    transcription = replace(EMPTY, frame=4, notes=("empty",))
    page = json.loads(transcription_json(transcription))
    assert (page["frame"], page["notes"]) == (4, ["empty"])
    assert etree.fromstring(alto_xml(transcription)).find(".//{*}Page").get("PHYSICAL_IMG_NR") == "5"


def test_the_picture_is_found_from_beside_the_xml() -> None:
    transcription = replace(EMPTY, location="../scans/page 1.jpg")
    assert etree.fromstring(page_xml(transcription)).find("{*}Page").get("imageFilename") == "../scans/page 1.jpg"
    assert etree.fromstring(alto_xml(transcription)).findtext(".//{*}fileName") == "../scans/page 1.jpg"


TEI = {"t": "http://www.tei-c.org/ns/1.0"}


@PAGES
def test_tei_names_a_zone_for_each_line(transcription: Transcription) -> None:
    root = etree.fromstring(tei_xml(transcription))
    assert [part.tag.rpartition("}")[2] for part in root] == ["teiHeader", "facsimile", "text"]
    zones = {zone.get("{http://www.w3.org/XML/1998/namespace}id") for zone in root.iterfind(".//t:zone", TEI)}
    lines = [line.get("facs").removeprefix("#") for line in root.iterfind(".//t:lb", TEI)]
    assert set(lines) == zones and len(lines) == len(zones)
    assert "".join(root.find(".//t:ab", TEI).itertext()) == transcription.text()


def test_tei_marks_what_is_doubtful() -> None:
    block = etree.fromstring(tei_xml(DOUBTFUL)).find(".//t:ab", TEI)
    assert [part.text for part in block.iterfind("t:unclear", TEI)] == ["は"]
    assert "".join(block.itertext()) == FULL.text()


@PAGES
def test_hocr(transcription: Transcription) -> None:
    """As XHTML and as HTML; boxes are corners."""
    content = replace(transcription, location='../a "b".jpg')
    for root in (etree.fromstring(hocr(content)), html.document_fromstring(hocr(content))):
        page = root.find(".//{*}div[@class='ocr_page']")
        assert page.get("title") == f'image "../a %22b%22.jpg"; bbox 0 0 {WIDTH} {HEIGHT}; ppageno 0'
        text = page.findall("{*}div[@id='text']/{*}div[@class='ocr_line']")
        assert ["".join(line.itertext()).strip() for line in text] == transcription.text().splitlines()
        first = page.find(".//{*}span[@class='ocrx_cinfo']")
        assert first is None or first.get("title") == "bbox 400 100 460 160; x_confs 100.0"


def test_koji_has_readings_and_half_lines() -> None:
    half = [(432, 320, 26, 26), (432, 350, 26, 26), (402, 320, 26, 26), (402, 350, 26, 26)]
    reading = [(262, 105, 20, 20), (262, 128, 20, 20)]
    boxes = [*column(400, 3), *half, *column(400, 2, top=390), *column(200, 8), *reading]
    text = koji(reading_of(boxes)).decode()
    assert text == "春はあ《割書：けぼ｜の<》&𠮷\n《振り仮名：春｜𠮷春》はあけぼの<&\n"
    assert koji(EMPTY) == b""


def test_koji_keeps_its_marks_apart() -> None:
    transcription = replace(reading_of(column(400, 2)), codes=np.array(["U+300A", "U+FF5C"], object))
    assert koji(transcription).decode() == "〈|\n"


def test_lines_of_alto_have_their_outlines() -> None:
    """Other programs take the polygon of a line from its shape."""
    for line in etree.fromstring(alto_xml(FULL)).findall(".//{*}TextLine"):
        x, y, w, h = (int(line.get(key)) for key in ("HPOS", "VPOS", "WIDTH", "HEIGHT"))
        points = points_of(line.find("{*}Shape/{*}Polygon").get("POINTS"))
        assert points == [[x, y], [x + w, y], [x + w, y + h], [x, y + h]]
