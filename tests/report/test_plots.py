from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from kuzushiji.metric import Counts
from kuzushiji.report.collect import Run
from kuzushiji.report.error_counts import count_errors
from kuzushiji.report.groups import FREQUENCIES
from kuzushiji.report.page_scores import f1_by
from kuzushiji.report.plots import calibration_curves, error_bars, f1_by_book, f1_points, learning_curves
from tests.report.outcomes import A, B, outcome

BOOKS = pd.DataFrame(
    {"kind": ["by hand"], "book": ["b"], "pages": [3], "characters": [20], "f1": [0.5], "low": [0.3], "high": [0.7]}
)


def run_of(*events: dict[str, Any], held_out: Counts | None = None) -> Run:
    return Run(Path("."), "clf", 3, {}, held_out, events)


def event(step: int, **values: float) -> dict[str, Any]:
    return {"kind": "train", "epoch": 0, "step": step, "seconds": 1.0} | values


@pytest.mark.parametrize(
    ("runs", "titles"),
    [
        (
            [run_of(event(1, loss=2.0, lr=0.1), event(2, loss=1.0, lr=0.05, valid_f1=0.5))],
            ["training loss", "learning"],
        ),
        ([run_of(event(1, lr=0.1))], []),  # a curve of one point is none
        ([run_of(event(1, loss=2.0), event(2, loss=1.0), held_out=Counts(1, 1, 1))], ["training loss"]),
        ([run_of(*(event(step, loss=1 / (step + 1)) for step in range(5000)))], ["training loss"]),
    ],
)
def test_learning_curves(runs: list[Run], titles: list[str]) -> None:
    picture = learning_curves("clf", runs)
    assert len(picture.svg) < 200_000 and bool(picture.svg) == bool(titles)
    assert all(title in picture.svg for title in titles) and "held-out F1" not in picture.svg
    assert ("training loss from" in picture.alt) == bool(titles)


def test_the_picture_is_empty_where_there_is_nothing() -> None:
    pictures = [
        learning_curves("clf", [run_of()]), error_bars([]), calibration_curves([]), f1_by_book(f1_by([], "book")),
        f1_points("F1", "x", [], FREQUENCIES),
    ]  # fmt: skip
    assert [picture.svg for picture in pictures] == [""] * 5


def test_pictures_name_their_readings_and_say_what_they_show() -> None:
    found = outcome(("p", 0, A, 0.9), ("p", 50, B, 0.2), ("r", 0, A, float("nan")))
    table = pd.DataFrame(
        {"least": [1, 300], "characters": [2, 3], "f1": [0.5, 0.75], "low": [0.1, 0.3], "high": [0.9, 1]}
    )
    pictures = [
        error_bars([(found.name, count_errors(found))]), calibration_curves([found]),
        f1_points("F1", "examples", [(found.name, table), ("nothing", table.iloc[:0])], FREQUENCIES), f1_by_book(BOOKS),
    ]  # fmt: skip
    assert all("by hand" in picture.svg and "by hand" in picture.alt for picture in pictures)
    assert "false box" in pictures[0].svg and "wrong character 20.0, dropped 0.0, no box 60.0" in pictures[0].alt
    assert "off by 15.0 %" in pictures[1].svg  # 0.9 and right, 0.2 and wrong
    assert "300-999" in pictures[2].svg and "1-2 0.500 (2), 300-999 0.750 (3)" in pictures[2].alt
    assert "b (3 pages, 20 characters)" in pictures[3].svg and "0.500 (b, by hand)" in pictures[3].alt


def test_a_name_is_no_formula_and_the_same_numbers_give_the_same_picture() -> None:
    books = BOOKS.assign(kind="$x^2$", book="$<b>$")
    svg = f1_by_book(books).svg
    assert "$x^2$" in svg and "$&lt;b&gt;$" in svg
    assert f1_by_book(books).svg == svg
