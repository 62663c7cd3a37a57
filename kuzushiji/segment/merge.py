# PYTHON_ARGCOMPLETE_OK
"""Joins the out-of-fold boxes of all folds to one table: `python -m kuzushiji.segment.merge CLF_GT... OUT`."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from kuzushiji import cli
from kuzushiji.data.paths import DataRoot
from kuzushiji.locks import hold
from kuzushiji.options import add_options, config_from, data_root_option, force_option, json_option, option, parameters
from kuzushiji.record import StageRecord
from kuzushiji.terminal import print_result


@dataclasses.dataclass(frozen=True, kw_only=True)
class MergeConfig:
    """The parameters of the command; see each option's help."""

    tables: tuple[Path, ...] = option(
        dataclasses.MISSING, "clf_gt.csv of each fold", nargs="+", positional=True, metavar="CLF_GT",
        changes_result=False,
    )  # fmt: skip
    output: Path = option(
        dataclasses.MISSING, "table that is written", positional=True, metavar="OUT", changes_result=False
    )
    data_root: Path | None = data_root_option("train.csv, whose pages must all be there")
    allow_missing: bool = option(False, "leave out training pages that no table has, instead of refusing")
    json: bool = json_option()
    force: bool = force_option()


def get_parser() -> cli.ArgumentParser:
    """Return the parser of the command line."""
    parser = cli.ArgumentParser(
        prog="python -m kuzushiji.segment.merge",
        description="Join the out-of-fold boxes of all folds to one table in the order of train.csv.",
    )
    add_options(parser, MergeConfig)
    return parser


def parse_args(argv: Sequence[str] | None = None) -> MergeConfig:
    """Return the checked parameters of a command line."""
    return config_from(get_parser().parse_args(argv), MergeConfig)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return the exit code."""
    config = parse_args(argv)
    with hold(config.output):
        return merge(config, DataRoot.find(config.data_root))


def merge(config: MergeConfig, data: DataRoot) -> int:
    """Write the table, unless that is done; return the exit code."""
    record = StageRecord.of_file(config.output, "segment.merge", parameters(config), [*config.tables, data.train_csv])
    if not record.needs_run(force=config.force):
        return 0
    from kuzushiji.data.labels import read_page_labels, write_page_labels
    from kuzushiji.segment.merging import in_order_of, merge_tables

    merged = merge_tables([read_page_labels(path) for path in config.tables], [str(path) for path in config.tables])
    ordered = in_order_of(merged, read_page_labels(data.train_csv).image_ids, allow_missing=config.allow_missing)
    with record.output_path(config.output, force=config.force) as temporary:
        write_page_labels(temporary, ordered)
    facts = {"pages": len(ordered.image_ids), "boxes": len(ordered.boxes)}
    record.finish(**facts)
    print_result(facts, as_json=config.json)
    return 0


if __name__ == "__main__":
    cli.run(main)
