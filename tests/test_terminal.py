"""Colours, bars and tables where somebody looks; plain text or JSON where not."""

import io
import json
import logging

import pytest

from kuzushiji import terminal


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")


@pytest.mark.parametrize(
    ("stream", "environment", "expected"),
    [
        (Terminal(), {}, "\033[1;31merror\033[0m"),
        (io.StringIO(), {}, "error"),  # a file or a pipe
        (Terminal(), {"NO_COLOR": "1"}, "error"),
        (Terminal(), {"NO_COLOR": ""}, "\033[1;31merror\033[0m"),  # empty is as good as not set
        (Terminal(), {"TERM": "dumb"}, "error"),
    ],
)
def test_colours_only_on_terminals_and_never_with_no_color(stream, environment, expected, monkeypatch):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert terminal.paint("error", "bold", "red", stream=stream) == expected


@pytest.mark.parametrize(
    ("stderr", "level", "shown"),
    [
        (Terminal(), logging.INFO, True),
        (Terminal(), logging.WARNING, False),  # --quiet
        (io.StringIO(), logging.INFO, False),
    ],
)
def test_progress_has_rate_and_time_left_where_somebody_looks(stderr, level, shown, monkeypatch):
    monkeypatch.setattr("sys.stderr", stderr)
    logger = logging.getLogger("kuzushiji")
    monkeypatch.setattr(logger, "level", level)
    logger.manager._clear_cache()
    assert list(terminal.progress([1, 2], title="pages", unit="page")) == [1, 2]
    assert ("pages: 100%" in stderr.getvalue() and "page/s" in stderr.getvalue()) == shown
    assert shown or stderr.getvalue() == ""


def test_progress_has_lines_every_ten_seconds_where_there_is_no_terminal(monkeypatch, caplog):
    times = iter([0, 0, 6, 12, 18, 24, 30])
    monkeypatch.setattr(terminal.time, "monotonic", lambda: next(times))
    with caplog.at_level(logging.INFO, "kuzushiji"):
        assert list(terminal.progress(range(6), title="pages", unit="page", total=6, lines=True)) == list(range(6))
    assert [record.getMessage() for record in caplog.records] == [
        "pages: 2 of 6, 10.0 pages a minute, 0.4 minutes left",
        "pages: 4 of 6, 10.0 pages a minute, 0.2 minutes left",
    ]


def test_tables_have_numbers_to_the_right():
    rows = [("first", 1234, 0.5, None), ("b", 5, 1.0, "x")]
    assert terminal.format_table(["name", "boxes", "F1", "note"], rows).splitlines() == [
        "name   boxes      F1  note",
        "first  1,234  0.5000  -",
        "b          5  1.0000  x",
    ]


def test_tables_of_text_say_which_columns_are_words():
    rows = [("first", "1.5*", ""), ("b", "-", "off")]
    assert terminal.format_table(["name", "F1", ""], rows, to_left=("name", ""), rule=True).splitlines() == [
        "name     F1",
        "-----------",
        "first  1.5*",
        "b         -  off",
    ]


def test_an_empty_table_is_its_head():
    assert terminal.format_table(["name", "F1"], []) == "name  F1"
    assert terminal.format_table(["name", "F1"], [], to_left=["name"], rule=True) == "name  F1\n--------"


FACTS = {"f1": 0.5, "pages": 1234, "path": "a/b", "nothing": None}


def test_results_as_a_table(capsys):
    terminal.print_result(FACTS, as_json=False)
    assert capsys.readouterr().out.splitlines() == ["f1       0.5000", "pages    1,234", "path     a/b", "nothing  -"]


def test_results_of_parts(capsys):
    terminal.print_result({"train": {"best": {"f1": 0.5}, "epoch": 1}, "test": {"pages": 3}, "none": {}}, as_json=False)
    assert capsys.readouterr().out.splitlines() == ["train best f1  0.5000", "train epoch    1", "test pages     3"]
    terminal.print_result({"none": {}}, as_json=False)
    assert capsys.readouterr().out == ""


def test_results_as_json(capsys):
    terminal.print_result(FACTS, as_json=True)
    assert json.loads(capsys.readouterr().out) == FACTS
