"""`python -m kuzushiji.evaluate`: every form on either side, by book and class, and the same F1 as the metric."""

import json
from pathlib import Path
from typing import Any

import jiwer
import numpy as np
import pandas as pd
import pytest

from kuzushiji.convert.__main__ import main as convert
from kuzushiji.data.folds import book_id
from kuzushiji.data.labels import PageLabels, PagePoints, read_page_labels, write_page_labels, write_page_points
from kuzushiji.errors import InputError
from kuzushiji.evaluate.__main__ import main
from kuzushiji.forms.registry import FORMS
from kuzushiji.layout import layout_of_page
from kuzushiji.metric import main as metric
from tests.conftest import CODES, PAGE_WIDTH
from tests.forms.samples import predict, write_json


def run(capsys: pytest.CaptureFixture[str], *words: object, code: int = 0) -> Any:
    capsys.readouterr()
    assert main([*map(str, words), "--json"]) == code
    return json.loads(capsys.readouterr().out)


@pytest.fixture(scope="module")
def truth(tiny_root: Path) -> PageLabels:
    return read_page_labels(tiny_root / "train.csv")


def noisy(truth: PageLabels, seed: int) -> PageLabels:
    """Return boxes that are missed, invented, shifted and read as something else, a few of each."""
    random = np.random.default_rng(seed)
    boxes = truth.boxes[random.random(len(truth.boxes)) > 0.1].copy()
    boxes.loc[random.random(len(boxes)) < 0.1, "code"] = random.choice(CODES)
    boxes["x"] += np.where(random.random(len(boxes)) < 0.1, 30, random.normal(0, 1, len(boxes))).round()
    boxes = pd.concat([boxes, boxes[random.random(len(boxes)) < 0.1].assign(y=1.0)], ignore_index=True)
    page = np.array([truth.image_ids.index(name) for name in boxes["image_id"]])
    order = np.argsort(page, kind="stable")
    boxes, page = boxes.iloc[order], page[order]
    return PageLabels.from_arrays(truth.image_ids, page, boxes["code"], boxes[["x", "y", "w", "h"]].to_numpy())


def points_of(labels: PageLabels) -> PagePoints:
    centers = labels.boxes_xywh[:, :2] + labels.boxes_xywh[:, 2:] / 2
    return PagePoints.from_arrays(labels.image_ids, labels.page, labels.boxes["code"], centers)


@pytest.mark.parametrize("form", ["root", *(name for name, form in FORMS.items() if form.write and name != "yolo")])
def test_the_truth_reads_itself_in_every_form(
    form: str, tiny_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    convert([str(tiny_root), str(tmp_path / "out"), "--to", form])
    facts = run(capsys, tmp_path / "out", tiny_root / "train.csv")
    assert facts["characters"]["f1"] == facts["boxes"]["f1"] == facts["text"]["pages right"] == 1.0
    assert facts["text"]["cer"] == 0.0 and not facts["confusions"]
    # CODH's tables do not know of the page without text.
    assert (facts["pages"], facts["only in truth"]) == ((12, 1) if form == "csv" else (13, 0))


@pytest.mark.parametrize("seed", range(3))
def test_f1_is_the_metric(
    seed: int, truth: PageLabels, tiny_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_page_points(tmp_path / "submission.csv", points_of(noisy(truth, seed)))
    sides = (tmp_path / "submission.csv", tiny_root / "train.csv")
    facts = run(capsys, *sides)
    metric([*map(str, sides), "--json"])
    assert facts["characters"] == json.loads(capsys.readouterr().out)
    assert 0 < facts["characters"]["f1"] < facts["boxes"]["f1"] < 1


def test_classes_books_and_confusions(
    truth: PageLabels, tiny_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    read = noisy(truth, 5)
    write_page_labels(tmp_path / "read.csv", read)
    facts = run(
        capsys, tmp_path / "read.csv", tiny_root / "train.csv", "--tables", tmp_path / "tables", "--confusions", 3
    )
    total, boxes = facts["characters"], facts["boxes"]
    tables = {path.stem: pd.read_csv(path, keep_default_na=False) for path in (tmp_path / "tables").iterdir()}
    assert set(tables) == {"pages", "lines", "classes", "confusions"}
    classes, pages, confusions = tables["classes"], tables["pages"], tables["confusions"]
    assert classes["truth"].sum() == len(truth.boxes) and classes["predicted"].sum() == len(read.boxes)
    assert classes["found"].sum() == total["tp"] == pages["tp"].sum()
    assert pages["boxes_tp"].sum() == boxes["tp"]
    assert set(pages["book"]) == {row["book"] for row in facts["books"]} == set(map(book_id, truth.image_ids))
    # Every miss and every false one is in the list of confusions, once or paired with the other.
    assert confusions.loc[confusions["truth"] != "", "count"].sum() == total["fn"]
    assert confusions.loc[confusions["read"] != "", "count"].sum() == total["fp"]
    assert [item["count"] for item in facts["confusions"]] == confusions["count"].tolist()[:3]
    assert tables["lines"]["edits"].sum() == pages["edits"].sum() == facts["text"]["edits"]


def test_cer_in_reading_order_is_jiwers(
    truth: PageLabels, tiny_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    read = noisy(truth, 6)
    write_page_labels(tmp_path / "read.csv", read)
    facts = run(capsys, tmp_path / "read.csv", tiny_root / "train.csv")

    def texts(labels: PageLabels) -> list[str]:
        found = []
        for _, boxes in labels.by_page():
            chars = [chr(int(code[2:], 16)) for code in boxes["code"]]
            order = layout_of_page(boxes[["x", "y", "w", "h"]].to_numpy(), PAGE_WIDTH).order
            found.append("".join(chars[i] for i in order))
        return found

    pairs = [pair for pair in zip(texts(truth), texts(read), strict=True) if pair[0]]
    expected = jiwer.cer([true for true, _ in pairs], [found for _, found in pairs])
    assert facts["text"]["cer"] == pytest.approx(expected, abs=1e-9)


def test_points_without_sizes_are_read_in_the_same_order(
    truth: PageLabels, tiny_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_page_points(tmp_path / "submission.csv", points_of(truth))
    assert run(capsys, tmp_path / "submission.csv", tiny_root)["text"]["cer"] == 0.0


def test_what_predict_wrote_is_read_from_its_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("read", "truth"):
        (tmp_path / name).mkdir()
        predict(tmp_path / name)
    (tmp_path / "read" / "b1_001.txt").write_text("あい\n夢\n")
    facts = run(capsys, tmp_path / "read", tmp_path / "truth")
    assert facts["text"]["cer"] == 0.0 and facts["characters"]["f1"] == 1.0
    facts = run(capsys, tmp_path / "read", tmp_path / "truth", "--form", "text")
    assert facts["text"]["cer"] == 1 / 3 and "characters" not in facts
    assert facts["confusions"] == [{"truth": "寿", "read": "夢", "count": 1}]
    assert (facts["only in truth"], facts["pages"], facts["pages without boxes"]) == (1, 1, 1)


def test_furigana_that_text_has_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "truth").mkdir()
    predict(tmp_path / "truth")
    page = tmp_path / "truth" / "b1_001.json"
    value = json.loads(page.read_text(encoding="utf-8"))
    value["characters"][2]["role"] = "furigana"
    write_json(page, value)
    (tmp_path / "b1_001.txt").write_text("あい\n")
    assert run(capsys, tmp_path / "b1_001.txt", tmp_path / "truth")["text"]["edits"] == 1
    assert "1 lines of the truth are furigana or at the edge: --ignore furigana,edge" in caplog.text
    assert run(capsys, tmp_path / "b1_001.txt", tmp_path / "truth", "--ignore", "furigana")["text"]["edits"] == 0


def test_what_is_ignored(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "truth").mkdir()
    (tmp_path / "read").mkdir()
    (tmp_path / "truth" / "p.txt").write_text("國が、\n")
    (tmp_path / "read" / "p.txt").write_text("国か\n")
    sides = (tmp_path / "read", tmp_path / "truth")
    assert run(capsys, *sides)["text"]["edits"] == 3
    assert run(capsys, *sides, "--ignore", "marks,voicing,old-forms")["text"]["edits"] == 0
    (tmp_path / "map.csv").write_text("國,国\n")
    assert run(capsys, *sides, "--map", tmp_path / "map.csv")["text"]["edits"] == 2


def test_pages_of_one_side(
    truth: PageLabels,
    tiny_root: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    names = [*truth.image_ids[1:], "other_1"]
    page = np.array([names.index(name) for name in truth.boxes["image_id"] if name != truth.image_ids[0]])
    kept = truth.boxes[truth.boxes["image_id"] != truth.image_ids[0]]
    boxes = kept[["x", "y", "w", "h"]].to_numpy()
    labels = PageLabels.from_arrays(
        names, np.append(page, 12), [*kept["code"], CODES[0]], np.append(boxes, boxes[:1], 0)
    )
    write_page_labels(tmp_path / "read.csv", labels)
    sides = (tmp_path / "read.csv", tiny_root / "train.csv")
    facts = run(capsys, *sides)
    assert (facts["pages"], facts["only in truth"], facts["only in predictions"]) == (12, 1, 1)
    assert facts["characters"]["f1"] == 1.0
    assert f"1 pages of {sides[1]} are not in {sides[0]} and are left out" in caplog.text
    counted = run(capsys, *sides, "--count-missing")
    first = int((truth.boxes["image_id"] == truth.image_ids[0]).sum())
    assert (counted["pages"], counted["characters"]["fn"], counted["characters"]["fp"]) == (14, first, 1)
    assert counted["text"]["edits"] == first + 1


def test_some_pages(truth: PageLabels, tiny_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    read = noisy(truth, 7)
    write_page_points(tmp_path / "submission.csv", points_of(read))
    sides = (str(tmp_path / "submission.csv"), str(tiny_root / "train.csv"))
    chosen = truth.image_ids[2:5]
    (tmp_path / "pages.txt").write_text("\n".join(chosen[1:]))
    words = ["--pages", chosen[0], str(tmp_path / "pages.txt")]
    facts = run(capsys, *sides, *words)
    assert facts["pages"] == 3
    metric([*sides, "--json", *words])
    assert facts["characters"] == json.loads(capsys.readouterr().out)
    with pytest.raises(InputError, match="expected pages of the table, which has 13, got nobody"):
        metric([*sides, "--pages", "nobody"])
    with pytest.raises(InputError, match="--pages: expected pages of .*, got nobody"):
        main([*sides, "--pages", "nobody"])


def test_as_tables(tiny_root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tiny_root), str(tiny_root)]) == 0
    out = capsys.readouterr().out
    assert "text cer" in out and "F1 of boxes" in out and "hnsd" in out


def test_a_data_root_has_its_test_pages_too(tiny_root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, tiny_root / "solution.csv", tiny_root)["pages"] == 3


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("read", "truth"):
        (tmp_path / name).mkdir()
        predict(tmp_path / name)
    text = (tmp_path / "read" / "b1_002.json").read_text()
    (tmp_path / "read" / "b1_002.json").write_text(text.replace('"characters"', '"letters"'))
    facts = run(capsys, tmp_path / "read", tmp_path / "truth", code=1)
    assert (facts["pages"], facts["only in truth"]) == (1, 1)


def test_tables_are_not_written_over_other_files(tiny_root: Path, tmp_path: Path) -> None:
    words = [str(tiny_root), str(tiny_root), "--tables", str(tmp_path)]
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="expected a new or empty folder for the tables"):
        main(words)
    assert main([*words, "--force"]) == 0
    assert (tmp_path / "mine.txt").read_text() == "mine" and (tmp_path / "lines.csv").is_file()


def test_yolo_counts_no_pixels(tiny_root: Path, tmp_path: Path) -> None:
    convert([str(tiny_root), str(tmp_path / "yolo"), "--to", "yolo"])
    with pytest.raises(InputError, match="txt: expected boxes in pixels; kuzushiji.convert makes"):
        main([str(tmp_path / "yolo"), str(tiny_root)])


@pytest.mark.parametrize(
    ("read", "message"),
    [
        ("none", "none: expected pages, there is no such file or folder"),
        ("train_images", r"train_images: expected pages \(root, predict, .*text\), got none"),
        (
            "sample_submission.csv",
            "expected pages that .* has, such as 100000001_00001_1, got none, but test_100000001",
        ),
    ],
)
def test_nothing_to_compare(read: str, message: str, tiny_root: Path) -> None:
    with pytest.raises(InputError, match=message):
        main([str(tiny_root / read), str(tiny_root / "train.csv")])
