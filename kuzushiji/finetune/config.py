"""What the command line of a fine-tuning can ask for."""

import dataclasses
from pathlib import Path

from kuzushiji import cli
from kuzushiji.options import force_option, json_option, option

TASK, TRAINING, MACHINE = "what to do", "training", "machine"


@dataclasses.dataclass(frozen=True, kw_only=True)
class FinetuneConfig:
    """Everything that a fine-tuning can be told; see each option's help."""

    data: Path = option(
        dataclasses.MISSING, "data root with the corrected pages (kuzushiji.convert)", positional=True, metavar="DATA"
    )
    from_: str = option(
        "reader", "models to start from: those of the package, by their name (kuzushiji.models lists them), "
        "or the folder of a run or of kuzushiji.export", metavar="MODELS", group=TASK,
    )  # fmt: skip
    output: Path = option(dataclasses.MISSING, "folder of the new run", metavar="RUN", group=TASK)
    test_share: float = option(
        0.2, "share of the pages that are held out, to choose the epoch and to measure", type=cli.fraction, group=TASK
    )
    only_these: bool = option(False, "the new models know the characters of these pages alone", group=TASK)
    force: bool = force_option("from the beginning", group=TASK)
    json: bool = json_option(group=TASK)

    detector_epochs: int = option(
        6,
        "epochs of the detector, each with at least 8 crops of a page and 60 of all",
        type=cli.positive_int,
        group=TRAINING,
    )
    classifier_epochs: int = option(
        8,
        "epochs of the classifier, each with at least 6 crops of a page and 40 of all",
        type=cli.positive_int,
        group=TRAINING,
    )
    lr: float = option(5e-4, "learning rate of both, at its highest", type=cli.positive_float, group=TRAINING)
    start_share: float = option(
        0.5, "share of the old models' weights in the new ones: the higher, the less is forgotten and learned",
        type=cli.fraction, group=TRAINING,
    )  # fmt: skip
    hold_absent: bool = option(
        True, "characters that these pages do not have keep their rows of the head", group=TRAINING
    )
    seed: int = option(0, "seed of everything random", type=cli.non_negative_int, group=TRAINING)

    device: str = option("auto", "auto, cpu, cuda, cuda:1, mps", group=MACHINE)
    workers: int = option(0, "processes that read pages; 0: this one", type=cli.non_negative_int, group=MACHINE)
    threads: int = option(
        0, "threads of the networks on the CPU; 0: one a core", type=cli.non_negative_int, group=MACHINE
    )
