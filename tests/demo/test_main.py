import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from kuzushiji.cli import run
from kuzushiji.data.characters import read_unicode_translation
from kuzushiji.data.folds import book_id
from kuzushiji.data.labels import read_page_labels, read_page_points
from kuzushiji.data.pages import read_page
from kuzushiji.data.paths import DataRoot
from kuzushiji.demo.__main__ import Demo, main
from kuzushiji.report.page_scores import read_test_books

SMALL = ["--books", "2", "--pages", "3", "--test-books", "1", "--test-pages", "2", "--page-height", "200"]


def demo(out: Path, *options: str) -> list[str]:
    return [str(out), *SMALL, "--workers", "1", *options]


def digests(root: Path) -> dict[str, str]:
    """Digest of every image and table."""
    names = [path for suffix in ("jpg", "csv") for path in root.rglob(f"*.{suffix}")]
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in names}


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("demo") / "books"
    assert main(demo(out)) == 0
    return out


def test_the_layout_is_the_competitions(books: Path) -> None:
    root = DataRoot(books)
    train, solution = read_page_labels(root.train_csv), read_page_labels(root.solution_csv)
    assert (len(train.image_ids), len(solution.image_ids)) == (3, 2)
    for labels, image in ((train, root.train_image), (solution, root.test_image)):
        for image_id in labels.image_ids:
            assert read_page(image(image_id)).shape[0] == 200
    codes = set(train.boxes["code"]) | set(solution.boxes["code"])
    assert codes <= set(read_unicode_translation(root.unicode_translation_csv))


def test_test_pages_are_in_the_sample_and_in_no_table_of_training(books: Path) -> None:
    root = DataRoot(books)
    sample, solution = read_page_points(root.sample_submission_csv), read_page_labels(root.solution_csv)
    assert sample.image_ids == solution.image_ids
    assert not set(solution.image_ids) & set(read_page_labels(root.train_csv).image_ids)
    assert {path.stem for path in root.test_images.iterdir()} == set(solution.image_ids)


def test_books_of_test_pages_are_those_of_training_and_further_ones(books: Path) -> None:
    root = DataRoot(books)
    trained = {book_id(page) for page in read_page_labels(root.train_csv).image_ids}
    of_page = read_test_books(root)
    assert set(of_page) == set(read_page_labels(root.solution_csv).image_ids)
    assert [book in trained for book in sorted(of_page.values())] == [True, False]


def test_two_workers_write_the_same_as_one(books: Path, tmp_path: Path) -> None:
    assert main(demo(tmp_path / "two", "--workers", "2")) == 0
    assert digests(tmp_path / "two") == digests(books)


def test_another_seed_gives_other_books(books: Path, tmp_path: Path) -> None:
    assert main(demo(tmp_path / "other", "--seed", "1")) == 0
    other = digests(tmp_path / "other")
    assert all(
        other[name] != digest for name, digest in digests(books).items() if name in other and "unicode" not in name
    )


def test_what_was_written_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(demo(tmp_path / "a")) == 0
    lines = dict(line.split() for line in capsys.readouterr().out.splitlines())
    assert main(demo(tmp_path / "b", "--json")) == 0
    told = json.loads(capsys.readouterr().out)
    assert list(lines) == list(told) == [
        "train_pages", "test_pages", "characters", "classes", "test_only_classes", "test_only_characters",
    ]  # fmt: skip
    assert [number.replace(",", "") for number in lines.values()] == [str(number) for number in told.values()]


def test_characters_that_only_test_pages_have_are_counted(books: Path) -> None:
    told = json.loads((books / "record-demo.json").read_text())["facts"]
    root = DataRoot(books)
    train, solution = (read_page_labels(path).boxes["code"] for path in (root.train_csv, root.solution_csv))
    unknown = [code for code in solution if code not in set(train)]
    assert unknown
    assert (told["test_only_classes"], told["test_only_characters"]) == (len(set(unknown)), len(unknown))


def test_a_second_call_is_skipped_and_says_so(books: Path, caplog: pytest.LogCaptureFixture) -> None:
    before = {path: path.stat().st_mtime_ns for path in books.rglob("*")}
    with caplog.at_level("INFO"):
        assert main(demo(books)) == 0
    assert "demo: already done, skipped" in caplog.text
    assert before == {path: path.stat().st_mtime_ns for path in books.rglob("*")}


def test_what_is_missing_is_written_again(tmp_path: Path) -> None:
    out = tmp_path / "books"
    main(demo(out))
    before = digests(out)
    next((out / "train_images").iterdir()).unlink()
    (out / "train.csv").write_text("damaged")
    assert main(demo(out)) == 0
    assert digests(out) == before


def test_an_interrupted_run_is_gone_on_with(tmp_path: Path) -> None:
    out = tmp_path / "books"
    main(demo(out))
    before = digests(out)
    for name in ("record-demo.json", "train.csv", "solution.csv"):
        (out / name).unlink()
    assert main(demo(out)) == 0
    assert digests(out) == before


def test_force_replaces_books_of_other_parameters(tmp_path: Path) -> None:
    out = tmp_path / "books"
    main(demo(out, "--seed", "1"))
    assert main(demo(out, "--force")) == 0
    assert json.loads((out / "params.json").read_text())["seed"] == 0
    assert len(list((out / "train_images").iterdir())) == 3


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--pages", "1"], "at least one page a book"),
        (["--test-pages", "1"], "at least two test pages for each"),
        (["--page-height", "20"], "--page-height of 120 to 8000 pixels, got 20"),
        (["--classes", "3"], "--classes of at least 10, got 3"),
        (["--books", "0"], "a whole number of at least 1, got 0"),
        (["--seed", "-1"], "a whole number of at least 0, got -1"),
        (["--page", "3"], "did you mean --pages"),
        (["--fonts", "f"], "--fonts: expected --layouts, --texts, --codes with it, --layouts is missing"),
        (["--fonts", "f", "--layouts", "l", "--texts", "t"], "--codes with it, --codes is missing"),
        (["--without", "b"], "--without: expected --fonts with it, got none"),
    ],
)
def test_bad_arguments_end_in_one_line(
    options: list[str], line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        run(main, demo(tmp_path / "books", *options))
    error = capsys.readouterr().err
    assert end.value.code in (1, 2)
    assert line in error
    assert error.count("\n") == 1
    assert not (tmp_path / "books").exists()


@pytest.mark.parametrize(
    ("prepare", "line"),
    [
        (lambda out: out.write_text("a file"), "expected a folder for the books, got a file"),
        (lambda out: (out.mkdir(), (out / "thesis.txt").write_text("mine")), "expected an empty folder or demo books"),
        (lambda out: (out.mkdir(), (out / "params.json").write_text("[]")), "expected the parameters of demo books"),
        (lambda out: main(demo(out, "--seed", "1")), "seed 1 there, 0 asked for"),
    ],
)
def test_a_folder_with_something_else_is_refused(
    prepare: Callable[[Path], object], line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "books"
    prepare(out)
    before = digests(out) if out.is_dir() else out.read_bytes()
    capsys.readouterr()
    with pytest.raises(SystemExit) as end:
        run(main, demo(out))
    error = capsys.readouterr().err
    assert end.value.code == 1
    assert line in error
    assert error.count("\n") == 1
    assert before == (digests(out) if out.is_dir() else out.read_bytes())


def test_the_defaults_are_the_demos_size() -> None:
    config = Demo.parse_args(["books"])
    assert (config.books, config.pages, config.test_pages, config.page_height) == (6, 48, 20, 800)
    assert config.classes is None


def test_the_books_have_a_folder_where_none_is_given() -> None:
    config = Demo.parse_args(["--pages", "300", "--books", "28", "--classes", "3900", "--page-height", "3500"])
    assert (config.out, config.pages) == (Path("_runs/books"), 300)
    assert Demo.parse_args(["elsewhere"]).out == Path("elsewhere")
