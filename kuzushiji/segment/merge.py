# PYTHON_ARGCOMPLETE_OK
"""Joins the out-of-fold boxes of all folds to one table: `python -m kuzushiji.segment.merge CLF_GT... OUT`."""

import dataclasses
from functools import cached_property
from pathlib import Path

from kuzushiji import cli
from kuzushiji.data.paths import DataRoot
from kuzushiji.options import data_root_option, force_option, json_option, option
from kuzushiji.stage import Facts, Stage


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


class Merge(Stage):
    """Join the out-of-fold boxes of all folds to one table in the order of train.csv."""

    name = "segment.merge"
    config: MergeConfig

    @cached_property
    def train_csv(self) -> Path:
        """The table whose order the pages get."""
        return DataRoot.find(self.config.data_root).train_csv

    def inputs(self) -> list[Path]:
        """Return the folds' tables and `train.csv`."""
        return [*self.config.tables, self.train_csv]

    def run(self) -> Facts:
        """Write the table; return the number of pages and boxes."""
        from kuzushiji.data.labels import read_page_labels, write_page_labels
        from kuzushiji.segment.joining import in_order_of, merge_tables

        config = self.config
        merged = merge_tables([read_page_labels(path) for path in config.tables], [str(path) for path in config.tables])
        ordered = in_order_of(merged, read_page_labels(self.train_csv).image_ids, allow_missing=config.allow_missing)
        with self.output_path(config.output) as temporary:
            write_page_labels(temporary, ordered)
        return {"pages": len(ordered.image_ids), "boxes": len(ordered.boxes)}


main = Merge.main

if __name__ == "__main__":
    cli.run(main)
