"""From a table of chosen codes to what a stage hands out: a score on training pages, a submission on test pages."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kuzushiji.artifacts import Detailed, PredictedCharacters, characters_path, write_characters
from kuzushiji.classify.calibration import Calibration, best_probability, calibration
from kuzushiji.data.label_text import shown
from kuzushiji.data.labels import SEG_FP, PageLabels, read_page_labels
from kuzushiji.errors import InputError
from kuzushiji.record import StageRecord
from kuzushiji.submission import read_sample, write_submission


def truth_of_pages(pages: Sequence[str], train_csv: Path) -> PageLabels:
    """Return the truth of training pages, with every character, whether or not a box was found there.

    Raises:
        InputError: a page is not in `train.csv`, or there is no page.
    """
    if not pages:
        raise InputError("expected tables of training pages to score, got no page")
    labels = read_page_labels(train_csv)
    known = set(labels.image_ids)
    strange = next((page for page in pages if page not in known), None)
    if strange is not None:
        raise InputError(f"{train_csv}: expected the training pages of the tables, page {strange} is not there")
    return labels.of_pages(pages)


def calibration_of(
    predicted: NDArray[np.object_], truth: NDArray[np.object_], probability: NDArray[np.floating]
) -> Calibration:
    """Return how well the probabilities of the characters fit; boxes predicted to be `seg_fp` are no characters."""
    characters = predicted != SEG_FP
    return calibration(probability[characters], (predicted == truth)[characters])


def calibration_of_table(detailed: Detailed) -> Calibration:
    """Return how well the probabilities of the best classes of boxes fit whose truth is known."""
    truth = detailed.boxes["true"].to_numpy(object)
    return calibration_of(detailed.pred, truth, best_probability(detailed.logits))


def check_test_pages(tables: Sequence[Detailed], paths: Sequence[Path], sample_csv: Path) -> None:
    """Check that tables are of test pages, before they are blended: then nobody knows which table had the other page.

    Raises:
        InputError: a page that is not in the sample.
    """
    known = set(read_sample(sample_csv))
    for table, path in zip(tables, paths, strict=True):
        strange = next((page for page in table.pages if page not in known), None)
        if strange is not None:
            raise InputError(f"{path}, page {shown(strange)}: expected a page of {sample_csv}, got another")


def submission_outputs(submission: Path) -> list[Path]:
    """Return the files that `write_predictions` writes."""
    return [submission, characters_path(submission)]


def write_predictions(
    record: StageRecord,
    submission: Path,
    labels: PageLabels,
    probability: NDArray[np.floating],
    sample_csv: Path,
    *,
    force: bool,
) -> None:
    """Write a submission with every page of the sample, and the probability of each character beside it.

    Args:
        record: The stage's record, which knows what the stage may replace.
        submission: CSV to write.
        labels: Boxes with the chosen codes; `seg_fp` is left out.
        probability: (n,) of each box.
        sample_csv: The sample submission.
        force: Whether files of others may be replaced.

    Raises:
        InputError: a page that is not in the sample; a file that is somebody else's.
    """
    sample = read_sample(sample_csv)
    with record.output_path(submission, force=force) as temporary:
        write_submission(temporary, labels, sample, probability, str(sample_csv))
    with record.output_path(characters_path(submission), force=force) as temporary:
        write_characters(temporary, PredictedCharacters.from_labels(sample, labels, probability))
