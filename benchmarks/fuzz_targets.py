"""What is fuzzed: each reader and writer as a function of bytes.

A target's `check` returns whether the input was taken, and raises `InputError` where it was refused; anything else that
it raises is a fault: a traceback, or an input that was taken wrongly. An input is taken rightly if what was read fits
the rules that the reader promises, and comes out the same when it is written and read again.
"""

import csv
import gzip
import html.parser
import io
import json
import math
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from kuzushiji.artifacts import Characters, Detailed, read_characters, read_detailed, write_characters, write_detailed
from kuzushiji.data import label_text
from kuzushiji.data.characters import read_unicode_translation
from kuzushiji.data.jpeg import NotJpegError, read_header
from kuzushiji.data.labels import (
    PageLabels,
    format_labels,
    parse_labels,
    read_page_labels,
    read_page_points,
    whole_pixels,
    write_page_labels,
    write_page_points,
)
from kuzushiji.data.paths import image_path
from kuzushiji.data.vocabulary import Vocabulary
from kuzushiji.errors import InputError
from kuzushiji.files import read_json
from kuzushiji.record import StageRecord

Check = Callable[[bytes], bool]

CODES = ("U+3042", "U+3044", "U+3046", "U+4E00", "U+2A6D6")
PAGES = ("100241706_00004_2", "umgy001-001", "test_あ")


@dataclass(frozen=True)
class Target:
    """A reader or writer.

    Attributes:
        name: Of the target.
        share: Of a thousand inputs so many are for it.
        seeds: Inputs that are right, to mutate.
        check: See above.
    """

    name: str
    share: int
    seeds: list[bytes]
    check: Check


def build_targets(folder: Path) -> list[Target]:
    """Return all targets; their files are below `folder`."""
    return [*_text_targets(folder), *_json_targets(folder), *_table_targets(folder), *_writer_targets()]


def require(fits: bool, what: str) -> None:
    """Raise what the fuzzer takes for a wrong acceptance."""
    if not fits:
        raise AssertionError(f"taken wrongly: {what}")


# Label strings, CSV tables, names


def _text_targets(folder: Path) -> list[Target]:
    labels = "U+3042 1 2 30 40 seg_fp 5 -6 70.5 8e1 U+4E00 0 0 0 0"
    points = "U+3042 1 2 U+3044 300.5 4e2"
    table = f'image_id,labels\n{PAGES[0]},U+3042 1 2 30 40\n{PAGES[1]},\n"{PAGES[2]}",U+3044 5 6 7 8 U+3046 9 9 9 9\n'
    with_usage = "image_id,labels,Usage\n" + table.partition("\n")[2].replace("40\n", "40,Public\n")
    submission = f"image_id,labels\n{PAGES[0]},U+3042 1 2\n{PAGES[1]},\n{PAGES[2]},U+3044 5 6.5 U+3046 9 9\n"
    unicode_table = 'Unicode,char\nU+3042,あ\nU+3044,い\nU+0022,""""\n'
    ids = (*PAGES, "../../etc/passwd", "a/b", "..")
    packed = gzip.compress(table.encode(), mtime=0)
    folder.mkdir(parents=True, exist_ok=True)
    return [
        Target("label strings", 330, [labels.encode(), b"", b"U+3042 1 2 3 4"], check_label_string),
        Target("point strings", 330, [points.encode(), b""], check_point_string),
        Target("image ids", 200, [name.encode() for name in ids], _check_id(folder)),
        Target("tables of labels", 55, [table.encode(), with_usage.encode()], _check_labels(folder / "labels.csv")),
        Target("tables of labels, packed", 8, [packed], _check_labels(folder / "labels.csv.gz")),
        Target("submissions", 20, [submission.encode()], _check_points(folder / "points.csv")),
        Target("tables of characters", 15, [unicode_table.encode()], _check_unicode(folder / "unicode.csv")),
    ]


def check_label_string(data: bytes) -> bool:
    """A page's labels of boxes."""
    text = data.decode("utf-8", "replace")
    codes, boxes_xywh = parse_labels(text, "fuzz")
    words = _words(text)
    require(len(words) == 5 * len(codes), "another number of fields")
    require(list(codes) == words[::5], "other codes")
    for field in range(4):
        _require_numbers(words[field + 1 :: 5], boxes_xywh[:, field])
    again = parse_labels(format_labels(codes, boxes_xywh), "fuzz")
    require(list(again[0]) == list(codes) and (again[1] == whole_pixels(boxes_xywh)).all(), "no round trip")
    return True


def check_point_string(data: bytes) -> bool:
    """A page's points of a submission."""
    text = data.decode("utf-8", "replace")
    _, codes, numbers = label_text.parse_pages([text], label_text.POINT_FIELDS, lambda _: "fuzz")
    words = _words(text)
    require(len(words) == 3 * len(codes) and list(codes) == words[::3], "other codes")
    for field in range(2):
        _require_numbers(words[field + 1 :: 3], numbers[:, field])
    return True


def _words(text: str) -> list[str]:
    for code in codes_of_separators(text):
        text = text.replace(code, " ")
    return text.split()


def codes_of_separators(text: str) -> set[str]:
    """Return what separates fields: Unicode's white space, which is not all that Python takes for it."""
    return {char for char in set(text) if char.isspace() and not "\x1c" <= char <= "\x1f"}


def _require_numbers(words: list[str], numbers: "np.ndarray[tuple[int], np.dtype[np.float64]]") -> None:
    for word, number in zip(words, numbers.tolist(), strict=True):
        require(math.isfinite(number) and float(word) == number and abs(number) <= 1e9, f"{word!r} as {number}")


def _check_id(folder: Path) -> Check:
    def check(data: bytes) -> bool:
        image_id = data.decode("utf-8", "replace")
        path = image_path(folder, image_id)
        require(path.parent == folder and path.name == f"{image_id}.jpg", f"{image_id!r} leaves its folder")
        return True

    return check


def _check_labels(path: Path) -> Check:
    again = path.with_name("again.csv")

    def check(data: bytes) -> bool:
        path.write_bytes(data)
        labels = read_page_labels(path)
        require(len(set(labels.image_ids)) == len(labels.image_ids) and all(labels.image_ids), "pages")
        write_page_labels(again, labels)
        copy = read_page_labels(again)
        require(copy.image_ids == labels.image_ids, "other pages after a round trip")
        require((copy.boxes_xywh == whole_pixels(labels.boxes_xywh)).all(), "other boxes after a round trip")
        require(list(copy.boxes["code"]) == list(labels.boxes["code"]), "other codes after a round trip")
        return True

    return check


def _check_points(path: Path) -> Check:
    again = path.with_name("again-points.csv")

    def check(data: bytes) -> bool:
        path.write_bytes(data)
        points = read_page_points(path)
        write_page_points(again, points)
        copy = read_page_points(again)
        require(copy.image_ids == points.image_ids, "other pages after a round trip")
        moved = np.abs(copy.points[["x", "y"]].to_numpy() - points.points[["x", "y"]].to_numpy())
        require(bool((moved <= 0.0501).all()), "other points after a round trip")
        return True

    return check


def _check_unicode(path: Path) -> Check:
    def check(data: bytes) -> bool:
        path.write_bytes(data)
        table = read_unicode_translation(path)
        text = io.StringIO()
        csv.writer(text).writerows([("Unicode", "char"), *table.items()])
        path.write_text(text.getvalue(), encoding="utf-8", newline="")
        require(read_unicode_translation(path) == table, "no round trip")
        return True

    return check


# JSON


def _json_targets(folder: Path) -> list[Target]:
    vocabulary = json.dumps(list(Vocabulary.from_codes(CODES).codes)).encode()
    return [
        Target("vocabularies", 20, [vocabulary, b'["seg_fp"]'], check_vocabulary),
        Target("JSON files", 5, [b'{"a": [1, 2.5, null, "\\u3042"]}', b"[]"], _check_json(folder / "x.json")),
        _record_target(folder / "record"),
        _events_target(folder / "events.jsonl"),
        _level2_target(folder / "level2"),
    ]


def check_vocabulary(data: bytes) -> bool:
    """The classes of a model."""
    vocabulary = Vocabulary.from_json(data.decode("utf-8", "replace"))
    codes = vocabulary.codes
    require(list(codes[:-1]) == sorted(set(codes[:-1])) and codes[-1] == "seg_fp", "order")
    require(Vocabulary.from_json(vocabulary.to_json()) == vocabulary, "no round trip")
    return True


def _check_json(path: Path) -> Check:
    def check(data: bytes) -> bool:
        path.write_bytes(data)
        read_json(path)
        return True

    return check


def _record_target(folder: Path) -> Target:
    """A damaged record makes its stage run, or refuses its output as another stage's input."""
    folder.mkdir()
    (folder / "in.csv").write_text("in")
    (folder / "out.csv").write_text("out")
    record = folder / "record-toy.json"
    own = StageRecord(record, "toy", {"lr": 0.1}, [folder / "in.csv"], [folder / "out.csv"])
    own.finish()
    seed = record.read_bytes()
    expected = json.loads(seed)

    def check(data: bytes) -> bool:
        record.write_bytes(data)
        needed = replace(own).needs_run()
        replace(own).changed_parameters() if _is_json(data) else None
        StageRecord(folder / "record-next.json", "next", {}, [folder / "out.csv"], []).needs_run()
        if not needed:
            found = json.loads(data)
            names = ("format", "stage", "parameters", "inputs", "outputs", "formats")
            require(all(found[name] == expected[name] for name in names), "a stage that is not done is skipped")
        return not needed

    return Target("records", 5, [seed], check)


def _is_json(data: bytes) -> bool:
    try:
        json.loads(data.decode())
    except ValueError:
        return False
    return True


def _events_target(path: Path) -> Target:
    from kuzushiji.engine.events import EventLog

    log = EventLog(path)
    for step in range(3):
        log.append(kind="train", epoch=0, step=step, seconds=0.5, loss=1.25)
    seed = path.read_bytes()

    def check(data: bytes) -> bool:
        path.write_bytes(data)
        log.truncate(1)
        require(all(event["step"] <= 1 for event in log.read()), "an event of later")
        return True

    return Target("logs of events", 3, [seed], check)


def _level2_target(folder: Path) -> Target:
    from kuzushiji.classify.level2_choice import Decision
    from kuzushiji.classify.level2_model import FILE_NAME, Level2Model, load_model, save_model

    save_model(
        folder,
        Level2Model(
            folds=(), feature_set="reference", columns=("a",), objective="binary", top_k=3, n_groups=1, extra=(),
            vocabulary=Vocabulary.from_codes(CODES), language=None, decision=Decision(),
        ),
    )  # fmt: skip
    seed = (folder / FILE_NAME).read_bytes()

    def check(data: bytes) -> bool:
        (folder / FILE_NAME).write_bytes(data)
        load_model(folder)
        return True

    return Target("second levels", 2, [seed], check)


# Tables of stages, checkpoints, images


def small_table() -> Detailed:
    """Return a detailed table of a few boxes."""
    vocabulary = Vocabulary.from_codes(CODES)
    random = np.random.default_rng(0)
    n, k = 7, 3
    boxes = pd.DataFrame({"image_id": pd.Series([PAGES[0]] * 4 + [PAGES[2]] * 3, dtype=str)})
    boxes["box"] = np.array([0, 1, 2, 3, 0, 1, 2], np.int32)
    boxes[["x", "y", "w", "h"]] = random.integers(1, 99, (n, 4)).astype(np.float64)
    boxes["true"] = pd.Series(vocabulary.decode(random.integers(0, 6, n)), dtype=str)
    classes = np.argsort(random.random((n, 6)), axis=1)[:, :k].astype(np.int32)
    logits = -np.sort(-random.normal(2, 4, (n, k)).astype(np.float32), axis=1)
    return Detailed(boxes, classes, logits, vocabulary, PAGES)


def _table_targets(folder: Path) -> list[Target]:
    table = small_table()
    (folder / "text").mkdir()
    (folder / "text" / "vocabulary.json").write_text(table.vocabulary.to_json())
    return [
        _detailed_target("detailed tables", 2, folder / "detailed.parquet", table),
        _detailed_target("detailed tables of the reference", 2, folder / "text" / "detailed.csv.gz", table),
        _detailed_target("detailed tables of the reference, unpacked", 2, folder / "text" / "detailed.csv", table),
        _characters_target(folder / "characters.parquet", table),
        _features_target(folder / "features.parquet", table),
        _detections_target(folder / "detections.parquet"),
        _checkpoint_target(folder / "checkpoint.pth"),
        _jpeg_target(),
    ]


def _detailed_target(name: str, share: int, path: Path, table: Detailed) -> Target:
    write_detailed(path, table)
    seed = path.read_bytes()
    again = path.with_name(f"again-{path.name}")

    def check(data: bytes) -> bool:
        path.write_bytes(data)
        found = read_detailed(path, vocabulary=table.vocabulary if path.suffix != ".parquet" else None)
        write_detailed(again, found)
        copy = read_detailed(again, vocabulary=found.vocabulary if path.suffix != ".parquet" else None)
        require(copy.boxes.equals(found.boxes), "other boxes after a round trip")
        require(np.array_equal(copy.classes, found.classes), "other classes after a round trip")
        require(np.array_equal(copy.logits, found.logits), "other logits after a round trip")
        if path.suffix == ".parquet":
            require(found.boxes.equals(table.boxes) and found.pages == table.pages, "damage that was not seen")
        return True

    return Target(name, share, [seed], check)


def _characters_target(path: Path, table: Detailed) -> Target:
    labels = PageLabels(table.pages, table.boxes.rename(columns={"true": "code"}))
    write_characters(path, Characters.from_labels(table.pages, labels, np.linspace(0, 1, len(table))))
    seed, expected = path.read_bytes(), read_characters(path)

    def check(data: bytes) -> bool:
        path.write_bytes(data)
        found = read_characters(path)
        require(found.rows.equals(expected.rows) and found.pages == expected.pages, "damage that was not seen")
        return True

    return Target("probabilities", 2, [seed], check)


def _features_target(path: Path, table: Detailed) -> Target:
    from kuzushiji.artifacts.features import read_features, write_features
    from kuzushiji.classify.candidates import build_features

    write_features(path, build_features([table], [("a.parquet",)], {"a.parquet": "0"}, 3))
    seed, expected = path.read_bytes(), read_features(path)

    def check(data: bytes) -> bool:
        path.write_bytes(data)
        found = read_features(path)
        require(found.boxes.equals(expected.boxes) and found.pages == expected.pages, "damage that was not seen")
        require(np.array_equal(found.candidates, expected.candidates), "damage that was not seen")
        return True

    return Target("features", 2, [seed], check)


def _detections_target(path: Path) -> Target:
    from kuzushiji.segment.detections import Detections, read_detections, write_detections

    boxes_xyxy = np.array([[1, 2, 30, 40], [5, 6, 70, 80], [1, 1, 2, 2]], np.float64)
    write_detections(path, Detections(PAGES, np.array([0, 0, 2]), boxes_xyxy, np.array([0.9, 0.8, 0.7])))
    seed, expected = path.read_bytes(), read_detections(path)

    def check(data: bytes) -> bool:
        path.write_bytes(data)
        found = read_detections(path)
        require(found.image_ids == expected.image_ids, "damage that was not seen")
        require(np.array_equal(found.boxes_xyxy, expected.boxes_xyxy), "damage that was not seen")
        require(np.array_equal(found.scores, expected.scores), "damage that was not seen")
        return True

    return Target("detections", 2, [seed], check)


def _checkpoint_target(path: Path) -> Target:
    import torch

    from kuzushiji.engine.checkpoint import load_checkpoint, save_checkpoint

    torch.manual_seed(0)
    model = torch.nn.Linear(3, 2)
    save_checkpoint(path, {"model": model}, {"stage": "toy", "parameters": {"lr": 0.1}, "codes": list(CODES)})
    seed = path.read_bytes()

    def check(data: bytes) -> bool:
        path.write_bytes(data)
        found = load_checkpoint(path)
        require(found["meta"] == {"stage": "toy", "parameters": {"lr": 0.1}, "codes": list(CODES)}, "other facts")
        state = model.state_dict()
        require(all(torch.equal(found["model"][name], state[name]) for name in state), "damage that was not seen")
        return True

    return Target("checkpoints", 3, [seed], check)


def _jpeg_target() -> Target:
    import cv2

    _, content = cv2.imencode(".jpg", np.random.default_rng(0).integers(0, 255, (20, 30, 3), np.uint8))
    seed = content.tobytes()

    def check(data: bytes) -> bool:
        try:
            header = read_header(io.BytesIO(data))
        except NotJpegError as error:
            raise InputError(str(error)) from error
        require(0 <= header.width < 1 << 16 and 0 <= header.height < 1 << 16, "size")
        return True

    return Target("headers of images", 5, [seed[:700], seed], check)


# Writers: whatever comes from data comes out as text


def _writer_targets() -> list[Target]:
    texts = [
        "あ",
        "<script>alert(1)</script>",
        '"><img src=x onerror=alert(1)>',
        "]]>",
        "&amp;&#0;",
        "</script><!--",
        "{{ 7*7 }}",
    ]
    seeds = [text.encode() for text in texts]
    return [
        Target("HTML of the viewer", 2, seeds, check_viewer),
        Target("PAGE XML", 2, seeds, check_page_xml),
        Target("ALTO XML", 2, seeds, check_alto_xml),
    ]


class _Reader(html.parser.HTMLParser):
    """Collects tags with their attributes' names, the heading, the pages' names, the data."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, tuple[str, ...]]] = []
        self.texts: dict[str, str] = {}
        self._inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note it."""
        self.tags.append((tag, tuple(name for name, _ in attrs)))
        self._inside = "data" if ("type", "application/json") in attrs else tag

    def handle_endtag(self, tag: str) -> None:
        """Leave it."""
        self._inside = ""

    def handle_data(self, data: str) -> None:
        """Note the text of what it stands in."""
        self.texts[self._inside] = self.texts.get(self._inside, "") + data


def _viewer(text: str) -> _Reader:
    from kuzushiji.viewer import Candidate, Picture, ViewerBox, ViewerPage, render_viewer

    candidates = {text: [Candidate(text, text, 0.5)]}
    box = ViewerBox(1, 2, 3, 4, "wrong", text, text, 0.5, text, text, candidates)
    reader = _Reader()
    reader.feed(render_viewer([ViewerPage(text, Picture(b"x", 10, 20), [box], note=text)], text))
    reader.close()
    return reader


def check_viewer(data: bytes) -> bool:
    """The viewer of a page whose every text is this one."""
    text = data.decode("utf-8", "replace")
    found, plain = _viewer(text), _viewer("x")
    require(found.tags == plain.tags, "other elements than of a plain text")
    content = json.loads(found.texts["data"])
    require(content["pages"][0]["name"] == text and content["models"] == [text], "other data")
    require(content["classes"] == [[text, text]], "other data")
    require(_shown(found.texts.get("h1", "")) == _shown(text), "another heading")
    return True


def _shown(text: str) -> str:
    """Return what is left of a text in HTML: lines end in one way only."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _xml(data: bytes, write: Callable[[object], bytes]) -> tuple[str, ET.Element]:
    from kuzushiji.predict.reading import Candidates, make_reading

    text = data.decode("utf-8", "replace")
    candidates = {text: Candidates(np.array([["U+3042", "U+3044"]], object), np.array([[0.7, 0.2]], np.float32))}
    one = np.ones(1, np.float32)
    boxes = np.array([[10, 20, 30, 40]])
    reading = make_reading(text, text, (100, 200), boxes, np.array(["U+3042"], object), one, one, candidates)
    return text, ET.fromstring(write(reading))


def check_page_xml(data: bytes) -> bool:
    """PAGE XML of an image of this name."""
    from kuzushiji.predict.formats.page_xml import NAMESPACE, page_xml

    text, root = _xml(data, page_xml)
    page = root.find(f"{{{NAMESPACE}}}Page")
    require(page is not None and _same_in_xml(page.get("imageFilename", ""), text), "another file name")
    require(len(root.findall(f".//{{{NAMESPACE}}}Glyph")) == 1, "other elements")
    return True


def check_alto_xml(data: bytes) -> bool:
    """ALTO XML of an image of this name."""
    from kuzushiji.predict.formats.alto_xml import NAMESPACE, alto_xml

    text, root = _xml(data, alto_xml)
    require(_same_in_xml(root.findtext(f".//{{{NAMESPACE}}}fileName") or "", text), "another file name")
    require(len(root.findall(f".//{{{NAMESPACE}}}Glyph")) == 1, "other elements")
    return True


def _same_in_xml(found: str, text: str) -> bool:
    """Return whether a text came through: XML has one end of a line, and no control characters."""
    return _in_xml(found) == _in_xml(text)


def _in_xml(text: str) -> str:
    """Return what XML can hold of a text, white space aside."""
    held = re.sub("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "\ufffd", text)
    return re.sub("[\t\n\r ]+", " ", held).strip()
