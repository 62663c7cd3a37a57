"""Every form is read as its program documents it, is told from the others, and comes back as it was."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from alto_tools import alto_tools
from globox import AnnotationSet
from pagexml.parser import parse_pagexml_file
from PIL import Image, ImageDraw
from pycocotools.coco import COCO

from kuzushiji.convert.new_root import labels_of
from kuzushiji.data.labels import read_page_labels
from kuzushiji.errors import InputError
from kuzushiji.forms.labelled_page import NO_LINE, LabelledPage
from kuzushiji.forms.picture_files import Placer
from kuzushiji.forms.registry import FORMS
from kuzushiji.layout import TEXT
from tests.forms.samples import BOXES, PAGES, SAMPLES, SIZE, predict, read, rows_of, write_json

WRITTEN = [name for name, form in FORMS.items() if form.write]
WITH_LINES = ("page", "page of 2010", "alto", "predict", "corrections")


@pytest.mark.parametrize("sample", SAMPLES)
def test_a_form_is_told_from_the_others_and_read(sample: str, tmp_path: Path) -> None:
    SAMPLES[sample][1](tmp_path)
    pages, notes = read(tmp_path)
    assert not notes.failures
    named = PAGES[:1] if sample == "csv" else PAGES  # a table with a row a character knows of no page without one
    assert [page.name for page in pages] == list(named)
    assert {(page.width, page.height) for page in pages} == {SIZE}
    found = [(code, *box) for code, box in zip(pages[0].codes, np.rint(pages[0].boxes_xywh).tolist(), strict=True)]
    assert found == [(f"U+{ord(char):04X}", *box) for char, *box in BOXES]
    assert all(len(page.codes) == 0 for page in pages[1:])
    assert set(notes.counts) == ({"characters of another code"} if sample == "predict" else set())
    assert pages[0].line.tolist() == ([0, 0, 1] if sample in WITH_LINES else [NO_LINE] * 3)


@pytest.mark.parametrize("sample", SAMPLES)
def test_a_form_that_is_named_is_read_alike(sample: str, tmp_path: Path) -> None:
    form, write = SAMPLES[sample]
    write(tmp_path)
    (tmp_path / "other.csv").write_text("a,b\n")
    assert len(read(tmp_path, form)[0][0].codes) == 3


def test_a_single_file_is_a_source(tmp_path: Path) -> None:
    predict(tmp_path)
    assert [page.name for page in read(tmp_path / "b1_001.json")[0]] == ["b1_001"]


def test_files_of_two_forms(tmp_path: Path) -> None:
    SAMPLES["page"][1](tmp_path)
    SAMPLES["coco"][1](tmp_path / "more")
    with pytest.raises(
        InputError, match=r"of one form, got coco \(1 files, .*\), page \(2 files, .*\): --form chooses"
    ):
        read(tmp_path)
    assert len(read(tmp_path, "coco")[0]) == 2


def pages_of(root: Path) -> list[LabelledPage]:
    pages, notes = read(root, "root")
    assert not notes.counts and not notes.failures
    return pages


@pytest.mark.parametrize("form", WRITTEN)
def test_round_trip(form: str, tiny_root: Path, tmp_path: Path) -> None:
    write = FORMS[form].write
    assert write is not None
    pages = pages_of(tiny_root)
    assert write(tmp_path, pages, Placer()) == len(pages)
    back, notes = read(tmp_path)
    assert not notes.failures and not notes.counts
    expected = read_page_labels(tiny_root / "train.csv")
    names = {page.name for page in back}
    empty = {"hnsd001-002"} if form == "csv" else set()
    assert names == set(expected.image_ids) - empty
    rounded = [replace(page, boxes_xywh=page.boxes_xywh.round(3)) for page in back]  # shares of YOLO have 8 digits
    assert rows_of(labels_of(rounded)) == rows_of(expected)


@pytest.mark.parametrize("form", ["page", "alto", "corrections"])
def test_lines_that_a_file_has_are_kept(form: str, tmp_path: Path) -> None:
    """An order that the layout would not find: the left line first."""
    source, out = tmp_path / "source", tmp_path / "out"
    source.mkdir()
    predict(source)
    value = json.loads((source / "b1_001.json").read_text(encoding="utf-8"))
    value["characters"] = value["characters"][::-1]
    write_json(source / "b1_001.json", value)
    pages, _ = read(source)
    write = FORMS[form].write
    assert write is not None
    write(out, pages, Placer())
    back, _ = read(out)
    assert back[0].codes.tolist() == ["U+5BFF", "U+3044", "U+3042"]
    assert back[0].line.tolist() == [0, 1, 1] and set(back[0].role) == {TEXT}


def written(form: str, tiny_root: Path, out: Path) -> list[LabelledPage]:
    write = FORMS[form].write
    assert write is not None
    pages = pages_of(tiny_root)
    write(out, pages, Placer())
    return pages


def test_page_is_read_by_pagexml_tools(tiny_root: Path, tmp_path: Path) -> None:
    page = written("page", tiny_root, tmp_path)[0]
    scan = parse_pagexml_file(str(tmp_path / f"{page.name}.page.xml"))
    assert (scan.coords.width, scan.coords.height) == (page.width, page.height)
    assert sum(len(line.text) for region in scan.text_regions for line in region.lines) == len(page.codes)
    assert "conf" not in (tmp_path / f"{page.name}.page.xml").read_text(encoding="utf-8")


def test_alto_is_read_by_alto_tools(tiny_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = written("alto", tiny_root, tmp_path)[0]
    content = (tmp_path / f"{page.name}.alto.xml").read_text(encoding="utf-8")
    assert " WC=" not in content and " GC=" not in content
    with (tmp_path / f"{page.name}.alto.xml").open(encoding="utf-8") as file:
        _, xml, namespace = alto_tools.alto_parse(file)
    capsys.readouterr()
    alto_tools.alto_text(xml, namespace)
    assert len("".join(capsys.readouterr().out.split())) == len(page.codes)


def test_coco_is_read_by_pycocotools(tiny_root: Path, tmp_path: Path) -> None:
    pages = written("coco", tiny_root, tmp_path)
    data = COCO(str(tmp_path / "annotations.json"))
    assert {image["file_name"] for image in data.loadImgs(data.getImgIds())} == {f"{page.name}.jpg" for page in pages}
    first = next(image for image in data.dataset["images"] if image["file_name"] == f"{pages[0].name}.jpg")
    found = data.loadAnns(data.getAnnIds(imgIds=[first["id"]]))
    assert [item["bbox"] for item in found] == pages[0].boxes_xywh.tolist()
    names = [data.loadCats([item["category_id"]])[0]["name"] for item in found]
    assert names == [chr(int(code[2:], 16)) for code in pages[0].codes]
    # Its masks are made of the polygons: they must cover the boxes.
    assert int(data.annToMask(found[0]).sum()) == pytest.approx(found[0]["area"], rel=0.1)


def test_yolo_has_the_layout_of_ultralytics(tiny_root: Path, tmp_path: Path) -> None:
    """ultralytics finds the labels by the last `images` in the path, and wants shares of 0 to 1 and classes from 0."""
    import yaml

    pages = written("yolo", tiny_root, tmp_path)
    data = yaml.safe_load((tmp_path / "data.yaml").read_text(encoding="utf-8"))
    assert list(data["names"]) == list(range(5)) and set(data) == {"path", "train", "val", "names"}
    images = sorted((tmp_path / data["train"]).iterdir())
    assert len(images) == len(pages)
    for image in images:
        file = Path(str(image.parent).replace("images", "labels")) / f"{image.stem}.txt"
        rows = np.array([line.split() for line in file.read_text().splitlines()], float).reshape(-1, 5)
        assert (rows[:, 0] < 5).all() and ((rows[:, 1:] > 0) & (rows[:, 1:] <= 1)).all()


def test_labelme_has_what_its_loader_wants(tiny_root: Path, tmp_path: Path) -> None:
    """The package itself wants a window system; these are the checks of its loader (labelme 6.3, `_label_file.py`)."""
    page = written("labelme", tiny_root, tmp_path)[0]
    value = json.loads((tmp_path / f"{page.name}.json").read_text(encoding="utf-8"))
    assert set(value) == {"version", "flags", "shapes", "imagePath", "imageData", "imageHeight", "imageWidth"}
    assert (tmp_path / value["imagePath"]).is_file()
    assert (value["imageWidth"], value["imageHeight"]) == (page.width, page.height)
    for shape in value["shapes"]:
        assert isinstance(shape["label"], str) and isinstance(shape["flags"], dict) and shape["group_id"] is None
        assert shape["shape_type"] == "rectangle" and len(shape["points"]) == 2
        assert all(isinstance(number, int | float) for point in shape["points"] for number in point)


def test_via_is_written_and_read_by_globox(tiny_root: Path, tmp_path: Path) -> None:
    """What another library makes of our COCO is the same again as VIA's JSON; ours is read by it, too."""
    pages = written("coco", tiny_root, tmp_path / "coco")
    theirs = AnnotationSet.from_coco(tmp_path / "coco" / "annotations.json")
    (tmp_path / "via").mkdir()
    theirs.save_via_json(tmp_path / "via" / "via.json", image_folder=tmp_path / "coco" / "images")
    shutil.copytree(tmp_path / "coco" / "images", tmp_path / "via", dirs_exist_ok=True)
    found, notes = read(tmp_path / "via")
    assert not notes.lines and boxes_of(found) == boxes_of(pages)
    SAMPLES["via project"][1](tmp_path / "own")
    (path,) = (tmp_path / "own").glob("*.json")
    read_back = AnnotationSet.from_via_json(path, label_key="char", image_folder=tmp_path / "own" / "scans")
    assert [box.ltwh for box in read_back["b1_001.jpg"].boxes] == [tuple(box) for _, *box in BOXES[:2]]  # no polygons


def test_labelme_is_written_and_read_by_globox(tiny_root: Path, tmp_path: Path) -> None:
    pages = written("labelme", tiny_root, tmp_path / "ours")
    theirs = AnnotationSet.from_labelme(tmp_path / "ours")
    assert sum(len(annotation.boxes) for annotation in theirs) == sum(len(page.codes) for page in pages)
    (tmp_path / "theirs").mkdir()
    theirs.save_labelme(tmp_path / "theirs")
    shutil.copytree(tmp_path / "ours", tmp_path / "theirs", dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.json"))
    assert boxes_of(read(tmp_path / "theirs")[0]) == boxes_of(pages)


def test_label_studio_is_written_by_its_own_converter(tiny_root: Path, tmp_path: Path) -> None:
    coco = pytest.importorskip(
        "label_studio_sdk.converter.imports.coco", reason="needs label-studio-sdk, which wants a version of OpenCV"
    )
    pages = written("coco", tiny_root, tmp_path / "coco")
    path = tmp_path / "coco" / "images" / "tasks.json"
    coco.convert_coco_to_ls(str(tmp_path / "coco" / "annotations.json"), str(path))
    tasks = json.loads(path.read_text(encoding="utf-8"))
    for task in tasks:  # each box is there as a polygon once more
        regions = task["annotations"][0]["result"]
        task["annotations"][0]["result"] = [region for region in regions if region["type"] == "rectanglelabels"]
    write_json(path, tasks)
    found, notes = read(path.parent)
    assert not notes.lines and boxes_of(found) == boxes_of(pages)


@pytest.mark.parametrize("angle", [90, 30, -7.5, 200])
def test_turned_boxes_are_those_of_label_studio(angle: float, tmp_path: Path) -> None:
    SAMPLES["labelstudio"][1](tmp_path)
    value = {"x": 40.0, "y": 50.0, "width": 15.0, "height": 20.0, "rotation": angle}
    region = {"id": "a", "type": "rectanglelabels", "original_width": SIZE[0], "original_height": SIZE[1]}
    region["value"] = value | {"rectanglelabels": ["あ"]}
    write_json(
        tmp_path / "export.json", [{"id": 1, "data": {"image": "b1_001.jpg"}, "annotations": [{"result": [region]}]}]
    )
    pages, notes = read(tmp_path)
    assert notes.counts == {"boxes that are turned": 1}
    x, y, w, h = pages[0].boxes_xywh[0]
    turned = Image.new("L", (SIZE[0] * 3, SIZE[1] * 3))  # drawn as it is shown: turned about its upper left corner
    left, top, width, height = (SIZE[0] * 1.4, SIZE[1] * 1.5, SIZE[0] * 0.15, SIZE[1] * 0.2)
    ImageDraw.Draw(turned).rectangle((left, top, left + width, top + height), fill=255)
    shown = turned.rotate(-angle, center=(left, top)).getbbox()
    assert shown is not None
    assert (x, y, x + w, y + h) == pytest.approx(
        (shown[0] - SIZE[0], shown[1] - SIZE[1], shown[2] - SIZE[0], shown[3] - SIZE[1]), abs=2
    )


def boxes_of(pages: Sequence[LabelledPage]) -> dict[str, list[tuple[object, ...]]]:
    """Return each page's codes and boxes in hundredths of a pixel, whatever their order."""
    return {
        page.name: sorted(
            (code, *box) for code, box in zip(page.codes, np.rint(page.boxes_xywh * 100).tolist(), strict=True)
        )
        for page in pages
    }
