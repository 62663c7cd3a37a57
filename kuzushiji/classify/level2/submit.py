"""Level 2 on test pages: apply the models of all folds and write the submission."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kuzushiji.classify.level2.config import LIBRARY_OF_OPTION, OF_DECISION, OF_SUBMISSION, STAGE, Level2Config
from kuzushiji.errors import InputError
from kuzushiji.run_folder import LEVEL2_FILE
from kuzushiji.stage import Facts, Stage

if TYPE_CHECKING:
    from kuzushiji.classify.level2.model import Level2Model
    from kuzushiji.data.paths import DataRoot

logger = logging.getLogger(__name__)


class ApplyLevel2(Stage):
    """Apply the models of all folds to test pages and write the submission.

    Attributes:
        folder: Of the models.
        output: The submission.
        root: The data root.
    """

    name = STAGE
    from_flags = True
    config: Level2Config

    def __init__(self, config: Level2Config, folder: Path, output: Path, root: "DataRoot") -> None:
        super().__init__(config)
        self.folder = folder
        self.output = output
        self.root = root

    @property
    def asked(self) -> dict[str, Any]:
        """Values of the options `LIBRARY_OF_OPTION` and `OF_DECISION` that were given."""
        names = (*LIBRARY_OF_OPTION, *OF_DECISION)
        return {name: getattr(self.config, name) for name in names if name in self.config.given}

    def check(self) -> None:
        """Warn of options that have no effect on a trained model."""
        ignored = sorted(self.config.given - OF_SUBMISSION)
        if ignored:
            flags = ", ".join(f"--{name.replace('_', '-')}" for name in ignored)
            logger.warning("%s is trained: %s of training count no more", self.folder, flags)

    def parameters(self) -> dict[str, Any]:
        """Return the options that were given; all others are stored in the models."""
        return {"submission": True, **self.asked}

    def inputs(self) -> list[Path]:
        """Return the features, the models and the sample submission."""
        from kuzushiji.classify.given_tables import table_inputs

        tables = table_inputs(self.config.tables, self.root)
        return [*tables, self.folder / LEVEL2_FILE, self.root.sample_submission_csv]

    def outputs(self) -> list[Path]:
        """Return the submission, and beside it the probabilities and the candidates."""
        from kuzushiji.artifacts import candidates_path
        from kuzushiji.classify.results import submission_outputs

        return [*submission_outputs(self.output), candidates_path(self.output)]

    def run(self) -> Facts:
        """Write the submission; return how many pages, boxes and characters it has."""
        from kuzushiji.artifacts import candidates_path, write_detailed
        from kuzushiji.classify.level2.model import pool
        from kuzushiji.classify.level2.saving import load_model
        from kuzushiji.classify.level2.tables import read_input
        from kuzushiji.classify.results import write_predictions

        model = as_asked(load_model(self.folder), self.asked, self.folder)
        given = read_input(self.config.tables, self.root)
        for features, name in zip(given.views, given.names, strict=True):
            model.check(features, name)
        pooled = pool(model, given.views)
        choice = pooled.choose(model.decision)
        labels = given.views[0].labels(model.vocabulary.decode(choice.classes), given.pages)
        sample = self.root.sample_submission_csv
        write_predictions(self.record, self.output, labels, choice.probability, sample, force=self.config.force)
        with self.record.output_path(candidates_path(self.output), force=self.config.force) as temporary:
            write_detailed(temporary, pooled.table(given.views[0], given.pages))
        characters = int((choice.classes != model.vocabulary.seg_fp).sum())
        return {"pages": len(given.pages), "boxes": len(labels.boxes), "characters": characters}


def as_asked(model: "Level2Model", asked: Mapping[str, Any], folder: Path) -> "Level2Model":
    """Return the model with the libraries and the decision that the command line selects.

    Args:
        model: As it was trained.
        asked: Values of the options `LIBRARY_OF_OPTION` and `OF_DECISION` that were given.
        folder: Of the model.

    Raises:
        InputError: a library is asked for whose trees the model has not, or those that it has are not wanted.
    """
    wanted = [kind for name, kind in LIBRARY_OF_OPTION.items() if asked.get(name, kind in model.libraries)]
    if not wanted or set(wanted) - set(model.libraries):
        expected = wanted or [kind for kind in LIBRARY_OF_OPTION.values() if kind not in model.libraries]
        got = " and ".join(model.libraries)
        raise InputError(f"{folder}: expected trees of {' and '.join(expected)}, got those of {got}")
    decision = replace(model.decision, **{name: asked[name] for name in OF_DECISION if name in asked})
    return replace(model.of_libraries(wanted), decision=decision)
