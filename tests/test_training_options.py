"""What the trainings of both networks share: defaults of their own, what depends on an option, averages."""

import dataclasses
from pathlib import Path

import pytest

from kuzushiji.cli import ArgumentParser
from kuzushiji.errors import InputError
from kuzushiji.options import BOTH, PREDICTIONS, WEIGHTS, add_options, again, from_checkpoint, option, parameters
from kuzushiji.training_options import TrainingOptions


@dataclasses.dataclass(frozen=True, kw_only=True)
class Network(TrainingOptions):
    width: int = option(8, "of a layer", group="model", from_checkpoint=(WEIGHTS,))
    scales: int = option(1, "sizes of a page", group="inference", decides=(PREDICTIONS,))
    cache_mib: int = 7
    benchmark: bool = again(True, help="time algorithms here", decides=BOTH)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Wide(Network):
    width: int = 16


def test_a_network_has_defaults_of_its_own() -> None:
    parser = ArgumentParser(prog="network")
    add_options(parser, Wide)
    found = parser.parse_args(["--output-dir", "out"])
    assert (found.cache_mib, found.benchmark, found.workers, found.width) == (7, True, 4, 16)
    assert "time algorithms here (default: 1)" in " ".join(parser.format_help().split())


def test_what_depends_on_an_option() -> None:
    """Not on where it runs, but on its number format."""
    network = Network(output_dir=Path("out"))
    weights, predictions = (set(parameters(network, decides)) for decides in (WEIGHTS, PREDICTIONS))
    assert weights & predictions == {"fold", "n_folds", "split", "test_limit", "opt_level"}
    assert {"lr", "width"} <= weights - predictions and predictions - weights == {"scales"}
    assert set(parameters(network)) == weights | predictions
    assert not {"workers", "device", "output_dir", "benchmark"} & set(parameters(network))


def test_a_checkpoint_decides_unless_the_flag_is_given() -> None:
    network = Network(output_dir=Path("out"), resume=Path("m.pth"))
    assert from_checkpoint(network, WEIGHTS) == ["width"] and from_checkpoint(network, PREDICTIONS) == []
    assert network.parameters_of(WEIGHTS)["width"] is None and network.parameters_of(PREDICTIONS)["scales"] == 1
    given = dataclasses.replace(network, given=frozenset({"width", "lr"}))
    assert from_checkpoint(given, WEIGHTS) == [] and from_checkpoint(given, WEIGHTS, given=True) == ["width"]
    assert given.parameters_of(WEIGHTS)["width"] == 8


def test_averages() -> None:
    Network(output_dir=Path("out"), ema=0.999, opt_level="O1")
    with pytest.raises(InputError, match="--ema: expected a decay below 1, got 1"):
        Network(output_dir=Path("out"), ema=1)
    with pytest.raises(InputError, match="with --opt-level O2 they are float16"):
        Network(output_dir=Path("out"), ema=0.9, opt_level="O2")
    with pytest.raises(InputError, match="--start-share: averages weights of float32"):
        Network(output_dir=Path("out"), resume=Path("m.pth"), start_share=0.5, opt_level="O3")
