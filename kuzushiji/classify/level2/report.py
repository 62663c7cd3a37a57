"""What the second level reached, fold by fold, and which of the numbers are honest."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kuzushiji.artifacts.features import Features
from kuzushiji.classify.calibration import Calibration
from kuzushiji.classify.level2.choice import EVERY_FOLD, Choice, Decision, choose, mean_probability
from kuzushiji.classify.level2.context import blended_logits
from kuzushiji.classify.level2.cross_fitting import FoldResult
from kuzushiji.classify.results import calibration_of
from kuzushiji.data.labels import PageLabels
from kuzushiji.metric import Counts
from kuzushiji.ragged import best_of_group
from kuzushiji.scoring import score_classes
from kuzushiji.terminal import format_table

BLEND, LEVEL2, LAST, BEST = "blend", "level 2", "last round", "best round"
UNDECIDED = "without the decision"
"""Level 2 where the best candidate is taken in any case."""

_TOLD = {"seg_fp_adjust": "added to the log-odds of seg_fp", "min_probability": "least probability of a character"}
_IMPORTANT = 15


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


def fold_choices(
    features: Features, result: FoldResult, objective: str, decision: Decision | None = None
) -> FoldChoices:
    """Return what the blend, each library and all together read; and all together after the last and best rounds.

    Args:
        features: Of the fold's boxes.
        result: Of the fold.
        objective: Of boosting.
        decision: When a box is no character, for all of them but the blend; predictions without it are reported too.
    """
    courses = result.courses.values()
    scores = {LEVEL2: list(result.scores.values())}
    if len(result.scores) > 1:
        scores = {kind: [of_kind] for kind, of_kind in result.scores.items()} | scores
    scores |= {LAST: [course.last for course in courses], BEST: [course.best for course in courses]}
    probability = {way: mean_probability(of_way, features.offsets, objective) for way, of_way in scores.items()}

    def read(way: str, when: Decision) -> Choice:
        return choose(features.candidates, features.offsets, probability[way], when)

    choices = {way: read(way, decision or Decision()) for way in scores}
    best = best_of_group(blended_logits(features), features.offsets)
    classes = {BLEND: features.candidates[best], **{way: choice.classes for way, choice in choices.items()}}
    if decision is not None:
        classes[UNDECIDED] = read(LEVEL2, Decision()).classes
    return FoldChoices(classes, choices[LEVEL2].probability, probability[LEVEL2])


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
            scores[way][fold] = score_classes(pages, part.labels(codes, pages.image_ids))
    return scores


def calibration_of_folds(features: Mapping[int, Features], choices: Mapping[int, FoldChoices]) -> Calibration:
    """Return how well the probabilities of level 2 fit on pages that its models had not seen."""
    predicted, truth, probability = [], [], []
    for fold, part in features.items():
        predicted.append(part.vocabulary.decode(choices[fold].classes[LEVEL2]))
        truth.append(part.boxes["true"].to_numpy(object))
        probability.append(choices[fold].probability)
    return calibration_of(np.concatenate(predicted), np.concatenate(truth), np.concatenate(probability))


@dataclass(frozen=True)
class Level2Report:
    """What a training came to.

    Attributes:
        scores: Counts of each way of choosing, of each fold, as of `score_folds`.
        fit: How well the probabilities of level 2 fit.
        results: Of each fold.
        boxes: How many boxes each fold has.
        decisions: When a box is no character, on each fold, and on test pages (`EVERY_FOLD`).
        tuned: Which fields of the decisions were found on other folds.
    """

    scores: Mapping[str, Mapping[int, Counts]]
    fit: Calibration
    results: Sequence[FoldResult]
    boxes: Mapping[int, int]
    decisions: Mapping[int, Decision]
    tuned: Sequence[str]

    @property
    def honest(self) -> list[str]:
        """The methods that did not use the labels of the fold that they are reported on."""
        return [way for way in self.scores if way not in (LAST, BEST)]

    @property
    def f1(self) -> dict[str, float]:
        """F1 of each way of choosing over the pages of all folds."""
        return {way: sum(by_fold.values(), Counts()).f1 for way, by_fold in self.scores.items()}

    def lines(self) -> list[str]:
        """Return the report as text."""
        return [
            "F1 over all characters of the pages, those without a box too; rounds are used/best/trained",
            *self._table(),
            f"honest out of fold: {', '.join(self.honest)}; '{LAST}' and '{BEST}' stopped by a look at the fold itself",
            *([f"the same decision in all columns but {BLEND} and '{UNDECIDED}'"] if UNDECIDED in self.scores else []),
            f"expected calibration error of level 2, out of fold: {self.fit.error:.4f}",
            *self._decision_lines(),
            *self._importance_lines(),
        ]

    def facts(self) -> dict[str, Any]:
        """Return the report as JSON values, for the record."""
        places = {fold: "test" if fold == EVERY_FOLD else str(fold) for fold in self.decisions}
        return {
            "f1": self.f1,
            "f1_by_fold": {way: {str(fold): c.f1 for fold, c in of_way.items()} for way, of_way in self.scores.items()},
            "honest": self.honest,
            "rounds": {
                kind: {str(result.model.fold): _rounds(result, kind) for result in self.results}
                for kind in self.results[0].courses
            },
            "decision": {places[fold]: asdict(decision) for fold, decision in self.decisions.items()},
            "tuned": list(self.tuned),
            "importance": {kind: _importance(self.results, kind) for kind in self.results[0].courses},
            "calibration": self.fit.as_dict(),
        }

    def _table(self) -> list[str]:
        """Return the table of F1 by fold and way of choosing, with the rounds of each library."""
        kinds = list(self.results[0].courses)
        head = ["fold", "boxes", *self.scores, *(f"rounds {kind}" for kind in kinds)]
        rows: list[list[object]] = []
        for fold, result in ((result.model.fold, result) for result in self.results):
            rounds = ["/".join(map(str, _rounds(result, kind).values())) for kind in kinds]
            rows.append([fold, self.boxes[fold], *(of_way[fold].f1 for of_way in self.scores.values()), *rounds])
        rows.append(["all", sum(self.boxes.values()), *self.f1.values(), *([""] * len(kinds))])
        return format_table(head, rows, to_left=()).splitlines()

    def _decision_lines(self) -> list[str]:
        """Return what was tuned, fold by fold."""
        lines = []
        for name in self.tuned:
            values = {fold: getattr(decision, name) for fold, decision in self.decisions.items()}
            of_folds = ", ".join(f"{value:g} on fold {fold}" for fold, value in values.items() if fold != EVERY_FOLD)
            lines.append(f"{_TOLD[name]}: {of_folds} (best on the others); {values[EVERY_FOLD]:g} on test pages")
        return lines

    def _importance_lines(self) -> list[str]:
        """Return the columns with the largest share of the gain, by library."""
        lines = []
        for kind in self.results[0].courses:
            best = list(_importance(self.results, kind).items())[:_IMPORTANT]
            lines.append(f"gain in {kind}: " + ", ".join(f"{name} {share:.3f}" for name, share in best))
        return lines


def _importance(results: Sequence[FoldResult], kind: str) -> dict[str, float]:
    """Return each column's share of the gain in a library's models, the largest first; the mean over the folds."""
    total: dict[str, float] = {}
    for result in results:
        gains = result.model.trees[kind].gains()
        scale = sum(gains.values()) or 1.0
        for name, gain in gains.items():
            total[name] = total.get(name, 0.0) + gain / scale / len(results)
    return dict(sorted(total.items(), key=lambda item: -item[1]))


def _rounds(result: FoldResult, kind: str) -> dict[str, int]:
    """Return how many rounds of a library are used, which number was best on the fold itself, and how many there were.

    Where more are used than were trained at first, the model was trained again with so many.
    """
    course = result.courses[kind]
    return {"used": result.model.rounds[kind], "best": course.best_rounds, "trained": len(course.losses) - 1}
