"""What was read, in the formats of others, as their own programs see it; each test is skipped without its program.

`pip install --no-deps ocrd hocr-tools kraken hocr-spec` has them; their dependencies are many, so a virtual environment
of its own is the place for `ocrd` and `kraken`.
"""

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from lxml import etree

from kuzushiji.predict.formats import PAGE_FORMATS
from kuzushiji.predict.formats.hocr import hocr
from kuzushiji.predict.formats.page_xml import page_xml
from kuzushiji.predict.formats.tei import tei_xml
from kuzushiji.predict.transcription import Transcription
from tests.predict.readings import DOUBTFUL, EMPTY, FULL, HEIGHT, WIDTH

SCHEMAS = Path(__file__).parent / "schemas"
PAGES = pytest.mark.parametrize("transcription", [FULL, EMPTY, DOUBTFUL], ids=["full", "empty", "doubtful"])


@PAGES
def test_tei_is_valid_by_its_schema(transcription: Transcription) -> None:
    schema = etree.RelaxNG(etree.parse(str(SCHEMAS / "tei-4-3-0-written.rng")))
    root = etree.fromstring(tei_xml(transcription))
    schema.assertValid(root)
    root.find(".//{*}surface").set("lines", "1")  # the schema is not empty
    assert not schema.validate(root)


@PAGES
def test_page_xml_is_valid_for_ocr_d(transcription: Transcription, tmp_path: Path) -> None:
    """With its strictest rules: the text of regions, lines and characters agrees, and outlines are in each other."""
    validators = pytest.importorskip("ocrd_validators", reason="needs OCR-D's validator (pip install ocrd)")
    (tmp_path / "page.xml").write_bytes(page_xml(transcription))
    report = validators.PageValidator.validate(
        filename=str(tmp_path / "page.xml"), page_textequiv_consistency="strict", check_baseline=True, check_coords=True
    )
    assert report.is_valid, report.to_xml()


@PAGES
def test_hocr_is_whole_for_hocr_tools(transcription: Transcription, tmp_path: Path) -> None:
    check, lines = shutil.which("hocr-check"), shutil.which("hocr-lines")
    if check is None or lines is None:
        pytest.skip("needs hocr-tools (pip install hocr-tools)")
    (tmp_path / "page.hocr").write_bytes(hocr(transcription))

    def run(program: str) -> list[str]:
        words = [program, str(tmp_path / "page.hocr")]
        return subprocess.run(words, capture_output=True, encoding="utf-8", check=True).stdout.splitlines()

    assert all(line.startswith("ok ") for line in run(check))
    text = run(lines)
    assert text[: len(FULL.text().splitlines())] == (FULL.text().splitlines() if len(transcription) else [])


@PAGES
@pytest.mark.filterwarnings("ignore")
def test_hocr_is_valid_by_its_specification(transcription: Transcription, tmp_path: Path) -> None:
    spec = pytest.importorskip("hocr_spec", reason="needs hocr-spec")
    (tmp_path / "page.hocr").write_bytes(hocr(transcription))
    report = spec.HocrValidator("standard").validate(str(tmp_path / "page.hocr"), parse_strict=False)
    assert report.is_valid()


@pytest.mark.parametrize("form", ["page", "alto"])
def test_kraken_imports_all_lines_and_the_picture(form: str, tmp_path: Path) -> None:
    """Beside the XML, as training and recognition with kraken want them."""
    xml = pytest.importorskip("kraken.lib.xml", reason="needs kraken")
    picture = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    cv2.imwrite(str(tmp_path / "page.png"), picture)
    (tmp_path / "page.xml").write_bytes(PAGE_FORMATS[form].render(replace(FULL, location="page.png"), picture))
    found = xml.XMLPage(tmp_path / "page.xml").to_container()
    assert found.type == "baselines" and Path(found.imagename) == tmp_path / "page.png"
    assert [line.text for line in found.lines[:4]] == FULL.text().splitlines()
    assert len(found.lines) == 6 and all(len(line.baseline) >= 2 and line.boundary for line in found.lines)
