"""`python -m kuzushiji.convert`: from labelled pages to a data root that the check passes, and back."""

import json
import os
from pathlib import Path

import pytest

from kuzushiji.convert.__main__ import main
from kuzushiji.convert.config import FORMS, TARGETS
from kuzushiji.data.check import main as check
from kuzushiji.data.labels import read_page_labels
from kuzushiji.errors import InputError, UsageError
from kuzushiji.forms import registry
from tests.forms.samples import BOXES, SAMPLES, picture, rows_of

TRUTH = {("b1_001", f"U+{ord(char):04X}", *map(float, box)) for char, *box in BOXES}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Pages in LabelMe's form."""
    SAMPLES["labelme"][1](tmp_path / "source")
    return tmp_path / "source"


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def test_the_command_line_names_all_forms() -> None:
    assert tuple(registry.FORMS) == FORMS
    assert {"root", *registry.WRITERS} == set(TARGETS)


def test_a_data_root(source: Path, out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(source), str(out), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts == {
        "form": "labelme", "pages": 2, "books": 1, "test pages": 0, "characters": 3, "classes": 3,
        "pictures": {"linked": 2}, "odd": {}, "left out": 0,
    }  # fmt: skip
    labels = read_page_labels(out / "train.csv")
    assert labels.image_ids == ("b1_001", "b1_002") and rows_of(labels) == TRUTH
    translation = (out / "unicode_translation.csv").read_text(encoding="utf-8")
    assert translation == "Unicode,char\nU+3042,あ\nU+3044,い\nU+5BFF,寿\n"
    assert os.path.samefile(out / "train_images" / "b1_001.jpg", source / "b1_001.jpg")
    assert not (out / "sample_submission.csv").exists() and not (out / "test_images").exists()


def test_test_pages(tiny_root: Path, out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tiny_root), str(out), "--test-books", "umgy", "100000003"]) == 0
    train, test = (read_page_labels(out / name) for name in ("train.csv", "solution.csv"))
    assert {*map(len, (train.image_ids, test.image_ids))} == {8, 5}
    assert rows_of(train) | rows_of(test) == rows_of(read_page_labels(tiny_root / "train.csv"))
    assert {path.stem for path in (out / "test_images").iterdir()} == set(test.image_ids)
    capsys.readouterr()
    assert check([str(out)]) == 0, capsys.readouterr().out


def test_pages_of_one_book_on_both_sides_are_told(source: Path, out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(source), str(out), "--test-share", "0.5", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["odd"] == {"books on both sides": 1}
    assert "flatters" in (out / "conversion.log").read_text()


def test_characters_are_mapped_and_counted(source: Path, out: Path, tmp_path: Path) -> None:
    (tmp_path / "map.csv").write_text("寿,U+58FD\n", encoding="utf-8")
    assert main([str(source), str(out), "--map", str(tmp_path / "map.csv")]) == 0
    assert {row[1] for row in rows_of(read_page_labels(out / "train.csv"))} == {"U+3042", "U+3044", "U+58FD"}
    assert "寿 U+5BFF: became 壽 U+58FD, boxes: 1" in (out / "conversion.log").read_text(encoding="utf-8")


@pytest.mark.parametrize(("normalise", "code"), [("1", "U+795E"), ("0", "U+FA19")])
def test_compatibility_forms(normalise: str, code: str, source: Path, out: Path) -> None:
    path = source / "b1_001.json"
    path.write_text(path.read_text(encoding="utf-8").replace("寿", "U+FA19"), encoding="utf-8")
    main([str(source), str(out), "--normalise", normalise])
    assert code in {row[1] for row in rows_of(read_page_labels(out / "train.csv"))}


def test_books_by_folders(tmp_path: Path, out: Path) -> None:
    for book in ("genji_1", "ise"):
        SAMPLES["labelme"][1](tmp_path / "source" / book)
        images = tmp_path / "source" / book / "images"
        images.mkdir()
        for path in (tmp_path / "source" / book).glob("*.jpg"):
            path.rename(images / path.name)
    assert main([str(tmp_path / "source"), str(out), "--book-folders"]) == 0
    pages = {f"{book}_b1_00{page}" for book in ("Genji1", "ise") for page in (1, 2)}
    assert set(read_page_labels(out / "train.csv").image_ids) == pages


def test_one_book(source: Path, out: Path) -> None:
    assert main([str(source), str(out), "--book", "ise"]) == 0
    assert read_page_labels(out / "train.csv").image_ids == ("ise_b1_001", "ise_b1_002")


def test_names_without_a_book_are_told(tmp_path: Path, out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    SAMPLES["labelme"][1](tmp_path / "source")
    for number in range(3):
        text = (tmp_path / "source" / "b1_002.json").read_text().replace("b1_002", f"000{number}")
        (tmp_path / "source" / f"000{number}.json").write_text(text)
        picture(tmp_path / "source" / f"000{number}.jpg")
    for name in ("b1_001", "b1_002"):
        (tmp_path / "source" / f"{name}.json").unlink()
        (tmp_path / "source" / f"{name}.jpg").unlink()
    assert main([str(tmp_path / "source"), str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["odd"] == {"names without a book": 1}


def test_what_is_left_out_is_named_and_the_rest_converted(
    source: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (source / "b1_002.jpg").rename(source / "other.jpg")
    assert main([str(source), str(out), "--json"]) == 1
    facts = json.loads(capsys.readouterr().out)
    assert (facts["pages"], facts["left out"], facts["odd"]) == (1, 1, {"pictures without labels": 1})
    log = (out / "conversion.log").read_text()
    assert "left out: " in log and "b1_002.json: expected the picture 'b1_002.jpg'" in log and "other.jpg" in log


def test_pictures_elsewhere(source: Path, out: Path, tmp_path: Path) -> None:
    (tmp_path / "scans").mkdir()
    for path in source.glob("*.jpg"):
        path.rename(tmp_path / "scans" / path.name)
    with pytest.raises(InputError, match="got none: .*expected the picture 'b1_001.jpg' in .*found none"):
        main([str(source), str(out)])
    assert not out.exists()
    assert main([str(source), str(out), "--images", str(tmp_path / "scans")]) == 0


def test_a_folder_with_other_files_is_never_replaced(source: Path, out: Path) -> None:
    out.mkdir()
    (out / "train.csv").write_text("mine")
    for more in ([], ["--force"]):
        with pytest.raises(InputError, match="expected a new or empty folder, got one with other files"):
            main([str(source), str(out), *more])
    assert (out / "train.csv").read_text() == "mine" and len(list(out.iterdir())) == 1


def test_an_earlier_conversion_is_replaced_on_demand(tiny_root: Path, source: Path, out: Path) -> None:
    assert main([str(tiny_root), str(out), "--test-share", "0.4"]) == 0
    (out / "notes.txt").write_text("mine")
    before = (out / "train.csv").read_bytes()
    with pytest.raises(InputError, match="holds an earlier conversion; --force replaces it"):
        main([str(source), str(out)])
    assert (out / "train.csv").read_bytes() == before
    assert main([str(source), str(out), "--force"]) == 0
    names = {"train.csv", "train_images", "unicode_translation.csv", "conversion.json", "conversion.log", "notes.txt"}
    assert {path.name for path in out.iterdir()} == names
    assert len(list((out / "train_images").iterdir())) == 2


def test_a_conversion_that_fails_leaves_the_earlier_one(source: Path, out: Path) -> None:
    assert main([str(source), str(out)]) == 0
    (source / "b1_001.json").write_text("{")
    (source / "b1_002.json").write_text("{")
    with pytest.raises(InputError):
        main([str(source), str(out), "--force"])
    assert len(read_page_labels(out / "train.csv").image_ids) == 2


def test_boxes_that_xml_cuts_are_told(tmp_path: Path, out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    SAMPLES["root"][1](tmp_path / "source")
    table = tmp_path / "source" / "train.csv"
    table.write_text(table.read_text().replace("100 20 30 40", "150 20 30 40"))
    assert main([str(tmp_path / "source"), str(out), "--to", "page", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["odd"] == {"boxes over the edge": 1}


USAGE = {
    "a form that is none": (["--form", "paper"], "--form"),
    "two ways to books": (["--book", "x", "--book-folders"], "--book or --book-folders"),
    "two ways to test pages": (["--test-share", "0.1", "--test-books", "x"], "--test-share or --test-books"),
    "test pages in another form": (["--test-share", "0.1", "--to", "coco"], "expected --to root, got coco"),
}


@pytest.mark.parametrize(("words", "message"), USAGE.values(), ids=USAGE)
def test_usage(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises((UsageError, SystemExit)) as raised:
        main(["source", "out", *words])
    assert message in str(raised.value) + capsys.readouterr().err


@pytest.mark.parametrize(("form", "ending"), [("tei", ".tei.xml"), ("hocr", ".hocr"), ("koji", ".koji")])
def test_forms_that_are_not_read_are_written_as_predict_writes_them(
    form: str, ending: str, tiny_root: Path, tmp_path: Path
) -> None:
    """Beside each page's picture; characters of a labelled page have no probability and are not doubtful."""
    out = tmp_path / "out"
    assert main([str(tiny_root), str(out), "--to", form]) == 0
    pages = [path.stem for path in (tiny_root / "train_images").iterdir()]
    assert {path.name.removesuffix(ending) for path in out.glob(f"*{ending}")} == set(pages)
    content = "".join(path.read_text(encoding="utf-8") for path in out.glob(f"*{ending}"))
    assert "nan" not in content and "unclear" not in content
