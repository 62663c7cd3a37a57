# PYTHON_ARGCOMPLETE_OK
"""The backbone of a trained classifier: `python -m kuzushiji.classify.extract_backbone CHECKPOINT OUT`."""

import dataclasses
from pathlib import Path

from kuzushiji import cli
from kuzushiji.errors import InputError
from kuzushiji.files import atomic_path
from kuzushiji.options import json_option, option
from kuzushiji.stage import Command
from kuzushiji.terminal import print_result


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExtractConfig:
    """What to take, and where to put it."""

    checkpoint: Path = option(
        dataclasses.MISSING, "checkpoint of a classifier, model_best.pth", metavar="CHECKPOINT", positional=True
    )
    output: Path = option(dataclasses.MISSING, "file to write, .safetensors", metavar="OUT", positional=True)
    licence: str | None = option(
        None, "licence of the weights, for the file's metadata: it follows from the pages and weights trained on"
    )

    json: bool = json_option()

    def __post_init__(self) -> None:
        if self.output.suffix != ".safetensors":
            raise InputError(f"OUT: expected a name that ends in .safetensors, got {self.output}")


class ExtractBackbone(Command):
    """Take the backbone out of a trained classifier, for others to start from as they would from ImageNet weights.

    The file (safetensors, float16) holds the weights under the names of the published network, without head and
    without the layers after stride 16, so that `--weights FILE` of classify and of segment can read it.
    """

    config: ExtractConfig

    def execute(self) -> int:
        """Write the backbone's weights."""
        config = self.config
        import torch
        from safetensors.torch import save_file

        from kuzushiji.classify.classifier import load_classifier
        from kuzushiji.engine.device import resolve_device
        from kuzushiji.engine.precision import Precision

        classifier = load_classifier(config.checkpoint, Precision.from_level("O0", resolve_device("cpu")))
        state = {
            name: (value.half() if value.is_floating_point() else value).contiguous()
            for name, value in classifier.model.backbone.named_as_published.state_dict().items()
        }
        if any(not torch.isfinite(value).all() for value in state.values()):
            raise InputError(f"{config.checkpoint}: expected weights that float16 can hold, got larger ones")
        facts = {"backbone": classifier.config.base, "classes": str(len(classifier.vocabulary))}
        if config.licence:
            facts["licence"] = config.licence
        with atomic_path(config.output) as temporary:
            save_file(state, temporary, metadata=facts)
        print_result({"backbone": classifier.config.base, "tensors": len(state)}, as_json=config.json)
        return 0


main = ExtractBackbone.main

if __name__ == "__main__":
    cli.run(main)
