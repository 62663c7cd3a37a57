from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from kuzushiji.metric import Counts
from kuzushiji.report.collect import Run
from kuzushiji.report.errors import count_errors
from kuzushiji.report.plots import calibration_curves, error_bars, f1_by_book, frequency_curves, learning_curves
from tests.report.outcomes import A, B, outcome


def run_of(*events: dict[str, Any], held_out: Counts | None = None) -> Run:
    return Run(Path("."), "clf", 3, {}, held_out, events)


def event(step: int, **values: float) -> dict[str, Any]:
    return {"kind": "train", "epoch": 0, "step": step, "seconds": 1.0} | values


@pytest.mark.parametrize(
    "runs",
    [
        [run_of(event(1, loss=2.0, lr=0.1), event(2, valid_f1=0.5, lr=0.05))],
        [run_of(event(1, lr=0.1))],  # a loss that is not there
        [run_of(event(1, loss=2.0), held_out=Counts(1, 1, 1))],  # not evaluated during training
        [run_of(*(event(step, loss=1 / (step + 1)) for step in range(5000)))],
    ],
)
def test_learning_curves(runs: list[Run]) -> None:
    svg = learning_curves(runs)
    assert svg.startswith("<svg") and len(svg) < 200_000
    assert all(title in svg for title in ("training loss", "held-out F1", "learning rate"))


def test_the_picture_is_empty_where_there_is_nothing() -> None:
    assert learning_curves([run_of()]) == error_bars([]) == calibration_curves([]) == frequency_curves([]) == ""
    assert f1_by_book(pd.DataFrame({"kind": [], "book": [], "pages": [], "f1": []})) == ""


def test_errors_calibration_frequency_and_books_name_their_readings() -> None:
    found = outcome(("p", 0, A, 0.9), ("p", 50, B, 0.2), ("r", 0, A, float("nan")))
    table = pd.DataFrame({"least": [1, 300], "characters": [2, 3], "f1": [0.5, 0.75]})
    books = pd.DataFrame({"kind": ["by hand"], "book": ["b"], "pages": [3], "f1": [0.5]})
    pictures = [
        error_bars([(found.name, count_errors(found))]), calibration_curves([found]),
        frequency_curves([(found.name, table), ("nothing", table.iloc[:0])]), f1_by_book(books),
    ]  # fmt: skip
    assert all("by hand" in picture for picture in pictures)
    assert "seg_fp wrongly kept" in pictures[0]
    assert "off by 15.0 %" in pictures[1]  # 0.9 and right, 0.2 and wrong
    assert "300-999" in pictures[2] and "(3 characters)" in pictures[2]
    assert "b (3 pages)" in pictures[3]


def test_a_name_is_no_formula() -> None:
    books = pd.DataFrame({"kind": ["$x^2$"], "book": ["$<b>$"], "pages": [3], "f1": [0.5]})
    svg = f1_by_book(books)
    assert "$x^2$" in svg and "$&lt;b&gt;$" in svg


def test_the_same_numbers_give_the_same_picture() -> None:
    books = pd.DataFrame({"kind": ["k"], "book": ["b"], "pages": [3], "f1": [0.5]})
    assert f1_by_book(books) == f1_by_book(books)
