# PYTHON_ARGCOMPLETE_OK
"""The second level: `python -m kuzushiji.classify.level2 DETAILED… FEATURES… [--save-model M | --load-model M]`."""

import sys
from collections.abc import Sequence
from contextlib import nullcontext

from kuzushiji import cli
from kuzushiji.classify.level2.config import Config
from kuzushiji.locks import hold
from kuzushiji.options import add_options, config_from, given_options


def get_parser() -> cli.ArgumentParser:
    """Return the parser of the command line."""
    parser = cli.ArgumentParser(
        prog="python -m kuzushiji.classify.level2",
        description="Train models that choose among the candidates of each box, across the folds, and print what they "
        "reach on pages they have not seen; or apply them to test pages, where of the options of training --use-xgb, "
        "--use-lgb, --seg-fp-adjust and --min-probability count, if they are given.",
    )
    add_options(parser, Config)
    return parser


def parse_args(argv: Sequence[str] | None = None) -> Config:
    """Return the checked config of a command line."""
    parser = get_parser()
    words = sys.argv[1:] if argv is None else argv
    return config_from(parser.parse_intermixed_args(words), Config, given=given_options(parser, words))


def main(argv: Sequence[str] | None = None) -> int:
    """Train, or write a submission."""
    config = parse_args(argv)
    from kuzushiji.classify.level2.submit import submit
    from kuzushiji.classify.level2.train import train
    from kuzushiji.data.paths import DataRoot

    root = DataRoot.find(config.data_root)
    place = config.output or config.save_model
    with hold(place) if place else nullcontext():
        if config.load_model and config.output:
            submit(config, config.load_model, config.output, root)
        else:
            train(config, root)
    return 0


if __name__ == "__main__":
    cli.run(main)
