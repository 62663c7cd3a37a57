"""What the command of the second level does with test pages: apply the models of all folds, write the submission."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kuzushiji.classify.level2.config import LIBRARY_OF_OPTION, OF_DECISION, OF_SUBMISSION, STAGE, Config
from kuzushiji.errors import InputError
from kuzushiji.run_folder import LEVEL2_FILE
from kuzushiji.terminal import print_result

if TYPE_CHECKING:
    from kuzushiji.classify.level2.model import Level2Model
    from kuzushiji.data.paths import DataRoot

logger = logging.getLogger(__name__)


def submit(config: Config, folder: Path, output: Path, root: "DataRoot") -> None:
    """Apply the models of all folds to test pages and write the submission, unless that is done."""
    from kuzushiji.classify.predictions import submission_outputs
    from kuzushiji.classify.tables import table_inputs
    from kuzushiji.record import StageRecord

    ignored = sorted(config.given - OF_SUBMISSION)
    if ignored:
        flags = ", ".join(f"--{name.replace('_', '-')}" for name in ignored)
        logger.warning("%s is trained: %s of training count no more", folder, flags)
    asked = {name: getattr(config, name) for name in (*LIBRARY_OF_OPTION, *OF_DECISION) if name in config.given}
    inputs = [*table_inputs(config.tables, root), folder / LEVEL2_FILE, root.sample_submission_csv]
    _, beside = submission_outputs(output)
    record = StageRecord.of_file(output, STAGE, {"submission": True, **asked}, inputs, [beside])
    if not record.needs_run(force=config.force):
        return
    from kuzushiji.classify.level2.folder import load_model
    from kuzushiji.classify.level2.model import apply_model
    from kuzushiji.classify.level2.tables import read_input
    from kuzushiji.classify.predictions import write_predictions

    model = as_asked(load_model(folder), asked, folder)
    given = read_input(config.tables, root)
    for features, name in zip(given.views, given.names, strict=True):
        model.check(features, name)
    choice = apply_model(model, given.views)
    labels = given.views[0].labels(model.vocabulary.decode(choice.classes), given.pages)
    write_predictions(record, output, labels, choice.probability, root.sample_submission_csv, force=config.force)
    characters = int((choice.classes != model.vocabulary.seg_fp).sum())
    print_result({"pages": len(given.pages), "boxes": len(labels.boxes), "characters": characters}, as_json=config.json)
    record.finish(characters=characters)


def as_asked(model: "Level2Model", asked: Mapping[str, Any], folder: Path) -> "Level2Model":
    """Return the model with the libraries and the decision that a command line asks for.

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
