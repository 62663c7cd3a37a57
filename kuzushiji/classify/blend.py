# PYTHON_ARGCOMPLETE_OK
"""Blend the tables of several models: `python -m kuzushiji.classify.blend DETAILED[=weight]… (--output | --score)`."""

import dataclasses
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from kuzushiji import cli
from kuzushiji.errors import InputError
from kuzushiji.options import data_root_option, force_option, json_option, option
from kuzushiji.stage import Facts, Stage
from kuzushiji.terminal import print_result

if TYPE_CHECKING:
    from kuzushiji.artifacts import Detailed
    from kuzushiji.classify.averaging import FoundWeights
    from kuzushiji.data.paths import DataRoot


@dataclass(frozen=True)
class BlendConfig:
    """What the command line asks for."""

    detailed: tuple[str, ...] = option(
        dataclasses.MISSING, "detailed tables; a table's weight in the mean is 1 unless it is given",
        positional=True, nargs="+", metavar="DETAILED[=weight]", beside_file=lambda word: path_and_weight(word)[1],
    )  # fmt: skip
    output: Path | None = option(None, "submission to write; the probability of each character goes beside it")
    score: bool = option(False, "print the score on the training pages of the tables", changes_result=False)
    output_detailed: Path | None = option(None, "detailed table of the blend to write")
    held_out: tuple[str, ...] = option(
        (), "tables of the same models and the training pages that they have not seen: the score of their blend, and "
        "how well its probabilities fit there, are printed and go into the record of what is written",
        nargs="+", metavar="DETAILED[=weight]", changes_result=False,
    )  # fmt: skip
    weights: str = option(
        "given", "given: as the words say; auto: those that are best on the tables of --held-out, each for the table "
        "in the same place of DETAILED", choices=("given", "auto"),
    )  # fmt: skip
    top_k: int | None = option(
        None, "classes a box to keep; all of the longest table by default", type=cli.positive_int
    )
    json: bool = json_option()
    force: bool = force_option()
    data_root: Path | None = data_root_option("train.csv and sample_submission.csv")

    def __post_init__(self) -> None:
        if not (self.output or self.score or self.output_detailed):
            raise InputError("expected --output SUBMISSION, --score or --output-detailed TABLE")
        if self.score and self.held_out:
            raise InputError("expected --score or --held-out, got both")
        pairs = [path_and_weight(text) for text in (*self.detailed, *self.held_out)]
        if self.weights == "auto":
            if len(self.held_out) != len(self.detailed):
                raise InputError(
                    f"--weights auto: expected a table of --held-out for each of the {len(self.detailed)} tables, got "
                    f"{len(self.held_out)}"
                )
            if any(weight != 1.0 for _, weight in pairs):
                raise InputError("--weights auto: expected tables without weights of their own, got DETAILED=weight")

    @property
    def paths(self) -> list[Path]:
        """The tables."""
        return [path_and_weight(text)[0] for text in self.detailed]

    @property
    def given_weights(self) -> list[float]:
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


class Blend(Stage):
    """Average the logits of several models, box by box.

    Tables of the same pages are models; tables of other pages, such as other folds, are joined to them. Tables that do
    not match are refused.
    """

    name = "classify.blend"
    config: BlendConfig

    @cached_property
    def root(self) -> "DataRoot | None":
        """The data root; None where there is none and nothing needs one."""
        from kuzushiji.classify.given_tables import data_root_of
        from kuzushiji.data.paths import DataRoot

        config = self.config
        if config.score or config.output or config.held_out:
            return DataRoot.find(config.data_root)
        return data_root_of(config.paths, config.data_root)

    @cached_property
    def sample_csv(self) -> Path | None:
        """The sample submission, where one is written."""
        return self.root.sample_submission_csv if self.root and self.config.output else None

    def inputs(self) -> list[Path]:
        """Return the tables, what text tables need beside them, and the sample submission."""
        from kuzushiji.classify.given_tables import table_inputs

        paths = list(self.config.paths)
        if self.config.weights == "auto":
            paths += [path_and_weight(text)[0] for text in self.config.held_out]
        return [*table_inputs(paths, self.root), *filter(None, [self.sample_csv])]

    def outputs(self) -> list[Path]:
        """Return the submission with the probabilities beside it, and the table, as far as they are asked for."""
        from kuzushiji.classify.results import submission_outputs

        submission = submission_outputs(self.config.output) if self.config.output else []
        return [*submission, *filter(None, [self.config.output_detailed])]

    def places(self) -> list[Path]:
        """Return the submission and the table, as far as they are asked for."""
        return [*filter(None, [self.config.output, self.config.output_detailed])]

    def forced(self) -> bool:
        """Return whether to run in any case: a score is asked for, which is not kept."""
        return self.config.force or self.config.score

    def run(self) -> Facts:
        """Write what is asked for; return the number of boxes and pages, and the scores."""
        config = self.config
        scores: Facts = {}
        weights: Sequence[float] = config.given_weights
        if config.held_out:  # what is wrong with these should not come out after the writing
            paths = [path_and_weight(text)[0] for text in config.held_out]
            held_out_weights = [path_and_weight(text)[1] for text in config.held_out]
            if config.weights == "auto":
                found = self.find_weights(paths)
                scores["weights"] = {"of models": found.weights, "f1": found.f1, "f1 of equal weights": found.equal_f1}
                weights = held_out_weights = found.of_table
            held_out = read_and_blend(paths, held_out_weights, config.top_k, self.root)
            scores["held_out"] = score_of(held_out, self.root)
        blend = read_and_blend(config.paths, weights, config.top_k, self.root, self.sample_csv)
        if config.score:
            scores["score"] = score_of(blend, self.root)
        self.write(blend)
        return {"boxes": len(blend), "pages": len(blend.pages), **scores}

    def find_weights(self, paths: Sequence[Path]) -> "FoundWeights":
        """Return the weights that are best on held-out tables."""
        from kuzushiji.classify.averaging import find_weights
        from kuzushiji.classify.given_tables import read_tables

        return find_weights(read_tables(paths, self.root), list(map(str, paths)))

    def write(self, blend: "Detailed") -> None:
        """Write the outputs that the command line asks for."""
        from kuzushiji.artifacts import write_detailed
        from kuzushiji.classify.calibration import best_probability
        from kuzushiji.classify.results import write_predictions

        config = self.config
        if config.output_detailed:
            with self.output_path(config.output_detailed) as temporary:
                write_detailed(temporary, blend)
        if config.output and self.sample_csv:
            probability = best_probability(blend.logits)
            write_predictions(
                self.record, config.output, blend.labels(), probability, self.sample_csv, force=config.force
            )

    def show(self, facts: Facts) -> None:
        """Print the score."""
        for name in ("weights", "held_out", "score"):
            if name in facts:
                print_result(facts[name], as_json=self.config.json)


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
    from kuzushiji.classify.averaging import blend_tables
    from kuzushiji.classify.given_tables import read_tables
    from kuzushiji.classify.results import check_test_pages

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


def score_of(blend: "Detailed", root: "DataRoot | None") -> dict[str, float]:
    """Return the score of a blend on the training pages that its tables looked at, with every missed character."""
    from kuzushiji.classify.results import calibration_of_table, truth_of_pages
    from kuzushiji.scoring import score_classes

    assert root is not None, "a data root is looked for wherever a score is asked for"
    counts = score_classes(truth_of_pages(blend.pages, root.train_csv), blend.labels())
    right = float((blend.pred == blend.boxes["true"].to_numpy(object)).mean()) if len(blend) else 0.0
    error = calibration_of_table(blend).error
    facts = {"pages": len(blend.pages), "boxes": len(blend), "accuracy": right, "calibration_error": error}
    return counts.as_dict() | facts


main = Blend.main

if __name__ == "__main__":
    cli.run(main)
