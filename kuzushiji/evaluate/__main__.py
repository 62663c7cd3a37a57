# PYTHON_ARGCOMPLETE_OK
"""Measures a reading: `python -m kuzushiji.evaluate PREDICTIONS TRUTH`."""

from kuzushiji import cli
from kuzushiji.evaluate.config import EvaluateConfig
from kuzushiji.stage import Command


class Evaluate(Command):
    """Measure how well pages were read: F1, precision and recall of boxes and characters, and the error rate of text.

    The character error rate counts insertions, deletions and substitutions in reading order, by page.
    """

    config: EvaluateConfig

    def execute(self) -> int:
        """Measure and print; return the exit code: 1 where a file could not be read."""
        from kuzushiji.evaluate.run import evaluate, show

        config = self.config
        found = evaluate(config)
        show(found, n_confusions=config.confusions, as_json=config.json)
        return cli.EXIT_FAILED if found.failures else 0


main = Evaluate.main

if __name__ == "__main__":
    cli.run(main)
