"""The pages of the viewer and of the overlays: which ones, and what was right, wrong and missed on them."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd

from kuzushiji.data.labels import SEG_FP
from kuzushiji.data.pages import read_page
from kuzushiji.report.candidates import ModelCandidates
from kuzushiji.report.marks import matched_boxes
from kuzushiji.report.reading import Reading
from kuzushiji.viewer import Candidate, Picture, ViewerBox, ViewerPage

NO_CHARACTER = "none"
"""What `seg_fp` is called where people read it."""

_Candidates = dict[str, dict[str, list[Candidate]]]
"""The two fields of a box that hold candidates."""


def page_f1(reading: Reading) -> "pd.Series[float]":
    """Return F1 of each page that has characters or where some were read, by page, the worst first."""
    scores = reading.scores
    if scores is None:
        return pd.Series(dtype=float)
    total = 2 * scores["tp"] + scores["fp"] + scores["fn"]
    f1 = (2 * scores["tp"] / total.clip(lower=1)).set_axis(scores["image_id"])
    known: pd.Series[float] = f1[(total > 0).to_numpy()].sort_values(kind="stable")
    return known


def spread_of_pages(reading: Reading, count: int) -> list[tuple[str, str]]:
    """Return `count` pages with their F1 as text, from the worst to the best; the first ones where none is known."""
    f1 = page_f1(reading)
    if reading.truth is None:
        return [(page, "") for page in reading.pages[:count]]
    picked = np.unique(np.linspace(0, len(f1) - 1, min(count, len(f1))).round().astype(int))
    return [(str(page), f"F1 {value:.3f}") for page, value in f1.iloc[picked].items()]


def viewer_page(
    reading: Reading,
    page: str,
    models: Sequence[ModelCandidates],
    chars: Mapping[str, str],
    *,
    single: Sequence[ModelCandidates] = (),
    note: str = "",
    height: int = 1400,
) -> ViewerPage:
    """Return one page of a reading for the viewer.

    Args:
        reading: What was read.
        page: One of its pages.
        models: What the models thought of its boxes.
        chars: The character of each code; a code that is not there stands for itself.
        single: What the single models thought that `models` are blends of.
        note: What the list of pages says of it.
        height: Height of the picture at most, pixels.
    """

    def name_of(code: str) -> str:
        return NO_CHARACTER if code == SEG_FP else chars.get(code, code)

    def candidates_of(box: int) -> _Candidates:
        both = ({model.name: model.of_box((page, box), name_of) for model in part} for part in (models, single))
        of_kinds, of_folds = ({name: bests for name, bests in found.items() if bests} for found in both)
        return {"candidates": of_kinds, "single_candidates": of_folds}

    boxes = _boxes_of_page(reading, page, name_of, candidates_of)
    return ViewerPage(page, Picture.of_page(read_page(reading.image(page)), height=height), boxes, note=note)


def _boxes_of_page(
    reading: Reading,
    page: str,
    name_of: Callable[[str], str],
    candidates_of: Callable[[int], _Candidates],
) -> list[ViewerBox]:
    """Return what was read, and then what was missed: the characters that stand under no box that was read.

    A box that was dropped as no character tells, where a character is there, what the models thought of it.
    """
    on_page = (reading.boxes["image_id"] == page).to_numpy(np.bool_)
    table, truth_row = reading.boxes[on_page], reading.truth_row[on_page]
    was_read = (table["pred"] != SEG_FP).to_numpy(np.bool_)
    read, row_of_read = table[was_read], truth_row[was_read]
    right = np.zeros(len(read), np.bool_)
    covered: set[int] = set()
    missed = []
    if reading.truth is not None:
        rows = np.flatnonzero(reading.truth.boxes["image_id"] == page)
        truth = reading.truth.boxes.iloc[rows]
        right, found = matched_boxes(read.rename(columns={"pred": "code"}), truth)
        covered = set(row_of_read[row_of_read >= 0].tolist()) | set(rows[found].tolist())
        missed = [row for row in truth.assign(row=rows).to_dict("records") if row["row"] not in covered]
    dropped = dict(zip(truth_row[~was_read].tolist(), table.loc[~was_read, "box"].tolist(), strict=True))
    return [
        *(
            _read_box(row, is_right, reading.truth is not None, name_of, candidates_of)
            for row, is_right in zip(read.to_dict("records"), right.tolist(), strict=True)
        ),
        *(_missed_box(row, dropped.get(row["row"]), name_of, candidates_of) for row in missed),
    ]


def _read_box(
    row: Mapping[object, object],
    is_right: bool,
    is_known: bool,
    name_of: Callable[[str], str],
    candidates_of: Callable[[int], _Candidates],
) -> ViewerBox:
    x, y, w, h = _edges(row)
    code, true, probability = str(row["pred"]), str(row["true"]), float(str(row["probability"]))
    kind = "read" if not is_known else "right" if is_right else "wrong"
    # By the rule a box can be right though it stands for its neighbour by IoU: then the code tells the truth.
    truth = code if kind == "right" else true if kind == "wrong" and true != SEG_FP else ""
    return ViewerBox(
        x, y, w, h, kind, name_of(code), code, None if np.isnan(probability) else probability,
        name_of(truth) if truth else "", truth, **candidates_of(int(str(row["box"]))),
    )  # fmt: skip


def _missed_box(
    row: Mapping[object, object],
    dropped_box: int | None,
    name_of: Callable[[str], str],
    candidates_of: Callable[[int], _Candidates],
) -> ViewerBox:
    x, y, w, h = _edges(row)
    code = str(row["code"])
    candidates = {} if dropped_box is None else candidates_of(dropped_box)
    return ViewerBox(x, y, w, h, "missed", name_of(code), code, None, name_of(code), code, **candidates)


def _edges(row: Mapping[object, object]) -> tuple[float, float, float, float]:
    x, y, w, h = (float(str(row[name])) for name in "xywh")
    return x, y, w, h
