from pathlib import Path

from kuzushiji.data.labels import read_page_labels
from kuzushiji.data.paths import DataRoot
from kuzushiji.report.books import f1_of_books
from kuzushiji.report.collect import collect
from kuzushiji.report.outcome import held_out_outcomes


def test_a_row_for_each_reading_and_book(runs: Path, tiny_root: Path) -> None:
    train = read_page_labels(tiny_root / "train.csv")
    books = f1_of_books(held_out_outcomes(collect(runs), DataRoot(tiny_root), train))
    assert books["pages"].sum() == len(train.image_ids)
    assert set(books["kind"]) == {"clf, held out"}
    # Book 100000001 has a page in the fold that found all, and one in the fold that found nothing.
    sizes = [len(train.of_pages([page]).boxes) for page in ("100000001_00001_1", "100000001_00002_1")]
    f1 = books.set_index("book")["f1"]["100000001"]
    assert abs(f1 - 2 * sizes[0] / (2 * sizes[0] + sizes[1])) < 1e-9


def test_nothing_read_no_books() -> None:
    books = f1_of_books([])
    assert list(books.columns) == ["kind", "book", "pages", "f1"] and books.empty
