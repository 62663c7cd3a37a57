# PYTHON_ARGCOMPLETE_OK
"""Makes one set of test boxes out of several folds' detectors: `python -m kuzushiji.segment.fuse FOLD... OUT.csv`."""

import dataclasses
from pathlib import Path

from kuzushiji import cli
from kuzushiji.errors import InputError
from kuzushiji.options import force_option, json_option, option
from kuzushiji.run_folder import TEST_DETECTIONS
from kuzushiji.segment.joining import Fusion
from kuzushiji.stage import Facts, Stage


@dataclasses.dataclass(frozen=True, kw_only=True)
class FuseConfig:
    """The parameters of the command; see each option's help."""

    detections: tuple[Path, ...] = option(
        dataclasses.MISSING, f"folder of each fold's run, or its {TEST_DETECTIONS}; one alone stays as it is",
        nargs="+", positional=True, metavar="FOLD", changes_result=False,
    )  # fmt: skip
    output: Path = option(
        dataclasses.MISSING, "table that is written", positional=True, metavar="OUT", changes_result=False
    )
    min_votes: int = option(
        Fusion.min_votes, "detectors that must have found a box; 0: more than half of them", type=cli.non_negative_int
    )
    iou_threshold: float = option(
        Fusion.iou_threshold, "boxes with a greater IoU are the same, from 0.5 to 1", type=cli.fraction
    )
    score_threshold: float = option(
        Fusion.score_threshold,
        "least mean score of a box over all detectors, those that lack it counted as 0",
        type=cli.fraction,
    )
    nms_threshold: float = option(
        Fusion.nms_threshold, "of two fused boxes with a greater IoU only the better stays; 1: both", type=cli.fraction
    )
    json: bool = json_option()
    force: bool = force_option()

    def __post_init__(self) -> None:
        if self.min_votes > len(self.detections):
            raise InputError(f"--min-votes: expected at most the {len(self.detections)} folds, got {self.min_votes}")
        if self.iou_threshold < 0.5:
            raise InputError(f"--iou-threshold: expected 0.5 to 1, got {self.iou_threshold}")

    @property
    def paths(self) -> tuple[Path, ...]:
        """The detections' files."""
        return tuple(path / TEST_DETECTIONS if path.is_dir() else path for path in self.detections)

    @property
    def fusion(self) -> Fusion:
        """The rule."""
        return Fusion(self.min_votes, self.iou_threshold, self.score_threshold, self.nms_threshold)


class Fuse(Stage):
    """Fuse the boxes that several folds' detectors found on the test pages."""

    name = "segment.fuse"
    config: FuseConfig

    def inputs(self) -> tuple[Path, ...]:
        """Return the detections of all folds."""
        return self.config.paths

    def run(self) -> Facts:
        """Write the table; return the number of pages and boxes."""
        from kuzushiji.artifacts.detections import read_detections
        from kuzushiji.data.labels import write_page_labels
        from kuzushiji.segment.joining import check_same_pages, fuse_pages

        config = self.config
        detections = [read_detections(path) for path in config.paths]
        check_same_pages(detections, config.paths)
        fused = fuse_pages(detections, config.fusion)
        with self.output_path(config.output) as temporary:
            write_page_labels(temporary, fused.to_labels())
        counts = [len(each.scores) for each in detections]
        return {"pages": len(fused.image_ids), "boxes": len(fused.scores), "boxes_of_folds": counts}


main = Fuse.main

if __name__ == "__main__":
    cli.run(main)
