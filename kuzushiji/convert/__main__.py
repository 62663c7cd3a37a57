# PYTHON_ARGCOMPLETE_OK
"""Converts labelled pages: `python -m kuzushiji.convert SOURCE OUT`."""

from kuzushiji import cli
from kuzushiji.convert.config import ConvertConfig
from kuzushiji.stage import Command
from kuzushiji.terminal import print_result


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
            facts, notes = convert(self.config)
        print_result(facts, as_json=self.config.json)
        return cli.EXIT_FAILED if notes.failures else 0


main = Convert.main

if __name__ == "__main__":
    cli.run(main)
