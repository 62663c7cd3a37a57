# PYTHON_ARGCOMPLETE_OK
"""Models learn a book: `python -m kuzushiji.finetune DATA --from MODELS --output RUN`."""

from kuzushiji import cli
from kuzushiji.finetune.config import FinetuneConfig
from kuzushiji.stage import Command


class Finetune(Command):
    """Train a reader further on a few corrected pages, so that it reads the rest of their book better.

    Sizes, thresholds and backbones come from the models. New characters get rows in the classifier's head, and the old
    ones stay. Pages are held out to choose the epoch and to compare both sets of models. RUN is a folder of models for
    predict, export, report and finetune. Interrupted, the same command goes on.
    """

    config: FinetuneConfig

    def execute(self) -> int:
        """Train; print scores before and after."""
        from kuzushiji.finetune.run import check_folders, finetune, rows_of
        from kuzushiji.locks import hold
        from kuzushiji.terminal import format_table, print_result

        config = self.config
        check_folders(config)
        with hold(config.output):
            facts = finetune(config)
        if config.json:
            print_result(facts, as_json=True)
            return 0
        print(format_table(["held-out pages", "before", "after"], rows_of(facts)))
        print(
            f"{config.output}: trained on {facts['pages']} pages, {facts['held out']} held out; {facts['classes']} "
            f"classes, {facts['new classes']} of them new"
        )
        return 0


main = Finetune.main

if __name__ == "__main__":
    cli.run(main)
