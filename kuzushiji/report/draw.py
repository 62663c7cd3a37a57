# PYTHON_ARGCOMPLETE_OK
"""Draw a page with what was read on it: `python -m kuzushiji.report.draw RUNS|TABLE.csv PAGE OUT.svg|.png|.jpg`."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kuzushiji import cli
from kuzushiji.errors import InputError
from kuzushiji.options import option
from kuzushiji.run_folder import SUBMISSION
from kuzushiji.stage import Command

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from kuzushiji.data.paths import DataRoot
    from kuzushiji.report.marked_page import Mark

FORMATS = (".svg", ".png", ".jpg")


@dataclass(frozen=True)
class DrawConfig:
    """What the command line asks for."""

    source: Path = option(
        dataclasses.MISSING,
        "run folder, whose submission is shown beside the truth where that is known; or a table of labels such as "
        "train.csv or clf_gt.csv",
        positional=True, metavar="SOURCE",
    )  # fmt: skip
    page: str = option(dataclasses.MISSING, "image id", positional=True, metavar="PAGE")
    out: Path = option(dataclasses.MISSING, f"picture to write ({', '.join(FORMATS)})", positional=True, metavar="OUT")
    data_root: Path | None = option(
        None, "folder with the images; without it books/ beside the source, $KUZUSHIJI_DATA, else data/", metavar="DIR"
    )
    height: int = option(800, "height of the picture, pixels", type=cli.positive_int)

    def __post_init__(self) -> None:
        if self.out.suffix not in FORMATS:
            raise InputError(f"{self.out}: expected a name that ends in {', '.join(FORMATS)}")


class Draw(Command):
    """Draw a page with what was read on it."""

    config: DrawConfig

    def execute(self) -> int:
        """Write the picture."""
        from kuzushiji.data.pages import read_page
        from kuzushiji.files import atomic_write_text
        from kuzushiji.report.collect import find_root
        from kuzushiji.report.marked_page import overlay, page_svg

        config = self.config
        root = find_root(config.data_root, config.source if config.source.is_dir() else config.source.parent)
        marks = _marks(config, root)
        train = root.train_image(config.page)
        image = read_page(train if train.exists() else root.test_image(config.page))
        if config.out.suffix == ".svg":
            atomic_write_text(config.out, page_svg(image, marks, height=config.height, title=config.page) + "\n")
        else:
            _write_pixels(config.out, overlay(image, marks, height=config.height))
        print(config.out)
        return 0


def _marks(config: DrawConfig, root: "DataRoot") -> "list[Mark]":
    from kuzushiji.data.characters import read_characters
    from kuzushiji.data.labels import read_page_labels
    from kuzushiji.report.collect import collect
    from kuzushiji.report.marked_page import marks_of, marks_of_table
    from kuzushiji.report.outcome import final_outcome
    from kuzushiji.report.viewing import boxes_of_page

    chars = read_characters(root.unicode_translation_csv)
    if not config.source.is_dir():
        return marks_of_table(config.page, read_page_labels(config.source), chars)
    truth = read_page_labels(root.solution_csv) if root.solution_csv.exists() else None
    outcome = final_outcome(collect(config.source), root, truth)
    if outcome is None:
        raise InputError(f"{config.source}: expected {SUBMISSION} and the probabilities of its characters, got none")
    if config.page not in outcome.pages:
        raise InputError(f"expected one of the {len(outcome.pages)} pages that were read, got {config.page}")
    return marks_of(boxes_of_page(outcome, config.page, chars))


def _write_pixels(path: Path, picture: "NDArray[np.uint8]") -> None:
    import cv2

    from kuzushiji.files import atomic_path

    # Not by imwrite: where the disk is full it removes the file and says nothing.
    with atomic_path(path) as temporary:
        temporary.write_bytes(cv2.imencode(path.suffix, picture[:, :, ::-1])[1].tobytes())


main = Draw.main

if __name__ == "__main__":
    cli.run(main)
