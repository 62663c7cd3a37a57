"""What the command line can ask for."""

import argparse
import dataclasses
from dataclasses import dataclass
from pathlib import Path

from kuzushiji import cli
from kuzushiji.errors import UsageError
from kuzushiji.options import option

FORMATS = ("text", "json", "csv", "page", "alto", "tei", "hocr", "koji", "overlay", "viewer")
STDIN = "-"
KEEP = "keep"
LOCAL, RAY = "local", "ray"
TASK, MODELS, MACHINE = "what to do", "models", "machine"


def _shard(text: str) -> tuple[int, int]:
    """Parse K/N, K from 1 to N."""
    number, _, count = text.partition("/")
    if not (number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count)):
        raise argparse.ArgumentTypeError(f"expected K/N with K from 1 to N, such as 1/4, got {text!r}")
    return int(number), int(count)


@dataclass(frozen=True, kw_only=True)
class PredictConfig:
    """Everything that a run can be told; see each option's help."""

    pages: tuple[str, ...] = option(
        dataclasses.MISSING,
        "pictures of pages (JPEG, PNG, TIFF), folders of them, or - for names on standard input, one a line",
        positional=True, nargs="+", metavar="PAGES", changes_result=False,
    )  # fmt: skip
    models: str = option(
        "reader", "models that come with the package, by their name (kuzushiji.models lists them), or the folder of a "
        "run (run-all.sh) or of kuzushiji.export", metavar="MODELS", group=TASK, changes_result=False,
    )  # fmt: skip
    output: Path | None = option(
        None, "folder for the results, new or empty; without it the text is printed and nothing is written",
        metavar="OUT", group=TASK, changes_result=False,
    )  # fmt: skip
    formats: tuple[str, ...] = option(
        ("text", "json"), f"what to write of each page, of {', '.join(FORMATS)}; csv is one table of all pages in the "
        "competition's format", choices=FORMATS, nargs="+", metavar="FORMAT", group=TASK, changes_result=False,
    )  # fmt: skip
    resume: bool = option(
        False, "go on in OUT: pages that are done with the same models and settings are skipped", group=TASK,
        changes_result=False,
    )  # fmt: skip
    shard: tuple[int, int] | None = option(
        None, "read every Nth page from the Kth on, alone; other processes and machines read the others into the same "
        "OUT, and the same command without --shard, with --resume, joins them", type=_shard, metavar="K/N", group=TASK,
        changes_result=False,
    )  # fmt: skip
    force: bool = option(False, "write into OUT whatever is there", group=TASK, changes_result=False)
    json: bool = option(
        False, "print the summary as one JSON object in place of a table", group=TASK, changes_result=False
    )
    boxes: Path | None = option(
        None, "table with the boxes of the characters (image_id, labels as in train.csv; the codes do not matter), by "
        "the pages' names: no detector looks for any", metavar="FILE", group=MODELS,
    )  # fmt: skip
    min_probability: float = option(
        0.2, "a character less probable than that is doubtful", type=cli.fraction, group=MODELS
    )
    doubtful: str = option(
        "〓", "what the text has for a doubtful character, of 〓, ?, keep (the most probable one)",
        choices=("〓", "?", KEEP), metavar="SIGN", group=MODELS,
    )  # fmt: skip
    fast: bool = option(
        False,
        "the first detector and the first classifier alone, one size of a page, no second level, no language",
        group=MODELS,
    )
    level2: bool = option(True, "use the second level or the language, if they are there", group=MODELS)
    n_tta: int | None = option(
        None, "sizes of a page for the classifiers; without it as in each model's run", type=cli.positive_int,
        group=MODELS,
    )  # fmt: skip
    opt_level: str | None = option(
        None,
        "O0: float32, O1: mixed precision, auto: what this machine is fast in; without it as in each model's run",
        choices=("auto", "O0", "O1"),
        group=MODELS,
    )
    device: str = option("auto", "auto, cpu, cuda, cuda:1, mps", group=MACHINE, changes_result=False)
    threads: int = option(
        0, "threads of the networks on the CPU, of each process; 0: together one a core", type=cli.non_negative_int,
        group=MACHINE, changes_result=False,
    )  # fmt: skip
    workers: int = option(
        0, "processes that read pages side by side; 0: on the CPU one a core, as far as there are eight pages and "
        "3 GiB of free memory for each, else one", type=cli.non_negative_int, group=MACHINE, changes_result=False,
    )  # fmt: skip
    engine: str = option(
        LOCAL, "where pages are read: local, in processes of this machine; ray, on the machines of a Ray cluster (pip "
        "install kuzushiji[ray])", choices=(LOCAL, RAY), group=MACHINE, changes_result=False,
    )  # fmt: skip

    def __post_init__(self) -> None:
        for name in ("resume", "force", "json", "shard"):
            if self.output is None and getattr(self, name):
                raise UsageError(f"--{name}: expected a folder for the results too, --output OUT, got none")
