# PYTHON_ARGCOMPLETE_OK
"""Corrects what was read in the browser: `python -m kuzushiji.edit OUT`."""

import dataclasses
import logging
from pathlib import Path

from kuzushiji import cli
from kuzushiji.options import option
from kuzushiji.stage import Command

logger = logging.getLogger(__name__)

PORT = 8765


@dataclasses.dataclass(frozen=True, kw_only=True)
class EditConfig:
    """Everything that the editor can be told; see each option's help."""

    out: Path = option(
        dataclasses.MISSING, "folder that kuzushiji predict wrote with --formats viewer", positional=True, metavar="OUT"
    )
    truth: Path | None = option(
        None, "table of labels (train.csv) of some of these pages: what was read wrongly is shown", metavar="TABLE"
    )
    port: int = option(
        PORT, "port on 127.0.0.1, 0 for any; browsers keep unsaved work by port", type=cli.non_negative_int
    )
    open: bool = option(False, "open the browser")


class Edit(Command):
    """Correct pages that were read, in the browser; OUT/corrections.json is written as you go.

    The server listens on 127.0.0.1 alone, and its address has a token. It writes no other file. Ctrl-C ends it.
    """

    config: EditConfig

    def execute(self) -> int:
        """Serve until Ctrl-C; print the address, and at the end how many pages are done."""
        from kuzushiji.edit.folder import EditedFolder
        from kuzushiji.edit.server import EditServer

        folder = EditedFolder(self.config.out, self.config.truth)
        with EditServer(folder, self.config.port) as server:
            print(server.address, flush=True)
            logger.warning("Ctrl-C ends the editor; what was edited is in %s", folder.path)
            if self.config.open:
                import webbrowser

                webbrowser.open(server.address)
            try:
                server.serve_forever()
            except KeyboardInterrupt:
                print(f"{folder.path}: {folder.done()} of {len(folder.pages)} pages are done")
        return 0


main = Edit.main

if __name__ == "__main__":
    cli.run(main)
