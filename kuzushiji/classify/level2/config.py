"""The parameters of the second level."""

import argparse
import dataclasses
import math
from dataclasses import dataclass
from pathlib import Path

from kuzushiji import cli
from kuzushiji.errors import InputError
from kuzushiji.options import data_root_option, force_option, json_option, option
from kuzushiji.run_folder import PARAMS

SOFTMAX, RANKING, BINARY = "softmax", "ranking", "binary"
OBJECTIVES = (SOFTMAX, RANKING, BINARY)

EXTENDED, REFERENCE = "extended", "reference"
FEATURE_SETS = (EXTENDED, REFERENCE)

LIGHTGBM, XGBOOST = "lightgbm", "xgboost"


STAGE = "classify.level2"
REFERENCE_FOLDS = 5
"""Folds of the reference, whose text tables do not state their number."""

AUTO = "auto"
"""Value of `seg_fp_adjust` and `min_probability` that asks for the best one on out-of-fold pages."""


LIBRARY_OF_OPTION = {"use_lgb": LIGHTGBM, "use_xgb": XGBOOST}

OF_DECISION = ("seg_fp_adjust", "min_probability")
"""Options that decide when a box is no character."""

OF_SUBMISSION = frozenset(
    {"load_model", "output", *LIBRARY_OF_OPTION, *OF_DECISION, "json", "force", "data_root", "threads"}
)
"""Options that apply to a trained model; `threads` does not change the result."""


def number_or_auto(text: str) -> float | str:
    """Parse a number, or `auto`."""
    if text == AUTO:
        return AUTO
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"expected a number or auto, got {text!r}")
    return value


@dataclass(frozen=True)
class Level2Config:
    """The options of the command line.

    Attributes:
        given: Names of the options that were set on the command line; a trained model has values for the others.
    """

    tables: tuple[Path, ...] = option(
        dataclasses.MISSING,
        "detailed tables, which contain the true classes, features of the same boxes, and extra columns made for these "
        "features, in any order: the kind is in each file. Several features of the same test pages, such as "
        "one of each fold's models, are views whose probabilities are averaged",
        positional=True, nargs="+", metavar="DETAILED|FEATURES", type=Path,
    )  # fmt: skip
    save_model: Path | None = option(
        None, "folder to write the trained models and their out-of-fold predictions to", metavar="M"
    )
    load_model: Path | None = option(None, "folder of models to apply to test pages", metavar="M")
    output: Path | None = option(
        None, "submission to write, with --load-model; the probability of each character is written beside it",
        metavar="SUBMISSION",
    )  # fmt: skip
    use_xgb: bool = option(True, "use XGBoost", group="training")
    use_lgb: bool = option(True, "use LightGBM", group="training")
    num_boost_round: int = option(400, "rounds of boosting at most", type=cli.positive_int, group="training")
    early_stop: int = option(
        20, "rounds without a better loss on the left-out fold after which training stops", type=cli.positive_int,
        group="training",
    )  # fmt: skip
    lr: float = option(0.05, "learning rate of LightGBM", type=cli.positive_float, group="training")
    eta: float = option(0.15, "learning rate of XGBoost", type=cli.positive_float, group="training")
    n_folds: int | None = option(
        None, "folds, by book, each with boxes in the tables. Without it those of the classifiers that wrote the "
        f"tables; {REFERENCE_FOLDS} where no {PARAMS} beside these has it", type=cli.positive_int, group="training",
    )  # fmt: skip
    seg_fp_adjust: float | str = option(
        0.0, "added to the log-odds of seg_fp; auto finds the best on out-of-fold pages", type=number_or_auto,
        metavar="X|auto", group="training",
    )  # fmt: skip
    min_probability: float | str = option(
        0.0, "characters of a lower probability are left out; auto finds the best on out-of-fold pages",
        type=number_or_auto, metavar="P|auto", group="training",
    )  # fmt: skip
    features: str = option(
        EXTENDED, "columns: the reference's, or extended by the neighbours in reading order and the language",
        choices=FEATURE_SETS, group="training",
    )  # fmt: skip
    objective: str = option(
        SOFTMAX, "softmax: the candidates of a box compete; ranking: the right one beats each of the others; binary: "
        "each for itself, as in the reference",
        choices=OBJECTIVES, group="training",
    )  # fmt: skip
    max_rows: int = option(
        800_000, "rows to train each fold's models on, about; of the boxes that the blend is sure of, some "
        "then stand for the others", type=cli.positive_int, group="training",
    )  # fmt: skip
    threads: int = option(
        0, "threads of the two libraries together; 0 for all cores", type=cli.non_negative_int, group="training",
        changes_result=False,
    )  # fmt: skip
    seed: int = option(0, "seed of bagging and sampling", type=cli.non_negative_int, group="training")
    json: bool = json_option()
    force: bool = force_option()
    data_root: Path | None = data_root_option("train.csv and sample_submission.csv")
    given: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if bool(self.load_model) != bool(self.output):
            raise InputError("expected --load-model M and --output SUBMISSION together, got one of them")
        if self.load_model and self.save_model:
            raise InputError("expected --save-model or --load-model, got both")
        for name in OF_DECISION:
            if self.load_model and getattr(self, name) == AUTO:
                raise InputError(f"expected a number for --{name.replace('_', '-')} with --load-model, got auto")
        if not self.libraries:
            raise InputError("expected at least one of --use-lgb and --use-xgb, got neither")
        if self.n_folds is not None and self.n_folds < 2:
            raise InputError(f"expected --n-folds of at least 2, got {self.n_folds}")

    @property
    def libraries(self) -> list[str]:
        """Names of the libraries that are used."""
        return [library for name, library in LIBRARY_OF_OPTION.items() if getattr(self, name)]
