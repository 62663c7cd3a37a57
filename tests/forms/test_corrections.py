"""Corrections become labels, with who read and corrected the pages; those of other pages and pictures do not."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from kuzushiji import predict as predict_package
from kuzushiji.convert.__main__ import main
from kuzushiji.data.labels import read_page_labels
from kuzushiji.errors import InputError
from kuzushiji.forms.corrections import FILE
from kuzushiji.forms.data_root import HISTORY
from tests.forms.samples import BOXES, PAGES, corrections, picture, predict, read, rows_of

SCHEMA = Path(predict_package.__file__).parent / "formats" / "corrections.schema.json"
TRUTH = {("b1_001", f"U+{ord(char):04X}", *map(float, box)) for char, *box in BOXES}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    corrections(tmp_path / "source")
    return tmp_path / "source"


def content(folder: Path) -> dict[str, Any]:
    value: dict[str, Any] = json.loads((folder / FILE).read_text(encoding="utf-8"))
    return value


def change(folder: Path, how: Callable[[dict[str, Any]], object]) -> None:
    """Change the first page."""
    value = content(folder)
    how(value["pages"][0])
    (folder / FILE).write_text(json.dumps(value), encoding="utf-8")


def check(value: object) -> None:
    jsonschema.validate(value, json.loads(SCHEMA.read_text(encoding="utf-8")))


def test_a_data_root_and_back(source: Path, tmp_path: Path) -> None:
    check(content(source))
    root, back = tmp_path / "root", tmp_path / "back"
    assert main([str(source), str(root)]) == 0
    assert rows_of(read_page_labels(root / "train.csv")) == TRUTH  # without the box that is no text
    history = {page["page"]: page["history"] for page in content(source)["pages"]}
    assert json.loads((root / HISTORY).read_text(encoding="utf-8")) == history
    assert main([str(root), str(back), "--form", "root", "--to", "corrections"]) == 0
    check(content(back))
    assert {page["page"]: page["history"] for page in content(back)["pages"]} == history
    again = [item for item in content(source)["pages"][0]["characters"] if item["role"] != "none"]
    boxes = [[item["box"], item["code"], item["char"], item["role"]] for item in again]
    assert [
        [*map(item.get, ("box", "code", "char", "role"))] for item in content(back)["pages"][0]["characters"]
    ] == boxes


@pytest.mark.parametrize("form", ["page", "alto"])
def test_xml_of_corrected_pages(form: str, source: Path, tmp_path: Path) -> None:
    change(source, lambda page: page["characters"][2].update(role="furigana", column=0))
    assert main([str(source), str(tmp_path / "out"), "--to", form]) == 0
    pages, _ = read(tmp_path / "out")
    assert pages[0].codes.tolist() == [f"U+{ord(char):04X}" for char, *_ in BOXES]
    assert pages[0].role.tolist() == ["text", "text", "furigana"] and pages[0].line.tolist() == [0, 0, 1]


def test_pages_that_are_not_done(source: Path, tmp_path: Path) -> None:
    change(source, lambda page: page.update(done=False))
    assert main([str(source), str(tmp_path / "done")]) == 0
    assert read_page_labels(tmp_path / "done" / "train.csv").image_ids == PAGES[1:]
    assert main([str(source), str(tmp_path / "all"), "--all"]) == 0
    assert read_page_labels(tmp_path / "all" / "train.csv").image_ids == PAGES
    change(source, lambda page: page.update(page="b1_003", image="b1_001.jpg"))
    value = content(source)
    value["pages"] = value["pages"][:1]
    (source / FILE).write_text(json.dumps(value))
    with pytest.raises(InputError, match="can be converted, got none: .* page b1_003: left out .--all takes them"):
        main([str(source), str(tmp_path / "none")])


def test_what_was_read_gives_way(source: Path, tmp_path: Path) -> None:
    predict(source)
    assert main([str(source), str(tmp_path / "out")]) == 0
    assert json.loads((tmp_path / "out" / "conversion.json").read_text())["form"] == "corrections"


@pytest.mark.parametrize(
    ("how", "message"),
    [
        (
            lambda page: page.update(sha256="0" * 64),
            "expected the picture that was corrected .SHA-256 000000000000…., ",
        ),
        (lambda page: page.update(width=161), "expected the size of .*, 160 x 240 pixels, got 161 x 240"),
        (lambda page: page.pop("characters"), "page b1_001: expected characters as list, got None"),
        (lambda page: page.update(revision=True), "expected revision as int, got True"),
        (lambda page: page.update(width=0), "expected a width and height above 0, got 0 x 240"),
        (lambda page: page["characters"][0].update(box=[1, 2, 3]), "character 0: expected a box of x, y, width and"),
        (lambda page: page["characters"][1].update(box=[1, 2, 0, 3]), "character 1: expected a box of x, y, width and"),
        (lambda page: page["characters"][0].update(role="title"), "expected a role of text, furigana, edge, none, got"),
        (lambda page: page["characters"][0].update(char=""), "character 0: expected a character, got none"),
        (lambda page: page.update(characters=[3]), "character 0: expected an object, got int"),
    ],
)
def test_what_is_wrong_costs_its_page_alone(
    how: Callable[[dict[str, Any]], object],
    message: str,
    source: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    change(source, how)
    assert main([str(source), str(tmp_path / "out")]) == 1
    assert read_page_labels(tmp_path / "out" / "train.csv").image_ids == PAGES[1:]
    assert re.search(message, caplog.text)


def test_another_picture_of_the_same_name(source: Path, tmp_path: Path) -> None:
    picture(source / "b1_001.jpg", (160, 250))
    assert main([str(source), str(tmp_path / "out")]) == 1
    assert read_page_labels(tmp_path / "out" / "train.csv").image_ids == PAGES[1:]
