from pathlib import Path

from kuzushiji.data.paths import DataRoot
from kuzushiji.evaluate.measures import score_text
from kuzushiji.report.grids import Grid, table_of_characters, without_dashes
from kuzushiji.report.page_scores import (
    SEEN,
    UNKNOWN,
    UNSEEN,
    book_of_page,
    edits_between,
    f1_by,
    pages_of,
    read_test_books,
    score_of_pages,
)
from tests.report.outcomes import CHARS, A, B, outcome

FOUND = outcome(("p", 0, A, 1), ("p", 50, B, 1), ("q", 0, B, 1), ("q", 50, A, 1), ("r", 0, A, 1))


def test_errors_and_text_of_each_page() -> None:
    table = score_of_pages(FOUND).set_index("image_id")
    # p: one right, one misread, one without a box; r: read where nothing is
    assert table["tp"].tolist() == [1, 2, 0] and table["characters"].tolist() == [3, 2, 0]
    assert table["wrong character"].tolist() == [1, 0, 0] and table["no box"].tolist() == [1, 0, 0]
    assert table["false box"].tolist() == [0, 0, 1] and table["edits"].tolist() == [1, 0, 1]


def test_the_error_rate_is_that_of_evaluate() -> None:
    for truth, read in (("いろは", "いは"), ("", "い"), ("いろはに", "ろはにほ"), ("い", "")):
        assert edits_between(list(truth), list(read)) == score_text([truth], [read], "p").edits


def test_books_of_pages() -> None:
    named = {"test_1f": "b"}
    pages = ("100_1_1", "umgy001-1", "test_100_1_1", "test_1f", "test_2f")
    assert [book_of_page(page, named) for page in pages] == ["100", "umgy", "100", "b", ""]


def test_books_in_training_against_others() -> None:
    tables = pages_of(FOUND, {"x": "b"}, {"p": "b", "q": "c", "r": ""})
    assert tables["seen"].tolist() == [SEEN, UNSEEN, UNKNOWN]
    assert pages_of(FOUND, {"p": "b"}, {})["seen"].tolist()[0] == UNSEEN  # held out
    seen = f1_by([tables], "seen").set_index("seen")
    assert seen.loc[SEEN, "f1"] == 2 / 5 and seen.loc[UNSEEN, "f1"] == 1 and seen.loc[SEEN, "cer"] == 1 / 3
    books = f1_by([tables], "book")
    assert books["book"].tolist() == ["b", "c"]  # a page of an unknown book is left out
    assert f1_by([], "book").empty


def test_a_file_may_name_the_books_of_test_pages(tmp_path: Path) -> None:
    assert read_test_books(DataRoot(tmp_path)) == {}
    (tmp_path / "test_books.csv").write_text("image_id,book\ntest_1f,b\n")
    assert read_test_books(DataRoot(tmp_path)) == {"test_1f": "b"}


def test_each_character_with_what_it_is_taken_for() -> None:
    table = table_of_characters(FOUND, FOUND.truth.boxes["code"].value_counts(), CHARS)
    assert list(table.rows) == [
        ("あ", A, "3", "3", "3", "2", "0.667", "0.667", "い 1"),
        ("い", B, "2", "2", "2", "1", "0.500", "0.500", ""),
    ]
    assert table.as_csv().splitlines()[1] == f"あ,{A},3,3,3,2,0.667,0.667,い 1"


def test_columns_of_dashes_are_left_out_and_csv_has_plain_numbers() -> None:
    assert without_dashes(["a", "b"], [["1", "-"], ["-", "-"]]) == (["a"], [["1"], ["-"]])
    assert without_dashes(["a"], []) == (["a"], [])
    assert Grid(("n",), [("1,234",)]).as_csv() == "n\n1234\n"
