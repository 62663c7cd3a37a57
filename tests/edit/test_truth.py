"""The editor with a table of labels: what was read rightly, wrongly and not at all."""

import json
from pathlib import Path
from typing import Any

import pytest

from kuzushiji.edit.__main__ import main
from kuzushiji.edit.folder import EditedFolder
from kuzushiji.errors import InputError

LABELS = "U+3042 202 22 40 40 U+3046 200 80 40 40 U+3048 100 20 40 40 U+5B89 10 200 40 40"
"""あ is read rightly, い is う, う is え, and 安 is not read; the え below う is nothing, and お is furigana."""


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "train.csv"
    path.write_text(f"image_id,labels\nother,U+3042 1 2 3 4\nb1_001,{LABELS}\n")
    return path


def page_of(script: str) -> tuple[list[tuple[str, str, str | None]], dict[str, Any]]:
    """Return kind, character and true character of the boxes, and all that the script holds."""
    data = json.loads(script.split("\n")[1].removeprefix("kuzushiji.page(").removesuffix(");"))
    names = {number: char for number, (char, _) in enumerate(data["classes"])}
    return [(box["kind"], names[box["read"]], names.get(box.get("truth"))) for box in data["pages"][0]["boxes"]], data


def test_what_was_read_rightly_and_wrongly(folder: Path, table: Path) -> None:
    plain, known = EditedFolder(folder), EditedFolder(folder, table)
    found, data = page_of(known.text("b1_001.viewer.js") or "")
    assert found == [
        ("right", "あ", "あ"), ("wrong", "い", "う"), ("wrong", "う", "え"), ("wrong", "え", None),
        ("read", "お", None), ("dropped", "×", None), ("missed", "安", "安"),
    ]  # fmt: skip
    assert data["pages"][0]["boxes"][-1]["at"] == [10, 200, 40, 40]
    for name in ("b1_002.viewer.js", "viewer.html", "secret.txt", "b1_001"):  # no truth, or no file of the viewer
        assert known.text(name) == plain.text(name)


def test_the_summary_stays_and_corrections_fit(folder: Path, table: Path) -> None:
    texts = [EditedFolder(folder, truth).text("b1_001.viewer.js") or "" for truth in (None, table)]
    assert texts[0].split("\n")[0] == texts[1].split("\n")[0] and texts[0] != texts[1]


def test_labels_of_another_book(folder: Path, table: Path) -> None:
    table.write_text("image_id,labels\nother,U+3042 1 2 3 4\n")
    with pytest.raises(InputError, match="expected labels of the pages of .*, such as b1_001, got those of other"):
        main([str(folder), "--truth", str(table)])
    table.write_text("image_id,labels\n")
    with pytest.raises(InputError, match="expected labels of the pages of .*, such as b1_001, got none"):
        main([str(folder), "--truth", str(table)])
