# PYTHON_ARGCOMPLETE_OK
"""Write the features of the second level: `python -m kuzushiji.classify.level2_features '[["a","b"],["c"]]' OUT`."""

import argparse
import dataclasses
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from kuzushiji import cli
from kuzushiji.options import data_root_option, force_option, json_option, option
from kuzushiji.stage import Facts, Stage

if TYPE_CHECKING:
    from kuzushiji.data.paths import DataRoot


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
class Level2FeaturesConfig:
    """What the command line asks for."""

    groups: tuple[tuple[str, ...], ...] = option(
        dataclasses.MISSING, 'detailed tables by kind of model, as JSON: [["a","b"],["c"]]; each group is blended',
        positional=True, type=groups_of_tables, metavar="GROUPS", beside_file=lambda _: "",
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


class Level2Features(Stage):
    """Write for each box its candidates and what the models think of them.

    The candidates are the best classes of each group of models and seg_fp. Tables of a group that have the same pages
    are averaged (the folds' models on test pages), those of other pages are joined (the folds' out-of-fold pages).
    """

    name = "classify.level2_features"
    config: Level2FeaturesConfig

    @cached_property
    def root(self) -> "DataRoot | None":
        """Where tables of the reference have their pages and vocabulary."""
        from kuzushiji.classify.given_tables import data_root_of

        return data_root_of(self.config.paths, self.config.data_root)

    def inputs(self) -> list[Path]:
        """Return the detailed tables, and what text tables need beside them."""
        from kuzushiji.classify.given_tables import table_inputs

        return table_inputs(self.config.paths, self.root)

    def check(self) -> None:
        """Check the name of the output."""
        from kuzushiji.artifacts.box_table import check_name

        check_name(self.config.output, "features")

    def run(self) -> Facts:
        """Write the features; return their numbers of pages, boxes and candidates."""
        from kuzushiji.artifacts import Detailed
        from kuzushiji.artifacts.detailed_files import is_text
        from kuzushiji.artifacts.features import write_features
        from kuzushiji.classify.averaging import blend_tables
        from kuzushiji.classify.given_tables import read_tables
        from kuzushiji.classify.level2.candidates import build_features
        from kuzushiji.classify.parallel import in_parallel

        config = self.config

        def blend_group(group: tuple[str, ...]) -> Detailed:
            return blend_tables(read_tables([Path(name) for name in group], self.root, at_a_time=1), group)

        # A text table is several times as large while it is read: one at a time.
        blends = in_parallel(blend_group, config.groups, at_a_time=1 if any(map(is_text, config.paths)) else None)
        given = self.record.input_digests()
        sources = {str(path): given[str(path)] for path in config.paths}
        features = build_features(blends, config.groups, sources, config.top_k)
        with self.output_path(config.output) as temporary:
            write_features(temporary, features)
        return {"pages": len(features.pages), "boxes": len(features), "candidates": len(features.candidates)}


main = Level2Features.main

if __name__ == "__main__":
    cli.run(main)
