# PYTHON_ARGCOMPLETE_OK
"""`kuzushiji COMMAND …`, or `python -m kuzushiji COMMAND …`: all commands by one; without a word they are listed."""

import os
import sys
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from itertools import takewhile
from pathlib import Path
from typing import NoReturn

from kuzushiji import __version__, cli
from kuzushiji.errors import UsageError
from kuzushiji.options import option
from kuzushiji.stage import Command

STAGES = (
    ("kuzushiji.demo", "write books in the competition's layout: pages, labels, hidden truth of the test pages"),
    ("kuzushiji.convert", "labelled pages of other programs into a data root, and back"),
    ("kuzushiji.convert.published", "fifteen real pages with their labels, fetched, as a data root"),
    ("kuzushiji.data.check", "read a data root whole and report every fault"),
    ("kuzushiji.pretrained", "the published weights that training starts from: fetch them, look into given files"),
    ("kuzushiji.segment", "where the characters are: train a detector per fold, find boxes"),
    ("kuzushiji.segment.merge", "the held-out boxes of all folds in one table"),
    ("kuzushiji.segment.fuse", "the test boxes of all folds' detectors fused"),
    ("kuzushiji.classify", "which characters they are: train a classifier per fold, read the boxes"),
    ("kuzushiji.classify.pseudolabel", "test characters that the models are sure of, as training pages"),
    ("kuzushiji.classify.blend", "one submission out of several models, or their score"),
    ("kuzushiji.classify.level2_features", "what level2 chooses from: a row for each box and candidate class"),
    ("kuzushiji.classify.knn", "for level2, if wanted: nearest neighbours among the training characters"),
    ("kuzushiji.lm", "for level2, if wanted: how probable a candidate is between its neighbours"),
    ("kuzushiji.classify.level2", "boosters choose among the candidates: the final submission"),
    ("kuzushiji.predict", "new pages: their text as text, JSON, PAGE and ALTO XML, pictures, a viewer"),
    ("kuzushiji.edit", "correct what was read, in the browser"),
    ("kuzushiji.finetune", "train a reader further on a few corrected pages of a book"),
    ("kuzushiji.doctor", "what this machine has, what is missing, and what that costs"),
    ("kuzushiji.models", "the models that come with the package: what they are, and how well they read"),
    ("kuzushiji.export", "the models of a run as one folder, which is all that predict needs"),
    ("kuzushiji.metric", "F1 of a submission against the truth"),
    ("kuzushiji.evaluate", "F1 and character error rate of a reading, by book, class and line"),
    ("kuzushiji.report", "what all this brought: a table and a page to look at"),
    ("kuzushiji.report.draw", "a page with what was read on it, as a picture"),
    ("kuzushiji.classify.extract_backbone", "the backbone of a trained classifier, for others to start from"),
)


def words_of(module: str) -> tuple[str, ...]:
    """Return the words by which the command is called: `kuzushiji.segment.merge` is `segment merge`."""
    words = module.replace("_", "-").split(".")[1:]
    return (*words, "train") if words in (["segment"], ["classify"]) else tuple(words)


COMMANDS = {words_of(module): module for module, _ in STAGES}


@dataclass(frozen=True)
class KuzushijiConfig:
    """What is asked for where no command is called."""

    command: tuple[str, ...] = option(
        (), "words of a command, and behind them its options, such as --help", positional=True, nargs="*",
        metavar="COMMAND",
    )  # fmt: skip
    version: bool = option(False, "print the version and leave")

    def __post_init__(self) -> None:
        if self.command:
            got, names = " ".join(self.command), list(map(" ".join, COMMANDS))
            near = [name for name in names if name.startswith(f"{got} ")] or get_close_matches(got, names, n=1)
            hint = f"; did you mean {' or '.join(near)}?" if near else "; without a word all are listed"
            raise UsageError(f"expected a command, got {got!r}{hint}")


class Kuzushiji(Command):
    """Run a stage or a tool; without a word, list the stages in their order, then the tools.

    Each has its own --help. run-all.sh runs the stages.
    """

    config: KuzushijiConfig

    def execute(self) -> int:
        """Print one line a command."""
        if self.config.version:
            print(f"kuzushiji {__version__}")
            return 0
        installed = Path(sys.argv[0]).stem == "kuzushiji"
        names = [" ".join(("kuzushiji", *words)) if installed else f"python -m {COMMANDS[words]}" for words in COMMANDS]
        width = max(map(len, names))
        for name, (_, purpose) in zip(names, STAGES, strict=True):
            print(f"{name:{width}}  {purpose}")
        return 0


def program() -> NoReturn:
    """Run the command that the first words name; leave the process with its exit code."""
    completed = os.environ.get("_ARGCOMPLETE")  # the shell asks how a line may go on: the words so far are in COMP_LINE
    first = int(completed or 1)
    words = os.environ["COMP_LINE"].split()[first:] if completed else sys.argv[1:]
    name = next((tuple(words[:n]) for n in (3, 2, 1) if tuple(words[:n]) in COMMANDS), None)
    if name is None:
        cli.run(main, list(takewhile(lambda word: not word.startswith("-"), words)) or words)
    if completed:
        os.environ["_ARGCOMPLETE"] = str(first + len(name))
    spec = find_spec(COMMANDS[name])
    is_package = spec is not None and spec.submodule_search_locations is not None
    module = import_module(f"{COMMANDS[name]}.__main__" if is_package else COMMANDS[name])
    typed = " ".join(("kuzushiji", *name))
    cli.run(partial(module.main, prog=typed), words[len(name) :], typed)


main = Kuzushiji.main

if __name__ == "__main__":
    program()
