# PYTHON_ARGCOMPLETE_OK
"""Blend the tables of several models: `python -m kuzushiji.classify.blend DETAILED[=weight]… (--output | --score)`."""

import dataclasses
import math
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kuzushiji import cli
from kuzushiji.errors import InputError
from kuzushiji.locks import hold
from kuzushiji.options import add_options, config_from, data_root_option, force_option, json_option, option, parameters

if TYPE_CHECKING:
    from kuzushiji.artifacts import Detailed
    from kuzushiji.data.paths import DataRoot
    from kuzushiji.record import StageRecord

STAGE = "classify.blend"


@dataclass(frozen=True)
class Config:
    """What the command line asks for."""

    detailed: tuple[str, ...] = option(
        dataclasses.MISSING, "detailed tables; a table's weight in the mean is 1 unless it is given",
        positional=True, nargs="+", metavar="DETAILED[=weight]",
    )  # fmt: skip
    output: Path | None = option(None, "submission to write; the probability of each character goes beside it")
    score: bool = option(False, "print the score on the training pages of the tables", changes_result=False)
    output_detailed: Path | None = option(None, "detailed table of the blend to write")
    held_out: tuple[str, ...] = option(
        (), "tables of the same models and the training pages that they have not seen: the score of their blend, and "
        "how well its probabilities fit there, are printed and go into the record of what is written",
        nargs="+", metavar="DETAILED[=weight]", changes_result=False,
    )  # fmt: skip
    top_k: int | None = option(
        None, "classes a box to keep; all of the longest table by default", type=cli.positive_int
    )
    json: bool = json_option()
    force: bool = force_option()
    data_root: Path | None = data_root_option("train.csv and sample_submission.csv")

    def __post_init__(self) -> None:
        """Check that there is something to do, and the weights.

        Raises:
            InputError: there is nothing; two scores; a weight is not a finite number above 0.
        """
        if not (self.output or self.score or self.output_detailed):
            raise InputError("expected --output SUBMISSION, --score or --output-detailed TABLE")
        if self.score and self.held_out:
            raise InputError("expected --score or --held-out, got both")
        for text in (*self.detailed, *self.held_out):
            path_and_weight(text)

    @property
    def paths(self) -> list[Path]:
        """The tables."""
        return [path_and_weight(text)[0] for text in self.detailed]

    @property
    def weights(self) -> list[float]:
        """One weight a table."""
        return [path_and_weight(text)[1] for text in self.detailed]


def path_and_weight(text: str) -> tuple[Path, float]:
    """Return the path and the weight in `path` or `path=weight`.

    Raises:
        InputError: the weight is not a finite number above 0.
    """
    path, sign, number = text.rpartition("=")
    if not sign or "/" in number:
        return Path(text), 1.0
    try:
        weight = float(number)
    except ValueError:
        weight = math.nan
    if not 0 < weight < math.inf:
        raise InputError(f"{text}: expected a weight above 0 after '=', got {number!r}")
    return Path(path), weight


def get_parser() -> cli.ArgumentParser:
    """Return the parser of the command line."""
    parser = cli.ArgumentParser(
        prog="python -m kuzushiji.classify.blend",
        description="Average the logits of several models, box by box. Tables of the same pages are models; tables of "
        "other pages, such as other folds, are joined to them. Tables that do not match are refused.",
    )
    add_options(parser, Config)
    return parser


def parse_args(argv: Sequence[str] | None = None) -> Config:
    """Return the command line's config."""
    return config_from(get_parser().parse_intermixed_args(argv), Config)


def main(argv: Sequence[str] | None = None) -> int:
    """Blend tables; write a submission, a table, or print a score."""
    config = parse_args(argv)
    with ExitStack() as held:
        for place in filter(None, (config.output, config.output_detailed)):
            held.enter_context(hold(place))
        return run(config)


def run(config: Config) -> int:
    """Do what the config asks for, unless that is done."""
    from kuzushiji.classify.predictions import submission_outputs
    from kuzushiji.classify.tables import data_root_of, table_inputs
    from kuzushiji.data.paths import DataRoot
    from kuzushiji.record import StageRecord
    from kuzushiji.terminal import print_result

    needs_root = config.score or config.output or config.held_out
    root = DataRoot.find(config.data_root) if needs_root else data_root_of(config.paths, config.data_root)
    outputs = [*(submission_outputs(config.output) if config.output else [])]
    outputs += [config.output_detailed] if config.output_detailed else []
    if not outputs:
        print_result(
            score_of(read_and_blend(config.paths, config.weights, config.top_k, root), root), as_json=config.json
        )
        return 0
    inputs = table_inputs(config.paths, root)
    inputs += [root.sample_submission_csv] if root and config.output else []
    record = StageRecord.of_file(outputs[0], STAGE, parameters(config), inputs, outputs[1:])
    if not record.needs_run(force=config.force or config.score):
        return 0
    told: dict[str, dict[str, float]] = {}
    if config.held_out:  # what is wrong with these should not come out after the writing
        paths, weights = zip(*map(path_and_weight, config.held_out), strict=True)
        told["held_out"] = score_of(read_and_blend(paths, weights, config.top_k, root), root)
    sample = root.sample_submission_csv if config.output and root else None
    blend = read_and_blend(config.paths, config.weights, config.top_k, root, sample)
    if config.score:
        told["score"] = score_of(blend, root)
    write(config, record, blend, root)
    record.finish(boxes=len(blend), pages=len(blend.pages), **told)
    for facts in told.values():
        print_result(facts, as_json=config.json)
    return 0


def read_and_blend(
    paths: Sequence[Path],
    weights: Sequence[float],
    top_k: int | None,
    root: "DataRoot | None",
    sample_csv: Path | None = None,
) -> "Detailed":
    """Return the blend of tables.

    Raises:
        InputError: they do not match, one is there twice, or has a page that the sample lacks where there is one.
    """
    from kuzushiji.classify.blending import blend_tables
    from kuzushiji.classify.predictions import check_test_pages
    from kuzushiji.classify.tables import read_tables

    tables = read_tables(paths, root)
    check_distinct(tables, paths)
    if sample_csv is not None:
        check_test_pages(tables, paths, sample_csv)
    return blend_tables(tables, list(map(str, paths)), weights, top_k)


def check_distinct(tables: "Sequence[Detailed]", paths: Sequence[Path]) -> None:
    """Check that no table is given twice, by whatever name: it would count twice, which is what weights are for.

    Tables without boxes are alike without being the same.

    Raises:
        InputError: two tables with boxes are the same file, or files with the same content.
    """
    from kuzushiji.files import sha256_of_file

    sizes = Counter(path.stat().st_size for path in paths)
    seen: dict[str, Path] = {}
    for table, path in zip(tables, paths, strict=True):
        if len(table) and sizes[path.stat().st_size] > 1:  # files of other sizes need not be read again
            first = seen.setdefault(sha256_of_file(path), path)
            if first is not path:
                raise InputError(f"{path}: expected each table once, got {first} again (more weight: {first}=2)")


def write(config: Config, record: "StageRecord", blend: "Detailed", root: "DataRoot | None") -> None:
    """Write the outputs that the command line asks for."""
    from kuzushiji.artifacts import write_detailed
    from kuzushiji.classify.calibration import best_probability
    from kuzushiji.classify.predictions import write_predictions

    if config.output_detailed:
        with record.output_path(config.output_detailed, force=config.force) as temporary:
            write_detailed(temporary, blend)
    if config.output and root:
        probability = best_probability(blend.logits)
        write_predictions(
            record, config.output, blend.labels(), probability, root.sample_submission_csv, force=config.force
        )


def score_of(blend: "Detailed", root: "DataRoot | None") -> dict[str, float]:
    """Return the score of a blend on the training pages that its tables looked at, with every missed character."""
    from kuzushiji.classify.predictions import calibration_of_table, truth_of_pages
    from kuzushiji.scoring import score_classes

    assert root is not None, "a data root is looked for wherever a score is asked for"
    counts = score_classes(truth_of_pages(blend.pages, root.train_csv), blend.labels())
    right = float((blend.pred == blend.boxes["true"].to_numpy(object)).mean()) if len(blend) else 0.0
    error = calibration_of_table(blend).error
    facts = {"pages": len(blend.pages), "boxes": len(blend), "accuracy": right, "calibration_error": error}
    return counts.as_dict() | facts


if __name__ == "__main__":
    cli.run(main)
