"""What the command of the second level does with test pages: apply the models of all folds, write the submission."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from kuzushiji.classify.level2.config import STAGE, Config
from kuzushiji.run_folder import LEVEL2_FILE
from kuzushiji.terminal import print_result

if TYPE_CHECKING:
    from kuzushiji.data.paths import DataRoot

logger = logging.getLogger(__name__)


def submit(config: Config, folder: Path, output: Path, root: "DataRoot") -> None:
    """Apply the models of all folds to test pages and write the submission."""
    from kuzushiji.classify.predictions import submission_outputs, table_inputs
    from kuzushiji.record import StageRecord

    inputs = [*table_inputs(config.tables, root), folder / LEVEL2_FILE, root.sample_submission_csv]
    _, beside = submission_outputs(output)
    record = StageRecord.of_file(output, STAGE, {"submission": True}, inputs, [beside])
    if not record.needs_run(force=config.force):
        logger.info("%s: already done, skipped", output)
        return
    from kuzushiji.classify.level2.model import apply_model, load_model
    from kuzushiji.classify.level2.tables import read_input
    from kuzushiji.classify.predictions import write_predictions
    from kuzushiji.data.labels import PageLabels

    model = load_model(folder)
    views, pages = read_input(config.tables, root)
    for features in views:
        model.check(features, ", ".join(map(str, config.tables)))
    choice = apply_model(model, views)
    boxes = views[0].boxes[["image_id", "box", "x", "y", "w", "h"]].assign(code=model.vocabulary.decode(choice.classes))
    labels = PageLabels(pages, boxes)
    write_predictions(record, output, labels, choice.probability, root.sample_submission_csv, force=config.force)
    characters = int((choice.classes != model.vocabulary.seg_fp).sum())
    print_result({"pages": len(pages), "boxes": len(boxes), "characters": characters}, as_json=config.json)
    record.finish(characters=characters)
