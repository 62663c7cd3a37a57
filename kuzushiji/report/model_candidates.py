"""What each model takes a box for: its best classes with their probabilities."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kuzushiji.artifacts import Detailed, candidates_path, read_detailed
from kuzushiji.classify.averaging import blend_tables
from kuzushiji.classify.calibration import softmax
from kuzushiji.report.collect import SECOND_LEVEL, Collected
from kuzushiji.report.outcome import held_out_tables, probability_of_log, read_second_level
from kuzushiji.run_folder import SEGMENT, TEST_DETAILED
from kuzushiji.viewer import Candidate

N_SHOWN = 5
"""Best classes of a box that the viewer shows for each model."""

Box = tuple[str, int]
"""Page, and number of the box within it."""


@dataclass(frozen=True)
class ModelCandidates:
    """The best classes of one model for the boxes of some pages.

    Attributes:
        name: The model.
        rows: Row of each box.
        codes: (n, k) best classes, best first.
        probabilities: (n, k) of them, 0 to 1.
    """

    name: str
    rows: Mapping[Box, int]
    codes: NDArray[np.object_]
    probabilities: NDArray[np.float64]

    def of_box(self, box: Box, name_of: Callable[[str], str]) -> list[Candidate]:
        """Return the candidates of a box; none for a box that the model was not asked about."""
        row = self.rows.get(box)
        if row is None:
            return []
        return [
            Candidate(name_of(code), code, float(probability))
            for code, probability in zip(self.codes[row], self.probabilities[row], strict=True)
        ]


def held_out_candidates(collected: Collected, pages: Collection[str]) -> list[ModelCandidates]:
    """Return what each kind of classifier, and then the second level, thought of the boxes of training pages.

    Each page is one that the model had not seen: of a kind it is the model of that page's fold.
    """
    models = []
    for kind in collected.kinds:
        tables = [_of_pages(table, pages) for table in held_out_tables(collected, kind)]
        if tables:
            models.append(_of_models(kind, tables))
    second_level = read_second_level(collected)
    if second_level is not None:
        models.append(_of_table(SECOND_LEVEL, _of_pages(second_level, pages), probability_of_log))
    return models


def final_candidates(
    collected: Collected, pages: Collection[str]
) -> tuple[list[ModelCandidates], list[ModelCandidates]]:
    """Return what the models thought of the boxes of test pages, and what each classifier alone thought.

    The models are each kind of classifier, its folds blended, and the second level.
    """
    kinds, folds = [], []
    for kind in collected.kinds:
        runs = [run for run in collected.of_kind(kind) if run.kind != SEGMENT and (run.folder / TEST_DETAILED).exists()]
        tables = [_of_pages(read_detailed(run.folder / TEST_DETAILED), pages) for run in runs]
        if tables:
            kinds.append(_of_models(kind, tables))
        folds += [_of_models(f"{kind}, fold {run.fold}", [table]) for run, table in zip(runs, tables, strict=True)]
    path = None if collected.final is None else candidates_path(collected.final)
    if path is not None and path.exists():
        kinds.append(_of_table(SECOND_LEVEL, _of_pages(read_detailed(path), pages), probability_of_log))
    return kinds, folds


def _of_models(name: str, tables: Sequence[Detailed]) -> ModelCandidates:
    return _of_table(name, blend_tables(tables, [name] * len(tables)), softmax)


def _of_pages(detailed: Detailed, pages: Collection[str]) -> Detailed:
    return detailed.take(detailed.boxes["image_id"].isin(list(pages)).to_numpy(np.bool_))


def _of_table(
    name: str, detailed: Detailed, probability_of: Callable[[NDArray[np.float64]], NDArray[np.float64]]
) -> ModelCandidates:
    probabilities = probability_of(detailed.logits.astype(np.float64))[:, :N_SHOWN]
    classes = detailed.classes[:, :N_SHOWN]
    codes = detailed.vocabulary.decode(classes.reshape(-1)).reshape(classes.shape)
    keys = zip(detailed.boxes["image_id"], detailed.boxes["box"].tolist(), strict=True)
    return ModelCandidates(name, {key: row for row, key in enumerate(keys)}, codes, probabilities)
