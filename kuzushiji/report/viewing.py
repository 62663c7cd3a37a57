"""The pages of the viewer and of the overlays: which ones, and what was right, wrong and missed on them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kuzushiji.data.labels import SEG_FP
from kuzushiji.data.pages import read_page
from kuzushiji.report.candidates import ModelCandidates
from kuzushiji.report.outcome import Outcome
from kuzushiji.viewer import Candidate, Picture, ViewerBox, ViewerPage

NO_CHARACTER = "none"
"""What `seg_fp` is called where people read it."""

_Candidates = dict[str, dict[str, list[Candidate]]]
"""The two fields of a box that hold candidates."""


def page_f1(outcome: Outcome) -> "pd.Series[float]":
    """Return F1 of each page that has characters or where some were read, by page, the worst first."""
    scores = outcome.scores
    if scores is None:
        return pd.Series(dtype=float)
    total = 2 * scores["tp"] + scores["fp"] + scores["fn"]
    f1 = (2 * scores["tp"] / total.clip(lower=1)).set_axis(scores["image_id"])
    known: pd.Series[float] = f1[(total > 0).to_numpy()].sort_values(kind="stable")
    return known


def spread_of_pages(outcome: Outcome, count: int) -> list[tuple[str, str]]:
    """Return `count` pages with their F1 as text, from the worst to the best; the first ones where none is known."""
    f1 = page_f1(outcome)
    if outcome.truth is None:
        return [(page, "") for page in outcome.pages[:count]]
    picked = np.unique(np.linspace(0, len(f1) - 1, min(count, len(f1))).round().astype(int))
    return [(str(page), f"F1 {value:.3f}") for page, value in f1.iloc[picked].items()]


def viewer_page(
    outcome: Outcome,
    page: str,
    models: Sequence[ModelCandidates],
    chars: Mapping[str, str],
    *,
    single: Sequence[ModelCandidates] = (),
    note: str = "",
    height: int = 1400,
) -> ViewerPage:
    """Return one page of an outcome for the viewer.

    Args:
        outcome: What was read.
        page: One of its pages.
        models: What the models thought of its boxes.
        chars: The character of each code; a code that is not there stands for itself.
        single: What the single models thought that `models` are blends of.
        note: What the list of pages says of it.
        height: Height of the picture at most, pixels.
    """
    boxes = boxes_of_page(outcome, page, chars, models, single)
    return ViewerPage(page, Picture.of_page(read_page(outcome.image(page)), height=height), boxes, note=note)


def boxes_of_page(
    outcome: Outcome,
    page: str,
    chars: Mapping[str, str],
    models: Sequence[ModelCandidates] = (),
    single: Sequence[ModelCandidates] = (),
) -> list[ViewerBox]:
    """Return what was read, and then what was missed: the characters that stand under no box that was read.

    A box that was dropped as no character tells, where a character is there, what the models thought of it. Arguments
    as of `viewer_page`.
    """

    def name_of(code: str) -> str:
        return NO_CHARACTER if code == SEG_FP else chars.get(code, code)

    def candidates_of(box: int) -> _Candidates:
        both = ({model.name: model.of_box((page, box), name_of) for model in part} for part in (models, single))
        of_kinds, of_folds = ({name: bests for name, bests in found.items() if bests} for found in both)
        return {"candidates": of_kinds, "single_candidates": of_folds}

    rows = np.flatnonzero(outcome.boxes["image_id"] == page)
    is_read, (right, _) = outcome.is_read[rows], outcome.matched
    read, dropped = rows[is_read], rows[~is_read]
    missed = _missed_rows(outcome, page, read)
    box_of_truth = dict(
        zip(outcome.truth_row[dropped].tolist(), outcome.boxes["box"].iloc[dropped].tolist(), strict=True)
    )
    return [
        *(
            _read_box(row, is_right, outcome.truth is not None, name_of, candidates_of)
            for row, is_right in zip(outcome.boxes.iloc[read].to_dict("records"), right[read].tolist(), strict=True)
        ),
        *(_missed_box(row, box_of_truth.get(number), name_of, candidates_of) for number, row in missed.items()),
    ]


def _missed_rows(outcome: Outcome, page: str, read: NDArray[np.int64]) -> dict[int, Mapping[Any, Any]]:
    """Return the truth of a page that is neither found by the rule nor stands under a box that was read, by row.

    Args:
        outcome: What was read.
        page: One of its pages.
        read: Rows of its boxes that were read on the page.
    """
    if outcome.truth is None:
        return {}
    covered = outcome.matched[1].copy()
    under = outcome.truth_row[read]
    covered[under[under >= 0]] = True
    truth = outcome.truth.boxes
    rows = np.flatnonzero((truth["image_id"] == page).to_numpy(np.bool_) & ~covered)
    return dict(zip(rows.tolist(), truth.iloc[rows].to_dict("records"), strict=True))


def _read_box(
    row: Mapping[Any, Any],
    is_right: bool,
    is_known: bool,
    name_of: Callable[[str], str],
    candidates_of: Callable[[int], _Candidates],
) -> ViewerBox:
    code, true, probability = row["pred"], row["true"], row["probability"]
    kind = "read" if not is_known else "right" if is_right else "wrong"
    # By the rule a box can be right though it stands for its neighbour by IoU: then the code tells the truth.
    truth = code if kind == "right" else true if kind == "wrong" and true != SEG_FP else ""
    return ViewerBox(
        row["x"], row["y"], row["w"], row["h"], kind, name_of(code), code,
        None if np.isnan(probability) else probability,
        name_of(truth) if truth else "", truth, **candidates_of(row["box"]),
    )  # fmt: skip


def _missed_box(
    row: Mapping[Any, Any],
    dropped_box: int | None,
    name_of: Callable[[str], str],
    candidates_of: Callable[[int], _Candidates],
) -> ViewerBox:
    code, candidates = row["code"], {} if dropped_box is None else candidates_of(dropped_box)
    return ViewerBox(
        row["x"], row["y"], row["w"], row["h"], "missed", name_of(code), code, None, name_of(code), code, **candidates
    )
