"""Truth and predicted boxes -> counts: the one place where predictions of the stages are scored.

Scoring walks the truth: its pages are all that count, with all their characters, whether or not anything was
predicted there. So `truth` is always the truth of every page of a fold, not only of those with predictions.
"""

from dataclasses import replace

import pandas as pd

from kuzushiji.data.labels import SEG_FP, PageLabels, PagePoints
from kuzushiji.metric import Counts, score_points

_ANY_CHARACTER = "U+003F"


def points_of(labels: PageLabels) -> PagePoints:
    """Return the centres of boxes as a submission has them, without the class `seg_fp`; all pages stay, in order."""
    boxes = labels.boxes[labels.boxes["code"] != SEG_FP]
    points = pd.DataFrame(
        {
            "image_id": boxes["image_id"],
            "code": boxes["code"],
            "x": boxes["x"] + boxes["w"] / 2,
            "y": boxes["y"] + boxes["h"] / 2,
        }
    )
    return PagePoints(labels.image_ids, points.reset_index(drop=True))


def score_boxes(truth: PageLabels, predicted: PageLabels) -> Counts:
    """Score detection alone: all characters, predicted and true, are given the same class.

    Args:
        truth: Truth of all pages of the fold, those without text or predictions too.
        predicted: Predicted boxes; their codes do not matter, `seg_fp` counts as a box.

    Raises:
        InputError: a predicted page is not in the truth.
    """
    return score_points(_of_one_class(truth), points_of(_of_one_class(predicted)))


def score_classes(truth: PageLabels, predicted: PageLabels) -> Counts:
    """Score boxes with their codes at their centres; boxes of the class `seg_fp` are left out.

    Args:
        truth: Truth of all pages of the fold, those without text or predictions too.
        predicted: Predicted boxes with predicted codes.

    Raises:
        InputError: a predicted page is not in the truth.
    """
    return score_points(truth, points_of(predicted))


def _of_one_class(labels: PageLabels) -> PageLabels:
    return replace(labels, boxes=labels.boxes.assign(code=_ANY_CHARACTER))
