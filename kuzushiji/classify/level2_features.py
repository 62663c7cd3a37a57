# PYTHON_ARGCOMPLETE_OK
"""Write the features of the second level: `python -m kuzushiji.classify.level2_features '[["a","b"],["c"]]' OUT`."""

import argparse
import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kuzushiji import cli
from kuzushiji.locks import hold
from kuzushiji.options import add_options, config_from, data_root_option, force_option, json_option, option, parameters
from kuzushiji.terminal import print_result

STAGE = "classify.level2_features"


def groups_of_tables(text: str) -> tuple[tuple[str, ...], ...]:
    """Parse groups of tables, a JSON list of lists of file names; a plain name is a group of its own."""
    try:
        groups = json.loads(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f'expected JSON such as [["a","b"],["c"]], got {text!r} ({error})') from None
    groups = [[group] if isinstance(group, str) else group for group in groups] if isinstance(groups, list) else []
    named = [isinstance(group, list) and group and all(isinstance(name, str) for name in group) for group in groups]
    if not groups or not all(named):
        raise argparse.ArgumentTypeError(f"expected a JSON list of lists of file names, none empty, got {text!r}")
    return tuple(tuple(group) for group in groups)


@dataclass(frozen=True)
class Config:
    """What the command line asks for."""

    groups: tuple[tuple[str, ...], ...] = option(
        dataclasses.MISSING, 'detailed tables by kind of model, as JSON: [["a","b"],["c"]]; each group is blended',
        positional=True, type=groups_of_tables, metavar="GROUPS",
    )  # fmt: skip
    output: Path = option(dataclasses.MISSING, "Parquet file to write", positional=True, metavar="OUT", type=Path)
    top_k: int = option(3, "best classes of each group that become candidates", type=cli.positive_int)
    json: bool = json_option()
    force: bool = force_option()
    data_root: Path | None = data_root_option("train.csv, for tables of the reference")

    @property
    def paths(self) -> list[Path]:
        """All tables."""
        return [Path(name) for group in self.groups for name in group]


def get_parser() -> cli.ArgumentParser:
    """Return the parser of the command line."""
    parser = cli.ArgumentParser(
        prog="python -m kuzushiji.classify.level2_features",
        description="Write for each box its candidates, the best classes of each group of models and seg_fp, with what "
        "the groups think of them. Tables of a group that have the same pages are averaged (the folds' models on test "
        "pages), those of other pages are joined (the folds' out-of-fold pages).",
    )
    add_options(parser, Config)
    return parser


def parse_args(argv: Sequence[str] | None = None) -> Config:
    """Return the command line's config."""
    return config_from(get_parser().parse_intermixed_args(argv), Config)


def main(argv: Sequence[str] | None = None) -> int:
    """Write the features and print their size."""
    config = parse_args(argv)
    with hold(config.output):
        return make_features(config)


def make_features(config: Config) -> int:
    """Write the features, unless that is done."""
    from kuzushiji.artifacts.features import check_name
    from kuzushiji.classify.tables import data_root_of, table_inputs
    from kuzushiji.record import StageRecord

    check_name(config.output)
    root = data_root_of(config.paths, config.data_root)
    record = StageRecord.of_file(config.output, STAGE, parameters(config), table_inputs(config.paths, root))
    if not record.needs_run(force=config.force):
        return 0
    from kuzushiji.artifacts import Detailed
    from kuzushiji.artifacts.detailed_files import is_text
    from kuzushiji.artifacts.features import write_features
    from kuzushiji.classify.blending import blend_tables
    from kuzushiji.classify.candidates import build_features
    from kuzushiji.classify.parallel import in_parallel
    from kuzushiji.classify.tables import read_tables

    def blend_group(group: tuple[str, ...]) -> Detailed:
        return blend_tables(read_tables([Path(name) for name in group], root, at_a_time=1), group)

    # A text table is several times as large while it is read: one at a time.
    blends = in_parallel(blend_group, config.groups, at_a_time=1 if any(map(is_text, config.paths)) else None)
    given = record.input_digests()
    sources = {str(path): given[str(path)] for path in config.paths}
    features = build_features(blends, config.groups, sources, config.top_k)
    with record.output_path(config.output, force=config.force) as temporary:
        write_features(temporary, features)
    candidates = len(features.candidates)
    facts = {"pages": len(features.pages), "boxes": len(features), "candidates": candidates}
    print_result(facts, as_json=config.json)
    record.finish(**facts)
    return 0


if __name__ == "__main__":
    cli.run(main)
