# PYTHON_ARGCOMPLETE_OK
"""Makes one set of test boxes out of several folds' detectors: `python -m kuzushiji.segment.fuse FOLD... OUT.csv`."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from kuzushiji import cli
from kuzushiji.errors import InputError
from kuzushiji.locks import hold
from kuzushiji.options import add_options, config_from, force_option, json_option, option, parameters
from kuzushiji.record import StageRecord
from kuzushiji.run_folder import TEST_DETECTIONS
from kuzushiji.segment.fusion import Fusion
from kuzushiji.terminal import print_result


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
        """Check what one option alone cannot.

        Raises:
            InputError: more votes than voters, or a threshold that is too low.
        """
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


def get_parser() -> cli.ArgumentParser:
    """Return the parser of the command line."""
    parser = cli.ArgumentParser(
        prog="python -m kuzushiji.segment.fuse",
        description="Fuse the boxes that several folds' detectors found on the test pages.",
    )
    add_options(parser, FuseConfig)
    return parser


def parse_args(argv: Sequence[str] | None = None) -> FuseConfig:
    """Return the checked parameters of a command line."""
    return config_from(get_parser().parse_args(argv), FuseConfig)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return the exit code."""
    config = parse_args(argv)
    with hold(config.output):
        return fuse(config)


def fuse(config: FuseConfig) -> int:
    """Write the table, unless that is done; return the exit code."""
    record = StageRecord.of_file(config.output, "segment.fuse", parameters(config), config.paths)
    if not record.needs_run(force=config.force):
        return 0
    from kuzushiji.artifacts.detections import read_detections
    from kuzushiji.data.labels import write_page_labels
    from kuzushiji.segment.fusing import check_same_pages, fuse_pages

    detections = [read_detections(path) for path in config.paths]
    check_same_pages(detections, config.paths)
    fused = fuse_pages(detections, config.fusion)
    with record.output_path(config.output, force=config.force) as temporary:
        write_page_labels(temporary, fused.to_labels())
    counts = [len(each.scores) for each in detections]
    facts = {"pages": len(fused.image_ids), "boxes": len(fused.scores), "boxes_of_folds": counts}
    record.finish(**facts)
    print_result(facts, as_json=config.json)
    return 0


if __name__ == "__main__":
    cli.run(main)
