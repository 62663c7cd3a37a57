# PYTHON_ARGCOMPLETE_OK
"""Choose confident predictions on test pages as extra training pages: `python -m kuzushiji.classify.pseudolabel`."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from kuzushiji import cli
from kuzushiji.errors import InputError
from kuzushiji.options import data_root_option, force_option, json_option, option
from kuzushiji.stage import Facts, Stage

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from kuzushiji.artifacts import Detailed
    from kuzushiji.data.paths import DataRoot


@dataclass(frozen=True)
class PseudolabelConfig:
    """What the command line asks for."""

    detailed: tuple[Path, ...] = option(
        dataclasses.MISSING, "detailed tables of all models of all folds, of the same pages",
        positional=True, nargs="+", metavar="DETAILED", type=Path,
    )  # fmt: skip
    output: Path = option(
        dataclasses.MISSING, "CSV to write, in the format of train.csv", positional=True, metavar="OUT", type=Path
    )
    min_gap: float = option(5.0, "logit by which the best class must lead the second", type=cli.non_negative_float)
    max_second_score: float = option(10.0, "logit of the second class at most")
    drop_seg_fp: bool = option(True, "leave out boxes whose best class in the blend is seg_fp")
    json: bool = json_option()
    force: bool = force_option()
    data_root: Path | None = data_root_option("train.csv, for tables of the reference")


def confident(
    blend: "Detailed",
    min_gap: float,
    max_second_score: float,
    *,
    drop_seg_fp: bool,
    all_named: "NDArray[np.bool_] | bool" = False,
) -> "NDArray[np.bool_]":
    """Return which boxes (n,) become pseudolabels.

    A box is kept when its best class leads the second by at least `min_gap` and the second's logit is at most
    `max_second_score`. A class that no table names has the logit 0, and is the second where no other has more.

    Args:
        blend: Mean logits over all models of all folds, two classes a box.
        min_gap: In logits.
        max_second_score: A logit.
        drop_seg_fp: Whether boxes whose best class of the blend is `seg_fp` are left out.
        all_named: (n,) for which boxes there is no class that no table names.
    """
    import numpy as np

    best = blend.logits[:, 0]
    second = blend.logits[:, 1] if blend.logits.shape[1] > 1 else best * 0
    second = np.where(all_named, second, np.maximum(second, 0))
    keep = (best - second >= min_gap) & (second <= max_second_score)
    return keep & (blend.classes[:, 0] != blend.vocabulary.seg_fp) if drop_seg_fp else keep


class Pseudolabel(Stage):
    """Keep the boxes of test pages of which the models are sure, as extra training pages.

    The logits of all models are averaged. Pages without such a box are left out.
    """

    name = "classify.pseudolabel"
    config: PseudolabelConfig

    @cached_property
    def root(self) -> "DataRoot | None":
        """Where tables of the reference have their pages and vocabulary."""
        from kuzushiji.classify.given_tables import data_root_of

        return data_root_of(self.config.detailed, self.config.data_root)

    def inputs(self) -> list[Path]:
        """Return the detailed tables, and what text tables need beside them."""
        from kuzushiji.classify.given_tables import table_inputs

        return table_inputs(self.config.detailed, self.root)

    def run(self) -> Facts:
        """Write the pseudolabels; return how many boxes were kept, and how many are right where that is known."""
        from kuzushiji.classify.averaging import blend_tables
        from kuzushiji.classify.given_tables import read_tables
        from kuzushiji.data.labels import write_page_labels

        config = self.config
        tables = read_tables(config.detailed, self.root)
        check_second_class(tables, config.detailed)
        blend = blend_tables(tables, list(map(str, config.detailed)), top_k=2)
        # A table has all classes of a box, or so few that those of all tables together are not all either.
        whole = {page for table in tables if table.classes.shape[1] == len(table.vocabulary) for page in table.pages}
        keep = confident(
            blend, config.min_gap, config.max_second_score, drop_seg_fp=config.drop_seg_fp,
            all_named=blend.boxes["image_id"].isin(whole).to_numpy(),
        )  # fmt: skip
        kept = blend.take(keep)
        pages = tuple(dict.fromkeys(kept.boxes["image_id"]))
        with self.output_path(config.output) as temporary:
            write_page_labels(temporary, dataclasses.replace(kept, pages=pages).labels())
        return summary(blend, kept, len(pages))


def check_second_class(tables: "Sequence[Detailed]", paths: Sequence[Path]) -> None:
    """Check that the boxes have a second class, where there is one, by which the best could lead.

    Raises:
        InputError: a table has only the best.
    """
    for table, path in zip(tables, paths, strict=True):
        if len(table) and table.classes.shape[1] < min(2, len(table.vocabulary)):
            raise InputError(f"{path}: expected at least 2 classes a box, got {table.classes.shape[1]}")


def summary(blend: "Detailed", kept: "Detailed", n_pages: int) -> dict[str, float]:
    """Return what was kept, and how much of it is right where the tables know the truth."""
    from kuzushiji.data.labels import SEG_FP

    share = len(kept) / max(len(blend), 1)
    facts: dict[str, float] = {"boxes": len(blend), "kept": len(kept), "share": share, "pages": n_pages}
    if (blend.boxes["true"] != SEG_FP).any():
        right = float((kept.pred == kept.boxes["true"].to_numpy(object)).mean()) if len(kept) else 0.0
        facts["precision"] = right
    return facts


main = Pseudolabel.main

if __name__ == "__main__":
    cli.run(main)
