"""What is doubtful about a page: written so, listed, warned of."""

import json
from dataclasses import replace
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from kuzushiji.classify.level2.choice import Decision, choose
from kuzushiji.classify.level2.saving import load_model, save_model
from kuzushiji.data.labels import read_page_points
from kuzushiji.forms import predicted
from kuzushiji.forms.notes import Notes
from kuzushiji.predict.__main__ import main
from kuzushiji.predict.confidence import has_ink, page_confidence, page_doubt
from tests.conftest import draw_page

SCHEMA = Path(predicted.__file__).parents[1] / "predict" / "formats" / "page.schema.json"


def read_page(models: Path, page: Path, output: Path, *words: str) -> dict[str, object]:
    argv = [str(page), "--models", str(models), "--output", str(output), "--device", "cpu", *words]
    assert main(argv) == 0
    return json.loads((output / f"{page.stem}.json").read_text())


@pytest.mark.parametrize(
    ("sign", "words"),
    [("〓", []), ("?", ["--doubtful", "?"]), (None, ["--doubtful", "keep"])],
)
def test_doubtful_characters_keep_their_place(
    light: Path, pages: Path, tmp_path: Path, sign: str | None, words: list[str]
) -> None:
    page = read_page(light, pages / "page1.jpg", tmp_path / "out", "--min-probability", "0.99", *words)
    assert page["characters"] and all(item["doubtful"] for item in page["characters"])
    for column in page["columns"]:
        guesses = [page["characters"][i]["char"] for i in column["characters"]]
        assert column["text"] == "".join(sign or guess for guess in guesses)
    assert page["text"] == "".join(column["text"] + "\n" for column in page["columns"])


def test_a_doubtful_page_is_told_once(
    light: Path, pages: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    page = read_page(light, pages / "page1.jpg", tmp_path / "out", "--min-probability", "0.99", "--json")
    total = len(page["characters"]) + len(page["dropped"])
    assert page["doubt"] == f"{total} of {total} boxes are doubtful or were dropped"
    assert [record.getMessage() for record in caplog.records if "doubtful" in record.message] == [
        f"page1: the reading is doubtful: {page['doubt']}"
    ]
    assert json.loads(capsys.readouterr().out)["doubtful"] == ["page1"]
    assert 0 < page["confidence"] < 0.99
    sure = read_page(light, pages / "page1.jpg", tmp_path / "sure", "--min-probability", "0")
    assert not any(item["doubtful"] for item in sure["characters"])
    assert sure["doubt"] is None or len(sure["dropped"]) > len(sure["characters"])


def test_what_the_second_level_leaves_out_is_doubtful_and_no_row_of_the_table(
    models: Path, pages: Path, tmp_path: Path
) -> None:
    runs = tmp_path / "runs"
    runs.mkdir()
    for path in models.iterdir():
        if path.name != "level2_models":
            (runs / path.name).symlink_to(path)
    model = load_model(models / "level2_models")
    save_model(runs / "level2_models", replace(model, decision=Decision(0.0, 1.0)))
    page = read_page(runs, pages / "page1.jpg", tmp_path / "out", "--formats", "json", "csv", "text")
    left_out = [item for item in page["characters"] if item["left_out"]]
    assert left_out and all(item["doubtful"] and item["code"] != "seg_fp" for item in left_out)
    kept = len(page["characters"]) - len(left_out)
    assert len(read_page_points(tmp_path / "out" / "submission.csv").points) == kept
    assert "〓" in page["text"]
    notes = Notes()
    (raw,) = predicted.read(tmp_path / "out" / "page1.json", notes)
    assert len(raw.labels) == kept and f": {len(left_out)} characters do not count" in notes.lines[0]


def test_choice_has_the_likely_candidate_beside_the_chosen() -> None:
    candidates, offsets = np.array([0, 1, 2, 0, 2], np.int32), np.array([0, 3, 5])
    probability = np.array([0.3, 0.25, 0.2, 0.1, 0.8], np.float32)
    choice = choose(candidates, offsets, probability, Decision(0.0, 0.5))
    assert choice.classes.tolist() == [2, 2] and choice.likely.tolist() == [0, 2]
    assert choice.likely_probability == pytest.approx([0.4, 8 / 9])


@pytest.mark.parametrize("words", [[], ["--level2", "0"]])
def test_json_is_of_its_schema(models: Path, pages: Path, tmp_path: Path, words: list[str]) -> None:
    schema = json.loads(SCHEMA.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    page = read_page(models, pages / "page1.jpg", tmp_path / "out", *words)
    jsonschema.validate(page, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**page, "confidence": 2}, schema)
    assert page["settings"]["level2"] is (not words)


def test_dropped_boxes_are_in_json_and_viewer(models: Path, pages: Path, tmp_path: Path) -> None:
    page = read_page(models, pages / "page1.jpg", tmp_path / "out", "--level2", "0", "--formats", "json", "viewer")
    viewer = (tmp_path / "out" / "page1.viewer.js").read_text()
    assert viewer.count('"kind":"dropped"') == len(page["dropped"])
    assert len(page["dropped"]) + len(page["characters"]) > 0


@pytest.mark.parametrize(
    ("probability", "n_dropped", "expected"),
    [
        ([], 0, None),
        ([np.nan], 0, None),  # nothing is known of it
        ([np.nan, 0.5], 0, 0.5),
        ([0.9, 0.7], 2, 0.4),
        ([], 3, 0.0),
    ],
)
def test_confidence(probability: list[float], n_dropped: int, expected: float | None) -> None:
    found = page_confidence(np.array(probability, np.float32), n_dropped)
    assert found == (expected if expected is None else pytest.approx(expected))


@pytest.mark.parametrize(
    ("doubtful", "n_kept", "n_dropped", "characters", "reason"),
    [
        ([], 0, 0, 0, ""),  # an empty page
        ([], 0, 0, 8, "no character was found, though there is ink"),
        ([False], 1, 1, 8, ""),  # half of them, no more
        ([False], 1, 2, 8, "2 of 3 boxes are doubtful or were dropped"),
        ([True, True, False], 3, 0, 8, "2 of 3 boxes are doubtful or were dropped"),
    ],
)
def test_doubt(doubtful: list[bool], n_kept: int, n_dropped: int, characters: int, reason: str) -> None:
    image, _ = draw_page(characters, np.random.default_rng(0))
    assert page_doubt(np.array(doubtful, np.bool_), n_kept, n_dropped, image) == reason


def test_ink_on_paper_of_any_brightness() -> None:
    random = np.random.default_rng(0)
    page, _ = draw_page(6, random)
    assert has_ink(page) and has_ink((page * 0.6).astype(np.uint8))
    shadow = np.linspace(80, 230, 200).astype(np.uint8)
    assert not has_ink(np.repeat(np.tile(shadow, (300, 1))[:, :, None], 3, axis=2))
    assert not has_ink(np.full((1, 1, 3), 9, np.uint8))
