"""The command line in process: what is written, what is skipped, what goes wrong."""

import io
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from kuzushiji import cli
from kuzushiji.artifacts.extra import Extra, write_extra
from kuzushiji.artifacts.features import read_features
from kuzushiji.bundle.model_files import find_models
from kuzushiji.classify import blend, level2_features
from kuzushiji.classify.level2 import __main__ as level2
from kuzushiji.classify.main import main as classify
from kuzushiji.data.labels import read_page_points
from kuzushiji.data.vocabulary import Vocabulary
from kuzushiji.files import sha256_of_file
from kuzushiji.predict.__main__ import main
from kuzushiji.predict.config import FORMATS
from kuzushiji.predict.formats import PAGE_FORMATS
from kuzushiji.predict.reader import BundleReader
from kuzushiji.segment import fuse
from kuzushiji.segment.main import main as segment
from tests.models import LEVEL2, some_of, write_classifier, write_detector
from tests.tables import N_FOLDS

Failed = Callable[..., tuple[Any, str]]


def predict(models: Path, output: Path, *words: object) -> int:
    return main([*map(str, words), "--models", str(models), "--output", str(output), "--device", "cpu"])


@pytest.fixture
def failed(capsys: pytest.CaptureFixture[str]) -> Failed:
    """Run a command that must fail; return its exit code and what it prints on standard error."""

    def run(models: Path, output: Path, *words: object) -> tuple[Any, str]:
        argv = [*map(str, words), "--models", str(models), "--output", str(output), "--device", "cpu"]
        with pytest.raises(SystemExit) as exit_:
            cli.run(main, argv)
        return exit_.value.code, capsys.readouterr().err.strip()

    return run


@pytest.fixture(scope="module")
def read(models: Path, tiny_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The test pages of the data root in all formats: read-only."""
    output = tmp_path_factory.mktemp("read") / "out"
    words = ["--formats", *FORMATS, "--doubtful", "keep"]
    assert predict(models, output, tiny_root / "test_images", *words) == 0
    return output


def test_files(read: Path, tiny_root: Path) -> None:
    names = {path.name for path in read.iterdir()}
    pages = [path.stem for path in (tiny_root / "test_images").iterdir()]
    endings = tuple(item.ending for item in PAGE_FORMATS.values())
    assert names == {
        "records",
        "submission.csv",
        "viewer.html",
        *(page + ending for page in pages for ending in endings),
    }


def test_text_is_that_of_the_columns(read: Path) -> None:
    characters = 0
    for path in read.glob("*.json"):
        page = json.loads(path.read_text())
        assert path.with_suffix(".txt").read_text() == page["text"]
        assert page["text"] == "".join(column["text"] + "\n" for column in page["columns"])
        text = [page["characters"][i] for column in page["columns"] for i in column["characters"]]
        assert "".join(item["char"] for item in text) == page["text"].replace("\n", "")
        assert all(item["role"] == "text" for item in text)
        characters += len(text)
    assert characters > 0


def test_characters_have_candidates_of_each_kind_of_model(read: Path) -> None:
    for path in read.glob("*.json"):
        page = json.loads(path.read_text())
        for item in page["characters"]:
            assert set(item["candidates"]) == {"clf", "clf-b"}
            x, y, w, h = item["box"]
            assert 0 <= x < x + w <= page["width"] and 0 <= y < y + h <= page["height"]
            assert 0 <= item["probability"] <= 1 and 0 < item["score"] <= 1
            for best in item["candidates"].values():
                shares = [candidate["probability"] for candidate in best]
                assert len(best) == 5 and shares == sorted(shares, reverse=True) and sum(shares) <= 1.001


def test_table_of_all_pages(read: Path, tiny_root: Path) -> None:
    points = read_page_points(read / "submission.csv")
    assert list(points.image_ids) == sorted(path.stem for path in (tiny_root / "test_images").iterdir())
    pages = {path.stem: json.loads(path.read_text())["characters"] for path in read.glob("*.json")}
    counts = {page: sum(not item["left_out"] for item in items) for page, items in pages.items()}
    assert points.points["image_id"].value_counts().to_dict() == {page: n for page, n in counts.items() if n}


def test_overlay_and_viewer(read: Path) -> None:
    for path in read.glob("*.overlay.png"):
        assert cv2.imread(str(path)).shape[0] == 240
    html, pages = (read / "viewer.html").read_text(), sorted(read.glob("*.viewer.js"))
    assert html.startswith("<!DOCTYPE html>") and re.findall("<option value=.+>(.+)</option>", html) == [
        path.name.removesuffix(".viewer.js") for path in pages
    ]


@pytest.fixture(scope="module")
def staged(models: Path, tiny_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the stages' command lines make of the test pages with the same models: read-only."""
    runs = tmp_path_factory.mktemp("staged")
    data, machine = ["--data-root", str(tiny_root)], ["--workers", "0", "--device", "cpu"]
    for fold in range(2):
        weights = str(models / f"segment-fold{fold}" / "model_best.pth")
        words = ["--output-dir", str(runs / f"segment-fold{fold}"), "--fold", str(fold), "--resume", weights]
        assert segment([*words, "--submission", "1", *data, *machine]) == 0
    boxes = str(runs / "segment_test_predictions.csv")
    assert fuse.main([str(runs / "segment-fold0"), str(runs / "segment-fold1"), boxes]) == 0
    tables, views = [], []
    for fold in range(3):
        for name in (f"clf-fold{fold}", f"clf-fold{fold}-b"):
            weights = str(models / name / "model_best.pth")
            words = [str(tiny_root / "train.csv"), "--output-dir", str(runs / name), "--test-boxes", boxes]
            assert classify([*words, "--resume", weights, "--submission", "1", "--n-tta", "2", *data, *machine]) == 0
            tables.append(str(runs / name / "test_detailed.parquet"))
        views.append(str(runs / f"view{fold}.parquet"))
        assert level2_features.main([json.dumps([[table] for table in tables[-2:]]), views[-1], "--top-k", "2"]) == 0
    assert blend.main([*tables, "--output", str(runs / "blend.csv"), *data]) == 0
    trained = ["--load-model", str(models / "level2_models"), "--output", str(runs / "submission.csv")]
    assert level2.main([tables[0], *views, *trained, *data]) == 0
    return runs


@pytest.mark.parametrize(("level2_used", "name"), [(0, "blend.csv"), (1, "submission.csv")])
def test_reads_what_the_stages_read(
    models: Path, staged: Path, tiny_root: Path, tmp_path: Path, level2_used: int, name: str
) -> None:
    words = [tiny_root / "test_images", "--level2", level2_used, "--formats", "csv"]
    assert predict(models, tmp_path / "out", *words) == 0
    expected, found = (read_page_points(path).points for path in (staged / name, tmp_path / "out" / "submission.csv"))
    key = ["image_id", "code", "x", "y"]
    assert len(expected) > 0
    assert found.sort_values(key)[key].to_numpy().tolist() == expected.sort_values(key)[key].to_numpy().tolist()


def test_goes_on_after_a_page_that_does_not_fit_into_memory(
    light: Path, pages: Path, tmp_path: Path, failed: Failed, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = BundleReader.read

    def full(reader: BundleReader, image: Any, *, name: str = "", **options: Any) -> Any:
        if name == "page1":
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return read(reader, image, name=name, **options)

    monkeypatch.setattr(BundleReader, "read", full)
    code, error = failed(light, tmp_path / "out", pages)
    assert code == 1 and "page1: the memory of the device does not suffice: give a smaller picture" in error
    assert (tmp_path / "out" / "page2.txt").exists() and "Traceback" not in error


def test_goes_on_after_a_bad_page(light: Path, pages: Path, tmp_path: Path, failed: Failed) -> None:
    (pages / "page1a.jpg").write_bytes(b"no picture")
    whole = (pages / "page2.jpg").read_bytes()
    (pages / "page3.jpg").write_bytes(whole[: len(whole) // 2])
    code, error = failed(light, tmp_path / "out", pages, tmp_path / "missing.png", "--formats", "text", "csv")
    assert code == 1
    lines = [line for line in error.splitlines() if line.startswith("failed: ")]
    assert len(lines) == 3
    assert any(
        "page1a.jpg: expected a JPEG, PNG, TIFF, WebP or JPEG 2000 image, got 10 bytes that are none" in line
        for line in lines
    )
    assert any("page3.jpg: expected a whole JPEG image" in line for line in lines)
    assert any("missing.png: expected the image of a page, cannot be read: No such file" in line for line in lines)
    assert (tmp_path / "out" / "page1.txt").is_file() and (tmp_path / "out" / "page2.txt").is_file()
    assert read_page_points(tmp_path / "out" / "submission.csv").image_ids == ("page1", "page2")


def test_resume_reads_only_what_is_new(
    light: Path, pages: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    words = [pages, "--formats", "text", "csv", "--json", "1", "--resume", "1"]

    def read_and_skipped(*more: object) -> tuple[int, int]:
        capsys.readouterr()
        assert predict(light, out, *words, *more) == 0
        summary = json.loads(capsys.readouterr().out)
        return summary["read"], summary["skipped"]

    assert read_and_skipped() == (2, 0)
    table = (out / "submission.csv").read_text()
    assert read_and_skipped() == (0, 2)
    (out / "page1.txt").write_text("changed")
    assert read_and_skipped() == (1, 1)
    shutil.copy(pages / "page1.jpg", pages / "page0.jpg")
    assert read_and_skipped() == (1, 2)
    (pages / "page0.jpg").unlink()
    assert read_and_skipped("--n-tta", "1") == (2, 0)  # another setting
    assert read_and_skipped() == (2, 0)
    assert (out / "submission.csv").read_text() == table


def test_names_on_standard_input(light: Path, pages: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{pages / 'page2.jpg'}\n\n{pages / 'page1.jpg'}\n"))
    assert predict(light, tmp_path / "out", "-", "--formats", "csv") == 0
    assert read_page_points(tmp_path / "out" / "submission.csv").image_ids == ("page2", "page1")


def test_summary_says_what_each_stage_took(
    models: Path, pages: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert predict(models, tmp_path / "out", pages / "page1.jpg") == 0
    lines = capsys.readouterr().out.splitlines()
    first = [line.split("  ")[0] for line in lines]
    assert first[:7] == ["stage", "read", "detect", "classify", "level 2", "write", "together"]
    assert "1 pages read" in lines[-1] and "0 failed" in lines[-1]
    assert predict(models, tmp_path / "without", pages / "page1.jpg", "--level2", "0") == 0
    without = [line.split("  ")[0] for line in capsys.readouterr().out.splitlines()]
    assert without[:6] == ["stage", "read", "detect", "classify", "write", "together"]


def test_page_without_characters_is_empty_and_valid(models: Path, pages: Path, tmp_path: Path) -> None:
    runs = some_of(models, tmp_path / "runs", "clf-fold0")
    write_detector(runs / "segment-fold0", score_threshold=1.0)
    out = tmp_path / "out"
    assert predict(runs, out, pages / "page1.jpg", "--formats", *FORMATS) == 0
    assert (out / "page1.txt").read_text() == ""
    page = json.loads((out / "page1.json").read_text())
    assert page["characters"] == page["columns"] == [] and page["width"] == 160
    assert read_page_points(out / "submission.csv").image_ids == ("page1",)
    assert (out / "page1.viewer.js").stat().st_size > 1000


def test_tiny_picture(light: Path, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "dot.png"), np.full((3, 2, 3), 200, np.uint8))
    assert predict(light, tmp_path / "out", tmp_path / "dot.png") == 0


def test_no_pages(light: Path, tmp_path: Path, failed: Failed, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "empty").mkdir()
    code, error = failed(light, tmp_path / "out", tmp_path / "empty")
    assert code == 1 and error.startswith("error: ") and "empty: expected pages in it (.jpg" in error
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    code, error = failed(light, tmp_path / "out", "-")
    assert (code, error) == (1, "error: expected pages to read, got no names")


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("segment-fold*", "expected at least one detector (segment-fold*/model_best.pth), got none"),
        ("clf-fold*", "expected at least one classifier (clf-fold*/model_best.pth), got none"),
        ("*", "expected a folder of models (of run-all.sh or kuzushiji.export), got none"),
    ],
)
def test_missing_models(models: Path, pages: Path, tmp_path: Path, failed: Failed, missing: str, message: str) -> None:
    names = [path.name for path in models.iterdir() if not path.match(missing)]
    runs = tmp_path / "runs"
    if names:
        some_of(models, runs, *names)
    code, error = failed(runs, tmp_path / "out", pages)
    assert (code, error) == (1, f"error: {runs}: {message}")
    assert not (tmp_path / "out").exists()


def test_models_of_different_vocabularies(models: Path, pages: Path, tmp_path: Path, failed: Failed) -> None:
    runs = some_of(models, tmp_path / "runs", "segment-fold0", "clf-fold0")
    write_classifier(runs / "clf-fold1", 0, Vocabulary.from_codes(["U+3042", "U+4E00"]))
    code, error = failed(runs, tmp_path / "out", pages)
    assert code == 1 and "\n" not in error
    assert "clf-fold1/model_best.pth: expected the vocabulary of 6 codes as in" in error


def test_second_level_of_other_models(models: Path, pages: Path, tmp_path: Path, failed: Failed) -> None:
    names = ("segment-fold0", "clf-fold0", "clf-fold1", "clf-fold2", "level2_models")
    runs = some_of(models, tmp_path / "runs", *names)
    code, error = failed(runs, tmp_path / "out", pages)
    assert code == 1 and "level2_models: expected 2 kinds of classifiers, as it was trained with, got 1 (clf)" in error
    assert predict(runs, tmp_path / "out2", pages, "--level2", "0") == 0


def test_second_level_of_as_many_other_kinds(models: Path, pages: Path, tmp_path: Path, failed: Failed) -> None:
    runs = tmp_path / "runs"
    some_of(models, runs, *(path.name for path in models.iterdir() if not path.name.endswith("-b")))
    for fold in range(N_FOLDS):
        (runs / f"clf-fold{fold}-a").symlink_to(models / f"clf-fold{fold}-b")
    code, error = failed(runs, tmp_path / "out", pages)
    assert code == 1 and "level2_models: expected classifiers of the kinds clf, clf-b, as it was trained with" in error
    assert "got clf, clf-a; --level2 0 reads without it" in error


def test_the_second_level_knows_the_order_of_its_kinds(models: Path, tmp_path: Path) -> None:
    """By itself; one that was trained before it did, by the record of its features; else it is that of the names."""
    no_features = [path.name for path in models.iterdir() if not path.name.startswith("level2_")]
    runs = some_of(models, tmp_path / "runs", *no_features)
    shutil.copytree(models / "level2_models", runs / "level2_models")
    path, features = runs / "level2_models" / "level2.json", "level2_features_fold0.parquet.record.json"
    saved, record = (json.loads(file.read_text()) for file in (path, models / features))
    assert saved["kinds"] == ["clf", "clf-b"]
    older = {name: value for name, value in saved.items() if name != "kinds"}
    other_order = {**record, "parameters": {"groups": record["parameters"]["groups"][::-1]}}
    for facts, beside, expected in (
        ({**saved, "kinds": ["clf-b", "clf"]}, record, ("clf-b", "clf")),
        (older, other_order, ("clf-b", "clf")),
        (older, None, ("clf", "clf-b")),
    ):
        path.write_text(json.dumps(facts))
        (runs / features).unlink(missing_ok=True)
        if beside is not None:
            (runs / features).write_text(json.dumps(beside))
        assert find_models(runs).kinds == expected


def test_second_level_of_an_older_format(models: Path, pages: Path, tmp_path: Path, failed: Failed) -> None:
    runs = some_of(models, tmp_path / "runs", *(path.name for path in models.iterdir() if path.name != "level2_models"))
    shutil.copytree(models / "level2_models", runs / "level2_models")
    path = runs / "level2_models" / "level2.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 1}))
    code, error = failed(runs, tmp_path / "out", pages)
    assert code == 1 and "expected a second level of format 2, got format 1; level2.sh trains it again" in error
    assert error.endswith("do without it by --level2 0")
    assert predict(runs, tmp_path / "out2", pages, "--level2", "0") == 0


def test_second_level_with_columns_of_optional_stages(
    models: Path, pages: Path, tiny_root: Path, tmp_path: Path, failed: Failed
) -> None:
    runs = some_of(models, tmp_path / "runs", *(path.name for path in models.iterdir() if path.name != "level2_models"))
    words = []
    for fold in range(N_FOLDS):
        features, extra = models / f"level2_features_fold{fold}.parquet", tmp_path / f"knn{fold}.parquet"
        share = np.zeros(len(read_features(features).candidates), np.float32)
        write_extra(extra, Extra({"knn_share": share}, sha256_of_file(features)))
        words += [str(models / f"clf-fold{fold}" / "detailed.parquet"), str(features), str(extra)]
    words += ["--save-model", str(runs / "level2_models"), "--data-root", str(tiny_root), *LEVEL2]
    assert level2.main(words) == 0
    code, error = failed(runs, tmp_path / "out", pages)
    assert code == 1 and "columns of optional stages (knn_share), which new pages do not have" in error


def test_damaged_model(models: Path, pages: Path, tmp_path: Path, failed: Failed) -> None:
    runs = some_of(models, tmp_path / "runs", "segment-fold0")
    (runs / "clf-fold0").mkdir()
    (runs / "clf-fold0" / "model_best.pth").write_bytes(b"no weights")
    code, error = failed(runs, tmp_path / "out", pages)
    assert code == 1 and "\n" not in error and "clf-fold0/model_best.pth" in error
    assert failed(runs, tmp_path / "out", pages) == (code, error)  # the folder is as new as before


def test_output_exists(light: Path, pages: Path, tmp_path: Path, failed: Failed) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").write_text("mine")
    code, error = failed(light, out, pages)
    assert (code, error) == (
        1, f"error: {out}: exists and is not empty; --resume goes on in it, --force writes into it"
    )  # fmt: skip
    code, error = failed(light, out, pages, "--resume")
    assert code == 1 and "--resume: expected a folder of results, got one without records/" in error
    code, error = failed(light, out / "mine.txt", pages)
    assert code == 1 and error.endswith("mine.txt: expected a folder for the results, got a file")
    assert predict(light, out, pages / "page1.jpg", "--force", "1") == 0
    assert (out / "mine.txt").read_text() == "mine" and (out / "page1.txt").is_file()


def test_no_permission_to_write(
    light: Path, pages: Path, tmp_path: Path, failed: Failed, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    code, error = failed(light, tmp_path / "file" / "out", pages)
    assert code == 1 and "\n" not in error and str(tmp_path / "file" / "out") in error

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.mkstemp", refuse)
    code, error = failed(light, tmp_path / "out", pages)
    assert code == 1 and error.endswith("cannot write there: Permission denied")


def test_wrong_words_on_the_command_line(light: Path, tmp_path: Path, failed: Failed) -> None:
    code, error = failed(light, tmp_path / "out", "page.jpg", "--formats", "pdf")
    assert code == 2 and "invalid choice: 'pdf'" in error
