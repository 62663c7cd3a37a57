"""The frame of stages that add columns to the candidates of level 2."""

import dataclasses
from abc import abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kuzushiji.options import force_option, json_option, option
from kuzushiji.stage import Facts, Stage

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from kuzushiji.artifacts.features import Features

    Columns = dict[str, NDArray[np.float32]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExtraColumnsConfig:
    """What all these stages are asked."""

    features: Path = option(
        dataclasses.MISSING, "features of level2_features; their candidates get the new columns", positional=True,
        metavar="FEATURES", type=Path,
    )  # fmt: skip
    output: Path = option(dataclasses.MISSING, "Parquet file to write", positional=True, metavar="OUT", type=Path)
    name: str = option("extra", "what the columns' names begin with")
    force: bool = force_option()
    json: bool = json_option()


class ExtraColumns(Stage):
    """Writes columns (m,) of the m candidates of features."""

    config: Any

    @abstractmethod
    def columns(self, features: "Features") -> "tuple[Columns, Facts]":
        """Return the columns by name, NaN where nothing is known, and what else was found out."""

    def check(self) -> None:
        """Check the name of the output."""
        from kuzushiji.artifacts.box_table import check_name

        check_name(self.config.output, "extra columns")

    def run(self) -> Facts:
        """Write the columns; return what else was found out."""
        from kuzushiji.artifacts.extra import Extra, write_extra
        from kuzushiji.artifacts.features import read_features

        config = self.config
        columns, facts = self.columns(read_features(config.features))
        with self.output_path(config.output) as temporary:
            write_extra(temporary, Extra.of(config.features, config.name, columns))
        return facts
