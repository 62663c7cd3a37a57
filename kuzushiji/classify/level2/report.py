"""What the second level reached, fold by fold, and which of the numbers are honest."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kuzushiji.artifacts.features import Features
from kuzushiji.classify.calibration import Calibration
from kuzushiji.classify.context import blended_logits
from kuzushiji.classify.level2.boosting import Course
from kuzushiji.classify.level2.choice import Choice, Decision, choose, mean_probability
from kuzushiji.classify.level2.training import FoldResult
from kuzushiji.classify.predictions import calibration_of
from kuzushiji.classify.segments import best_of_group
from kuzushiji.data.labels import PageLabels
from kuzushiji.metric import Counts
from kuzushiji.scoring import score_classes
from kuzushiji.terminal import format_table

BLEND, LEVEL2, LAST, BEST = "blend", "level 2", "last round", "best round"


@dataclass(frozen=True)
class FoldChoices:
    """What several ways of choosing read in the boxes of one fold.

    Attributes:
        classes: (n,) class numbers of each way; `LEVEL2` is what test pages get.
        probability: (n,) of `LEVEL2`.
        candidates: (m,) probability of each candidate, of `LEVEL2`.
    """

    classes: dict[str, NDArray[np.int32]]
    probability: NDArray[np.float32]
    candidates: NDArray[np.float32]


def fold_choices(features: Features, result: FoldResult, objective: str, decision: Decision) -> FoldChoices:
    """Return what the blend, each library and all together read; and all together after the last and best rounds."""

    def read(scores: Sequence[NDArray[np.float32]], when: Decision | None = None) -> tuple[Choice, NDArray[np.float32]]:
        probability = mean_probability(scores, features.offsets, objective)
        return choose(features.candidates, features.offsets, probability, when or Decision()), probability

    best = best_of_group(blended_logits(features), features.offsets)
    classes = {BLEND: features.candidates[best]}
    if len(result.scores) > 1:
        classes |= {kind: read([scores])[0].classes for kind, scores in result.scores.items()}
    choice, candidates = read(list(result.scores.values()), decision)
    classes[LEVEL2] = choice.classes
    courses = result.courses.values()
    classes[LAST] = read([course.last for course in courses])[0].classes
    classes[BEST] = read([course.best for course in courses])[0].classes
    return FoldChoices(classes, choice.probability, candidates)


def score_folds(
    truth: PageLabels,
    fold_of_page: NDArray[np.int32],
    features: Mapping[int, Features],
    choices: Mapping[int, FoldChoices],
) -> dict[str, dict[int, Counts]]:
    """Return the counts of each way of choosing, of each fold, over all pages of the truth.

    Args:
        truth: Of every page that the tables looked at.
        fold_of_page: (pages,) fold of each page of `truth`.
        features: Of each fold.
        choices: Of each fold.
    """
    scores: dict[str, dict[int, Counts]] = {}
    for way in next(iter(choices.values())).classes:
        scores[way] = {}
        for fold, part in features.items():
            pages = truth.of_pages(np.asarray(truth.image_ids, object)[fold_of_page == fold].tolist())
            codes = part.vocabulary.decode(choices[fold].classes[way])
            boxes = part.boxes[["image_id", "box", "x", "y", "w", "h"]].assign(code=codes)
            scores[way][fold] = score_classes(pages, PageLabels(pages.image_ids, boxes))
    return scores


def calibration_of_folds(features: Mapping[int, Features], choices: Mapping[int, FoldChoices]) -> Calibration:
    """Return how well the probabilities of level 2 fit on pages that its models had not seen."""
    predicted, truth, probability = [], [], []
    for fold, part in features.items():
        predicted.append(part.vocabulary.decode(choices[fold].classes[LEVEL2]))
        truth.append(part.boxes["true"].to_numpy(object))
        probability.append(choices[fold].probability)
    return calibration_of(np.concatenate(predicted), np.concatenate(truth), np.concatenate(probability))


def report_lines(
    scores: Mapping[str, Mapping[int, Counts]], results: Sequence[FoldResult], features: Mapping[int, Features]
) -> list[str]:
    """Return the table of F1 by fold and way of choosing, with the rounds of each library."""
    ways = list(scores)
    kinds = list(results[0].courses)
    head = ["fold", "boxes", *ways, *(f"rounds {kind}" for kind in kinds)]
    rows: list[list[object]] = []
    for result in results:
        fold = result.model.fold
        rounds = [_rounds(result.model.rounds[kind], result.courses[kind]) for kind in kinds]
        rows.append([fold, len(features[fold]), *(scores[way][fold].f1 for way in ways), *rounds])
    together = [sum(scores[way].values(), Counts()).f1 for way in ways]
    n = sum(len(part) for part in features.values())
    rows.append(["all", n, *together, *([""] * len(kinds))])
    return [
        "F1 over all characters of the pages, those without a box too; rounds are used/best/trained",
        *format_table(head, rows, to_left=()).splitlines(),
        f"honest out of fold: {', '.join(way for way in ways if way not in (LAST, BEST))}; "
        f"'{LAST}' and '{BEST}' stopped by a look at the fold itself",
    ]


def importance_lines(results: Sequence[FoldResult], n: int) -> list[str]:
    """Return the `n` columns with the largest share of the gain, by library."""
    lines = []
    for kind in results[0].courses:
        total: dict[str, float] = {}
        for result in results:
            gains = result.model.trees[kind].gains()
            scale = sum(gains.values()) or 1.0
            for name, gain in gains.items():
                total[name] = total.get(name, 0.0) + gain / scale / len(results)
        best = sorted(total.items(), key=lambda item: -item[1])[:n]
        lines.append(f"gain in {kind}: " + ", ".join(f"{name} {share:.3f}" for name, share in best))
    return lines


def facts_of(scores: Mapping[str, Mapping[int, Counts]], fit: Calibration) -> dict[str, Any]:
    """Return the report as JSON values, for the record."""
    return {
        "f1": {way: sum(by_fold.values(), Counts()).f1 for way, by_fold in scores.items()},
        "f1_by_fold": {way: {str(fold): c.f1 for fold, c in by_fold.items()} for way, by_fold in scores.items()},
        "calibration": fit.as_dict(),
    }


def _rounds(used: int, course: Course) -> str:
    return f"{used}/{course.best_rounds}/{len(course.losses) - 1}"
