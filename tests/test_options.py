"""One definition gives the flag, its help, its default, its place in the records."""

import dataclasses
from pathlib import Path

import pytest

from kuzushiji.cli import ArgumentParser, fraction, positive_int
from kuzushiji.options import add_options, all_parameters, config_from, given_options, option, parameters


@dataclasses.dataclass(frozen=True)
class Config:
    """One field of each kind."""

    source: Path = option(dataclasses.MISSING, "Where it comes from.", positional=True)
    output_dir: Path = option(dataclasses.MISSING, "Where it goes.", changes_result=False)
    epochs: int = option(3, "Epochs.", type=positive_int, group="training")
    lr: float = option(0.1, "Learning rate.", group="training")
    cosine: bool = option(False, "Cosine.", group="training")
    limit: int | None = option(None, "Pages at most.")
    weights: Path | None = option(None, "File.")
    sizes: tuple[int, ...] = option((12, 24), "Pixels.", nargs="+")
    base: str = option("a", "Name.", choices=("a", "b"))
    share: float = option(0.5, "Share.", type=fraction, metavar="S")
    workers: int = option(2, "Processes.", changes_result=False)
    given: frozenset[str] = frozenset()  # no option


NEEDED = ["in.csv", "--output-dir", "out"]


def make_parser() -> ArgumentParser:
    parser = ArgumentParser(prog="tool")
    add_options(parser, Config)
    return parser


def parse(*argv: str) -> Config:
    return config_from(make_parser().parse_args([*NEEDED, *argv]), Config)


def test_defaults():
    assert parse() == Config(source=Path("in.csv"), output_dir=Path("out"))


@pytest.mark.parametrize(
    ("argv", "name", "value"),
    [
        (["--epochs", "7"], "epochs", 7),
        (["--lr", "1e-3"], "lr", 1e-3),
        (["--lr=1e-3"], "lr", 1e-3),
        (["--cosine"], "cosine", True),
        (["--cosine", "1"], "cosine", True),
        (["--cosine", "0"], "cosine", False),
        (["--limit", "5"], "limit", 5),  # int | None reads an int
        (["--weights", "w.pth"], "weights", Path("w.pth")),
        (["--sizes", "1", "2", "3"], "sizes", (1, 2, 3)),  # a tuple: configs are frozen
        (["--base", "b"], "base", "b"),
        (["--share", "1"], "share", 1.0),
    ],
)
def test_each_kind(argv, name, value):
    found = getattr(parse(*argv), name)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--epochs", "0"], "argument --epochs: expected a whole number of at least 1, got 0"),
        (["--lr", "fast"], "argument --lr: invalid float value: 'fast'"),
        (["--cosine", "2"], "argument --cosine: expected 0 or 1, got '2'"),
        (["--base", "c"], "argument --base: invalid choice: 'c'"),
        (["--share", "1.5"], "argument --share: expected a number between 0 and 1, got 1.5"),
        (["--sizes"], "argument --sizes: expected at least one argument"),
        (["--given", "x"], "unrecognized arguments: --given"),
    ],
)
def test_bad_values_end_in_one_line_and_2(argv, message, capsys):
    with pytest.raises(SystemExit) as ended:
        parse(*argv)
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("argv", [[], ["in.csv"], ["--output-dir", "out"]])
def test_what_has_no_default_is_required(argv, capsys):
    with pytest.raises(SystemExit):
        make_parser().parse_args(argv)
    assert "required" in capsys.readouterr().err


def test_help_has_groups_and_defaults():
    text = " ".join(make_parser().format_help().split())
    assert "training: --epochs N Epochs. (default: 3)" in text  # the metavar says what kind of value
    assert "--cosine [0|1] Cosine. (default: 0)" in text  # as it would be typed
    assert "--sizes N [N ...] Pixels. (default: 12 24)" in text
    assert "--share S" in text
    assert "--weights PATH File. --sizes" in text  # no default: nothing is said of it
    assert text.startswith("usage: tool [options] source --output-dir PATH arguments: source")
    assert text.count("options:") == 1 and "(default: None)" not in text


def test_parameters_are_what_changes_the_result_as_json():
    config = parse("--weights", "w.pth", "--workers", "9")
    assert parameters(config) == {
        "source": "in.csv", "epochs": 3, "lr": 0.1, "cosine": False, "limit": None, "weights": "w.pth",
        "sizes": [12, 24], "base": "a", "share": 0.5,
    }  # fmt: skip
    assert all_parameters(config) == parameters(config) | {"output_dir": "out", "workers": 9}


def test_given_options_are_those_of_the_command_line_whatever_their_value():
    argv = [*NEEDED, "--epochs", "3", "--lr=0.5", "--cosine"]
    assert given_options(make_parser(), argv) == {"output_dir", "epochs", "lr", "cosine"}
    assert given_options(make_parser(), []) == frozenset()
    assert given_options(make_parser(), ["--quiet", "--verbose", "--help"]) == {"help"}  # what every command has
