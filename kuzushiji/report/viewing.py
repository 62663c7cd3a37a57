"""The pages of the viewer: which ones, what was right, wrong and missed on them, and links that lead to their boxes."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

import numpy as np
import pandas as pd

from kuzushiji.data.labels import SEG_FP
from kuzushiji.data.pages import read_page
from kuzushiji.report.collect import Collected
from kuzushiji.report.error_counts import misread
from kuzushiji.report.instances import Instance
from kuzushiji.report.model_candidates import ModelCandidates, final_candidates, held_out_candidates
from kuzushiji.report.outcome import DROPPED, NO_BOX, TEST_PAGES, Outcome
from kuzushiji.viewer import Candidate, ViewerBox, ViewerPage, ViewerPicture

HEIGHT = 1100
"""Of a page's picture at most, pixels: many pages in a file that can still be sent."""
NO_CHARACTER = "none"
"""What `seg_fp` is called where people read it."""

_WHY = {NO_BOX: "the detectors found no box here", DROPPED: "its box was taken for no character and dropped"}


class _Candidates(TypedDict, total=False):
    """The two fields of a box that hold candidates."""

    candidates: dict[str, list[Candidate]]
    single_candidates: dict[str, list[Candidate]]


def page_f1(outcome: Outcome) -> "pd.Series[float]":
    """Return F1 of each page that has characters, by page, the worst first.

    Where none is, F1 is 0 as soon as one is read: that does not say how well a page is read.
    """
    scores = outcome.scores
    if scores is None:
        return pd.Series(dtype=float)
    total = 2 * scores["tp"] + scores["fp"] + scores["fn"]
    f1 = (2 * scores["tp"] / total.clip(lower=1)).set_axis(scores["image_id"])
    known: pd.Series[float] = f1[(scores["tp"] + scores["fn"] > 0).to_numpy()].sort_values(kind="stable")
    return known


def spread_of_pages(outcome: Outcome, count: int) -> list[tuple[str, str]]:
    """Return `count` pages with F1 and rank as text, from the worst to the best; the first ones where none is known."""
    f1 = page_f1(outcome)
    if outcome.truth is None:
        return [(page, "") for page in outcome.pages[:count]]
    n = len(f1)
    picked = np.unique(np.linspace(0, n - 1, min(count, n)).round().astype(int)).tolist()
    ranks = {place: f"{place + 1} of {n} from the worst" for place in picked} | {n - 1: "the best", 0: "the worst"}
    return [(str(f1.index[place]), f"F1 {f1.iloc[place]:.3f}, {ranks[place]}") for place in picked]


def pages_with_pairs(
    outcome: Outcome, pairs: pd.DataFrame, count: int, chars: Mapping[str, str], chosen: Collection[str] = ()
) -> list[tuple[str, str]]:
    """Return up to `count` pages on which characters were taken for each other, with F1 and the pair as text.

    Pairs that no chosen page has come first, in the order of the table; of the pages of a pair, the one that has most
    of them.

    Args:
        outcome: With truth.
        pairs: As `error_counts.confused_pairs` returns them.
        count: Pages at most.
        chars: The character of each code.
        chosen: Pages that are shown anyway.
    """
    wrong = outcome.boxes[misread(outcome)]
    f1, found = page_f1(outcome), dict.fromkeys(chosen, "")
    for a, b in zip(pairs["a"], pairs["b"], strict=True):
        either = ((wrong["true"] == a) & (wrong["pred"] == b)) | ((wrong["true"] == b) & (wrong["pred"] == a))
        pages = wrong.loc[either, "image_id"].value_counts()
        if len(found) - len(set(chosen)) >= count or any(page in found for page in pages.index):
            continue
        page = str(pages.index[0])
        found[page] = f"F1 {f1[page]:.3f}, has {chars.get(a, a)} and {chars.get(b, b)} confused"
    return [(page, note) for page, note in found.items() if note]


def place_of_box(outcome: Outcome, row: int) -> int:
    """Return the place of a box that was read among the boxes of its page, as `boxes_of_page` returns them."""
    same = (outcome.boxes["image_id"] == outcome.boxes["image_id"].iloc[row]).to_numpy(np.bool_)
    return int((same & outcome.is_read)[:row].sum())


def viewer_page(
    outcome: Outcome,
    page: str,
    models: Sequence[ModelCandidates],
    chars: Mapping[str, str],
    *,
    single: Sequence[ModelCandidates] = (),
    note: str = "",
    height: int = HEIGHT,
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
    return ViewerPage(page, ViewerPicture.of_page(read_page(outcome.image(page)), height=height), boxes, note=note)


def boxes_of_page(
    outcome: Outcome,
    page: str,
    chars: Mapping[str, str],
    models: Sequence[ModelCandidates] = (),
    single: Sequence[ModelCandidates] = (),
) -> list[ViewerBox]:
    """Return what was read, and then what was missed: characters without a box, and those whose box was dropped.

    A missed character whose box was dropped has the candidates of that box. Arguments as of `viewer_page`.
    """

    def name_of(code: str) -> str:
        return NO_CHARACTER if code == SEG_FP else chars.get(code, code)

    def candidates_of(box: int) -> _Candidates:
        both = ({model.name: model.of_box((page, box), name_of) for model in part} for part in (models, single))
        of_kinds, of_folds = ({name: bests for name, bests in found.items() if bests} for found in both)
        return {"candidates": of_kinds, "single_candidates": of_folds}

    rows = np.flatnonzero(outcome.boxes["image_id"] == page)
    read = rows[outcome.is_read[rows]]
    right, _ = outcome.matched
    return [
        *(
            _read_box(row, is_right, outcome.truth is not None, name_of, candidates_of)
            for row, is_right in zip(outcome.boxes.iloc[read].to_dict("records"), right[read].tolist(), strict=True)
        ),
        *_missed_boxes(outcome, page, name_of, candidates_of),
    ]


def _missed_boxes(
    outcome: Outcome, page: str, name_of: Callable[[str], str], candidates_of: Callable[[int], _Candidates]
) -> list[ViewerBox]:
    """Return the characters of a page that have no box, or whose box was dropped."""
    if outcome.truth is None:
        return []
    truth, fates = outcome.truth.boxes, outcome.fates
    is_missed = (fates.characters == NO_BOX) | (fates.characters == DROPPED)
    boxes, numbers = [], outcome.boxes["box"].to_numpy(np.int64)
    for number in np.flatnonzero((truth["image_id"] == page).to_numpy(np.bool_) & is_missed).tolist():
        row, box = truth.iloc[number], int(fates.box[number])
        candidates: _Candidates = candidates_of(int(numbers[box])) if box >= 0 else {}
        name = name_of(row["code"])
        boxes.append(
            ViewerBox(
                row["x"], row["y"], row["w"], row["h"], "missed", name, row["code"], None, name, row["code"],
                why=_WHY[str(fates.characters[number])], **candidates,
            )
        )  # fmt: skip
    return boxes


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


WHY = (
    "Half of the pages of each part are picked at equal distances in the order of F1, from the worst to the best, of "
    "those with characters; the others have characters that are taken for each other (see above). Where the truth is "
    "unknown, they are the first ones."
)


@dataclass(frozen=True)
class Viewed:
    """Pages of the viewer.

    Attributes:
        pages: In their order.
        numbers: Number of each, by name of the outcome and page.
    """

    pages: tuple[ViewerPage, ...]
    numbers: Mapping[tuple[str, str], int]

    def link(self, outcome: Outcome, page: str) -> str:
        """Return the link to a page; "" where the viewer does not show it."""
        number = self.numbers.get((outcome.name, page))
        return "" if number is None else f"#viewer-{number}"

    def link_to(self, outcome: Outcome, instance: Instance) -> str:
        """Return the link to a box that was read; "" where the viewer does not show its page."""
        page = self.link(outcome, instance.page)
        return f"{page}-{place_of_box(outcome, instance.row)}" if page else ""


def viewed_pages(
    collected: Collected,
    outcomes: Sequence[Outcome],
    pairs: Sequence[pd.DataFrame],
    chars: Mapping[str, str],
    count: int,
) -> Viewed:
    """Return the pages of outcomes for the viewer.

    Args:
        collected: What is in the run folder.
        outcomes: What is shown: of the test pages, of held-out pages.
        pairs: Pairs of characters that each outcome takes for each other; empty where the truth is unknown.
        chars: The character of each code.
        count: Pages of each outcome.
    """
    pages: list[ViewerPage] = []
    numbers = {}
    for outcome, confused in zip(outcomes, pairs, strict=True):
        chosen = spread_of_pages(outcome, count if confused.empty else (count + 1) // 2)
        names = [page for page, _ in chosen]
        if outcome.truth is not None:
            chosen += pages_with_pairs(outcome, confused, count - len(chosen), chars, names)
            names = [page for page, _ in chosen]
        if outcome.name == TEST_PAGES:
            models, single = final_candidates(collected, names)
        else:
            models, single = held_out_candidates(collected, names), []
        for page, note in chosen:
            numbers[outcome.name, page] = len(pages)
            note = f"{outcome.name}, {note}" if note else outcome.name
            pages.append(viewer_page(outcome, page, models, chars, single=single, note=note))
    return Viewed(tuple(pages), numbers)
