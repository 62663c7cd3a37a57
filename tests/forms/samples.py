"""The same two pages in every form that is read, each as its program documents it."""

import json
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from kuzushiji.data.labels import PageLabels
from kuzushiji.files import sha256_of_file
from kuzushiji.forms.cleaning import Cleaner
from kuzushiji.forms.corrections import content_of
from kuzushiji.forms.labelled_page import LabelledPage
from kuzushiji.forms.notes import Notes
from kuzushiji.forms.picture_files import Finder
from kuzushiji.forms.registry import files_of, read_pages

SIZE = (160, 240)
BOXES = [("あ", 100, 20, 30, 40), ("い", 100, 70, 32, 36), ("寿", 40, 24, 28, 44)]
"""Of the page b1_001; the page b1_002 has none."""
PAGES = ("b1_001", "b1_002")


def picture(path: Path, size: tuple[int, int] = SIZE, **options: object) -> Path:
    """Write a picture of some kind."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.linear_gradient("L").resize(size).convert("RGB").save(path, **options)
    return path


def pictures(folder: Path) -> None:
    """Write the pictures of both pages."""
    for name in PAGES:
        picture(folder / f"{name}.jpg")


def write_json(path: Path, value: object) -> None:
    """Write a value as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")


def codh(folder: Path) -> None:
    pictures(folder / "b1" / "images")
    rows = [
        f"U+{ord(char):04X},b1_001,{x},{y},B0001,C{number:04d},{w},{h}"
        for number, (char, x, y, w, h) in enumerate(BOXES, start=1)
    ]
    head = "Unicode,Image,X,Y,Block ID,Char ID,Width,Height"
    (folder / "b1" / "b1_coordinate.csv").write_text("\n".join([head, *rows]) + "\n")


def _page(name: str, inner: str) -> str:
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<PcGts xmlns="http://schema.primaresearch.org/PAGE/gts/pagecontent/2013-07-15">'
        "<Metadata><Creator>x</Creator></Metadata>"
        f'<Page imageFilename="{name}.jpg" imageWidth="{SIZE[0]}" imageHeight="{SIZE[1]}">{inner}</Page></PcGts>'
    )


def _coords(x: int, y: int, w: int, h: int) -> str:
    return f'<Coords points="{x},{y} {x + w},{y} {x + w},{y + h} {x},{y + h}"/>'


def _text(text: str) -> str:
    return f"<TextEquiv><Unicode>{text}</Unicode></TextEquiv>"


def page(folder: Path) -> None:
    """Two lines: one of glyphs, one that is a word of one character; the pictures lie in the folder above."""
    pictures(folder)
    glyphs = "".join(
        f'<Glyph id="g{number}">{_coords(*box)}{_text(char)}</Glyph>' for number, (char, *box) in enumerate(BOXES[:2])
    )
    line = _coords(100, 20, 32, 86)
    word = f'<Word id="w2">{_coords(*BOXES[2][1:])}{_text(BOXES[2][0])}</Word>'
    lines = [
        f'<TextLine id="l1">{line}<Word id="w1">{line}{glyphs}</Word></TextLine>',
        f'<TextLine id="l2">{_coords(40, 24, 28, 44)}{word}</TextLine>',
    ]
    region = f'<TextRegion id="r1">{_coords(40, 20, 92, 90)}{"".join(lines)}</TextRegion>'
    (folder / "page").mkdir()
    (folder / "page" / "b1_001.xml").write_text(_page("b1_001", region), encoding="utf-8")
    (folder / "page" / "b1_002.xml").write_text(_page("b1_002", ""), encoding="utf-8")


def page_2010(folder: Path) -> None:
    """The oldest version still met: points are elements."""
    page(folder)
    path = folder / "page" / "b1_001.xml"
    text = path.read_text(encoding="utf-8").replace("2013-07-15", "2010-03-19")
    for _, x, y, w, h in BOXES:
        points = "".join(f'<Point x="{a}" y="{b}"/>' for a, b in ((x, y), (x + w, y), (x + w, y + h), (x, y + h)))
        text = text.replace(_coords(x, y, w, h), f"<Coords>{points}</Coords>")
    path.write_text(text, encoding="utf-8")


def alto(folder: Path) -> None:
    """A string of glyphs, and a string of one character."""
    pictures(folder)

    def place(x: int, y: int, w: int, h: int) -> str:
        return f'HPOS="{x}" VPOS="{y}" WIDTH="{w}" HEIGHT="{h}"'

    glyphs = "".join(f'<Glyph ID="g{x}{y}" CONTENT="{char}" {place(x, y, w, h)}/>' for char, x, y, w, h in BOXES[:2])
    char, *box = BOXES[2]
    lines = [
        f'<TextLine ID="l1"><String ID="s1" CONTENT="あい" {place(100, 20, 32, 86)}>{glyphs}</String></TextLine>',
        f'<TextLine ID="l2"><String ID="s2" CONTENT="{char}" {place(*box)}/></TextLine>',
    ]
    for name, inner in (("b1_001", "".join(lines)), ("b1_002", "")):
        (folder / f"{name}.xml").write_text(
            '<alto xmlns="http://www.loc.gov/standards/alto/ns-v4#"><Description>'
            "<MeasurementUnit>pixel</MeasurementUnit><sourceImageInformation>"
            f"<fileName>{name}.jpg</fileName></sourceImageInformation></Description><Layout>"
            f'<Page ID="p" PHYSICAL_IMG_NR="1" WIDTH="{SIZE[0]}" HEIGHT="{SIZE[1]}"><PrintSpace>'
            f'<TextBlock ID="b">{inner}</TextBlock></PrintSpace></Page></Layout></alto>',
            encoding="utf-8",
        )


def coco(folder: Path) -> None:
    pictures(folder / "images")
    images = [
        {"id": number, "file_name": f"{name}.jpg", "width": SIZE[0], "height": SIZE[1]}
        for number, name in enumerate(PAGES)
    ]
    categories = [{"id": 7, "name": "あ"}, {"id": 8, "name": "U+3044"}, {"id": 9, "name": "寿"}]
    annotations: list[dict[str, object]] = [
        {"id": number, "image_id": 0, "category_id": 7 + number, "bbox": box, "iscrowd": 0, "area": box[2] * box[3]}
        for number, (_, *box) in enumerate(BOXES)
    ]
    x, y, w, h = annotations[2].pop("bbox")  # type: ignore[misc]
    annotations[2]["segmentation"] = [[x, y, x + w, y, x + w, y + h, x, y + h]]
    write_json(folder / "instances.json", {"images": images, "annotations": annotations, "categories": categories})


def _yolo_labels(path: Path) -> None:
    path.mkdir(parents=True)
    (path / "b1_002.txt").write_text("")
    lines = [
        f"{number} {(x + w / 2) / SIZE[0]} {(y + h / 2) / SIZE[1]} {w / SIZE[0]} {h / SIZE[1]}"
        for number, (_, x, y, w, h) in enumerate(BOXES)
    ]
    (path / "b1_001.txt").write_text("\n".join(lines) + "\n")


def yolo(folder: Path) -> None:
    pictures(folder / "images" / "train")
    _yolo_labels(folder / "labels" / "train")
    (folder / "data.yaml").write_text(
        "path: ../somewhere\ntrain: images/train\nval: images/val\nnames:\n  0: あ\n  1: U+3044\n  2: 寿\n"
    )


def yolo_classes(folder: Path) -> None:
    """The older layout: labels beside the pictures, classes in a text file."""
    _yolo_labels(folder / "set")
    pictures(folder / "set")
    (folder / "set" / "classes.txt").write_text("あ\nい\n寿\n")


def labelme(folder: Path) -> None:
    pictures(folder)
    shapes = [
        {"label": char, "points": [[x + w, y + h], [x, y]], "group_id": None, "shape_type": "rectangle", "flags": {}}
        for char, x, y, w, h in BOXES
    ]
    x, y, w, h = BOXES[2][1:]
    shapes[2] |= {"shape_type": "polygon", "points": [[x, y], [x + w, y], [x + w, y + h], [x, y + h]]}
    for name, of_page in zip(PAGES, (shapes, []), strict=True):
        value = {"version": "5.5.0", "flags": {}, "shapes": of_page, "imagePath": f"{name}.jpg", "imageData": None}
        write_json(folder / f"{name}.json", value | {"imageHeight": SIZE[1], "imageWidth": SIZE[0]})


def labelstudio(folder: Path) -> None:
    """One box with a label, two with a text of their own; percent of the picture."""
    pictures(folder)
    results: list[dict[str, object]] = []
    for number, (char, x, y, w, h) in enumerate(BOXES):
        value: dict[str, object] = {
            "x": x / SIZE[0] * 100, "y": y / SIZE[1] * 100, "width": w / SIZE[0] * 100, "height": h / SIZE[1] * 100,
            "rotation": 0,
        }  # fmt: skip
        common = {"id": f"r{number}", "original_width": SIZE[0], "original_height": SIZE[1], "to_name": "image"}
        if number == 0:
            results.append(common | {"type": "rectanglelabels", "value": value | {"rectanglelabels": [char]}})
        else:
            results.append(common | {"type": "rectangle", "value": value})
            results.append(common | {"type": "textarea", "value": value | {"text": [char]}})
    tasks = [
        {"id": 1, "data": {"ocr": "/data/upload/1/0123abcd-b1_001.jpg"}, "annotations": [{"result": results}]},
        {"id": 2, "data": {"ocr": "/data/local-files/?d=scans/b1_002.jpg"}, "annotations": [{"result": []}]},
    ]
    write_json(folder / "export.json", tasks)


def labelstudio_ocr(folder: Path) -> None:
    """The template for OCR, as exported: a region is three results; a draft was cancelled, a model had predicted."""
    pictures(folder)
    results: list[dict[str, object]] = []
    for number, (char, x, y, w, h) in enumerate(BOXES):
        value = {
            "x": x / SIZE[0] * 100, "y": y / SIZE[1] * 100, "width": w / SIZE[0] * 100, "height": h / SIZE[1] * 100,
            "rotation": 0,
        }  # fmt: skip
        common = {
            "id": f"bAs3TtsK{number}", "to_name": "image", "origin": "manual", "original_width": SIZE[0],
            "original_height": SIZE[1], "image_rotation": 0,
        }  # fmt: skip
        results += [
            common | {"from_name": "bbox", "type": "rectangle", "value": value},
            common | {"from_name": "label", "type": "labels", "value": value | {"labels": ["Handwriting"]}},
            common | {"from_name": "transcription", "type": "textarea", "value": value | {"text": [char]}},
        ]
    wrong = [results[2] | {"value": value | {"text": ["う"]}}]
    facts = {"completed_by": 1, "ground_truth": False, "lead_time": 12.5, "draft_created_at": None}
    tasks = [
        {
            "id": 7, "file_upload": f"ab12cd34-{name}.jpg", "data": {"ocr": f"/data/upload/3/ab12cd34-{name}.jpg"},
            "annotations": [
                facts | {"id": 1, "was_cancelled": True, "result": wrong},
                facts | {"id": 2, "was_cancelled": False, "result": of_page},
            ],
            "predictions": [{"id": 3, "model_version": "a", "score": 0.5, "result": wrong}], "drafts": [], "meta": {},
        }
        for name, of_page in zip(PAGES, (results, []), strict=True)
    ]  # fmt: skip
    write_json(folder / "project-3-at-2026-01-02.json", tasks)


def _via_regions() -> list[dict[str, object]]:
    regions: list[dict[str, object]] = []
    for char, x, y, w, h in BOXES:
        shape: dict[str, object] = {"name": "rect", "x": x, "y": y, "width": w, "height": h}
        if char == "寿":
            shape = {"name": "polygon", "all_points_x": [x, x + w, x], "all_points_y": [y, y, y + h]}
        regions.append({"shape_attributes": shape, "region_attributes": {"char": char}})
    return regions


def via_json(folder: Path) -> None:
    pictures(folder)
    entries = {
        f"{name}.jpg1": {"filename": f"{name}.jpg", "size": 1, "regions": regions, "file_attributes": {}}
        for name, regions in zip(PAGES, (_via_regions(), []), strict=True)
    }
    write_json(folder / "via_project.json", {"_via_settings": {}, "_via_img_metadata": entries})


def via_project(folder: Path) -> None:
    """A project of version 2 as saved: one character each by text, dropdown and checkbox, beside other attributes."""
    pictures(folder / "scans")
    regions = _via_regions()
    for region, values in zip(regions, ({"char": "あ"}, {"char": "U+3044"}, {"char": {"寿": True}}), strict=True):
        region["region_attributes"] = {"remark": "", **values, "quality": {"blurred": True, "faded": False}}
    entries = {
        f"{name}.jpg2041": {"filename": f"{name}.jpg", "size": 2041, "regions": of_page, "file_attributes": {}}
        for name, of_page in zip(PAGES, (regions, []), strict=True)
    }
    options = {"type": "dropdown", "description": "", "options": {"U+3044": "i"}, "default_options": {}}
    write_json(folder / "via_project_2Jan2026.json", {
        "_via_settings": {"ui": {}, "core": {"default_filepath": "./scans/"}, "project": {"name": "x"}},
        "_via_img_metadata": entries, "_via_attributes": {"region": {"char": options}, "file": {}},
        "_via_data_format_version": "2.0.10", "_via_image_id_list": [*entries],
    })  # fmt: skip


def via_csv_1(folder: Path) -> None:
    """The table of version 1: its header begins like a comment."""
    via_csv(folder)
    path = folder / "via.csv"
    path.write_text("#" + path.read_text(encoding="utf-8"), encoding="utf-8")


def via_csv(folder: Path) -> None:
    pictures(folder)

    def quoted(value: object) -> str:
        return '"' + json.dumps(value, ensure_ascii=False).replace('"', '""') + '"'

    head = "filename,file_size,file_attributes,region_count,region_id,region_shape_attributes,region_attributes"
    rows = [
        f'b1_001.jpg,1,"{{}}",3,{number},{quoted(region["shape_attributes"])},{quoted(region["region_attributes"])}'
        for number, region in enumerate(_via_regions())
    ]
    (folder / "via.csv").write_text(
        "\n".join([head, *rows, 'b1_002.jpg,1,"{}",0,0,"{}","{}"']) + "\n", encoding="utf-8"
    )


def predict(folder: Path) -> None:
    """As predict writes it; somebody has corrected a character."""
    pictures(folder)
    characters = [
        {"box": box, "code": f"U+{ord(char):04X}", "char": char, "probability": 0.9, "role": "text", "column": column}
        for column, (char, *box) in zip((0, 0, 1), BOXES, strict=True)
    ]
    characters[2]["code"] = "U+58FD"
    for name, of_page in zip(PAGES, (characters, []), strict=True):
        value = {"format": "kuzushiji-page-1", "page": name, "image": f"{name}.jpg", "characters": of_page}
        write_json(folder / f"{name}.json", value | {"width": SIZE[0], "height": SIZE[1]})


def root(folder: Path) -> None:
    pictures(folder / "train_images")
    labels = " ".join(f"U+{ord(char):04X} {x} {y} {w} {h}" for char, x, y, w, h in BOXES)
    (folder / "train.csv").write_text(f"image_id,labels\nb1_001,{labels}\nb1_002,\n")


def corrections(folder: Path) -> None:
    """As kuzushiji edit writes them; a box is marked as no text."""
    pictures(folder)
    boxes = zip((0, 0, 1), BOXES, strict=True)
    characters = [corrected(char, box, column=column) for column, (char, *box) in boxes]
    characters.append(corrected("", [5, 5, 9, 9], role="none", column=-1))
    write_json(folder / "corrections.json", content_of([
        corrected_page(folder / f"{name}.jpg", of_page) for name, of_page in zip(PAGES, (characters, []), strict=True)
    ]))  # fmt: skip


def corrected(char: str, box: list[int], *, role: str = "text", column: int = 0) -> dict[str, object]:
    """Return a character as corrections have it."""
    code = f"U+{ord(char):04X}" if char else "seg_fp"
    return {
        "box": box, "code": code, "char": char, "role": role, "column": column, "doubtful": False, "by": "human",
    }  # fmt: skip


def corrected_page(picture: Path, characters: list[dict[str, object]], **facts: object) -> dict[str, object]:
    """Return a page as corrections have it; it is done."""
    return {
        "page": picture.stem, "image": picture.name, "frame": 0, "sha256": sha256_of_file(picture), "width": SIZE[0],
        "height": SIZE[1], "reading": "0123456789abcdef", "revision": 3, "done": True,
        "history": [{"by": "models", "models": "0123456789abcdef"}, {"by": "human", "at": "2026-01-02T03:04:05Z"}],
        "characters": characters, **facts,
    }  # fmt: skip


SAMPLES: dict[str, tuple[str, Callable[[Path], None]]] = {
    "root": ("root", root),
    "csv": ("csv", codh),
    "page": ("page", page),
    "page of 2010": ("page", page_2010),
    "alto": ("alto", alto),
    "coco": ("coco", coco),
    "yolo": ("yolo", yolo),
    "yolo with classes.txt": ("yolo", yolo_classes),
    "labelme": ("labelme", labelme),
    "labelstudio": ("labelstudio", labelstudio),
    "labelstudio's template for OCR": ("labelstudio", labelstudio_ocr),
    "via json": ("via", via_json),
    "via project": ("via", via_project),
    "via csv of version 1": ("via", via_csv_1),
    "via csv": ("via", via_csv),
    "predict": ("predict", predict),
    "corrections": ("corrections", corrections),
}
"""By name: the form that it is, and who writes it into a folder."""


def read(folder: Path, form: str | None = None) -> tuple[list[LabelledPage], Notes]:
    """Return the pages of a source, and what was odd."""
    notes = Notes()
    _, files = files_of(folder, form, notes)
    cleaner = Cleaner(Finder([folder if folder.is_dir() else folder.parent], notes), notes)
    pages = []
    for raw in read_pages(form or files_of(folder, form, Notes())[0], files, notes):
        try:
            pages.append(cleaner.clean(raw))
        except ValueError as error:
            notes.fail(str(error))
    return pages, notes


def rows_of(labels: PageLabels) -> set[tuple[object, ...]]:
    """Return the boxes of a table, whatever their order."""
    return set(map(tuple, labels.boxes[["image_id", "code", "x", "y", "w", "h"]].to_numpy().tolist()))
