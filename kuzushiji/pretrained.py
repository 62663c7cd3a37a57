# PYTHON_ARGCOMPLETE_OK
"""The weights that training starts from, before it does: `python -m kuzushiji.pretrained NETWORK[=FILE]…`."""

import dataclasses
import logging
from pathlib import Path

from kuzushiji import cli
from kuzushiji.errors import InputError
from kuzushiji.options import json_option, option
from kuzushiji.stage import Command
from kuzushiji.terminal import format_table, print_result

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class PretrainedConfig:
    """What the command line asks for."""

    networks: tuple[str, ...] = option(
        dataclasses.MISSING,
        "a network, or NETWORK=FILE with its weights",
        positional=True,
        nargs="+",
        metavar="NETWORK",
    )
    json: bool = json_option()


class Pretrained(Command):
    """Fetch published weights into the cache, and check given files, before training begins.

    Networks are named as `--base` of classify and `--model` of segment name them, those with a file as NAME=FILE. Each
    is built and filled as its stage does it, so that a fault comes out at once and not days later. What was fetched
    here, with a network, is found without one. Every fault is printed; exit code 1 if there is any.
    """

    config: PretrainedConfig

    def execute(self) -> int:
        """Fill each network and print its weights; return 1 if one could not be filled."""
        found: dict[str, str] = {}
        faults, to_fetch = [], []
        for network in dict.fromkeys(self.config.networks):
            name, _, file = network.partition("=")
            try:
                fill(name, Path(file) if file else None)
            except InputError as error:
                faults.append(str(error))
                logger.error("%s", error)
                if not file and is_known(name):
                    to_fetch.append(published_file(name))
            else:
                found[name] = file or published_file(name)
        if to_fetch:
            files = ", ".join(dict.fromkeys(to_fetch))
            logger.info(
                "published as %s; run-all.sh takes files as SEGMENT_WEIGHTS, FIRST_WEIGHTS, SECOND_WEIGHTS", files
            )
        if self.config.json:
            print_result({"weights": found, "faults": faults}, as_json=True)
        elif found:
            print(format_table(("network", "weights"), found.items()))
        return cli.EXIT_FAILED if faults else 0


def fill(name: str, file: Path | None) -> None:
    """Build a network of segment or classify with its weights, as the stage would.

    Args:
        name: A `--model` of segment, or a `--base` of classify.
        file: The weights; None for the published ones of the name.

    Raises:
        InputError: there is no such network; the weights cannot be had, are damaged or another network's.
    """
    from kuzushiji.segment.config import MODELS, SegmentConfig

    if file is not None and not file.is_file():
        raise InputError(f"{file}: expected a file with weights of {name}, got none")
    if name in MODELS:
        from kuzushiji.segment.detector import build_model

        build_model(SegmentConfig(output_dir=Path(), model=name, weights=str(file) if file else None))
        return
    from kuzushiji.classify.backbones import build_backbone

    build_backbone(name, pretrained=file is None, weights=file)


def is_known(name: str) -> bool:
    """Return whether there is a network of that name."""
    from kuzushiji.classify.backbones import backbone_info
    from kuzushiji.segment.config import MODELS

    try:
        return name in MODELS or bool(backbone_info(name))
    except InputError:
        return False


def published_file(name: str) -> str:
    """Return the name of the published file of a network, as somebody would look for it: FILE, or REPOSITORY/FILE."""
    from kuzushiji.classify.backbones import backbone_info
    from kuzushiji.segment.config import MODELS

    library, weights, *_ = backbone_info(MODELS.get(name, name)).weights.split()
    if library == "timm":
        return f"timm/{weights}/model.safetensors"
    from torchvision.models import get_model_weights

    return Path(str(get_model_weights(weights).IMAGENET1K_V1.url)).name


main = Pretrained.main

if __name__ == "__main__":
    cli.run(main)
