# PYTHON_ARGCOMPLETE_OK
"""Converts labelled pages: `python -m kuzushiji.convert SOURCE OUT`."""

from typing import TYPE_CHECKING

from kuzushiji import cli
from kuzushiji.convert.config import ConvertConfig
from kuzushiji.stage import Command

if TYPE_CHECKING:
    from kuzushiji.convert.run import Conversion


class Convert(Command):
    """Convert labelled pages of other programs into a data root, or a data root into their forms.

    What is odd about a page is printed, listed in OUT/conversion.log and counted; a page or file that cannot be
    converted is left out, and the exit code is 1.
    """

    config: ConvertConfig

    def execute(self) -> int:
        """Convert, print the counts, and return the exit code: 1 where a file or page was left out."""
        from kuzushiji.convert.run import convert
        from kuzushiji.locks import hold

        with hold(self.config.out):
            outcome = convert(self.config)
        self._print(outcome)
        return cli.EXIT_FAILED if outcome.notes.failures else 0

    def _print(self, outcome: "Conversion") -> None:
        from kuzushiji.terminal import print_result

        print_result(outcome.facts, as_json=self.config.json)


main = Convert.main

if __name__ == "__main__":
    cli.run(main)
