"""The pages of the viewer: test pages and held-out pages, and links that lead to their boxes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from kuzushiji.report.candidates import final_candidates, held_out_candidates
from kuzushiji.report.collect import Collected
from kuzushiji.report.instances import Instance
from kuzushiji.report.outcome import TEST_PAGES, Outcome
from kuzushiji.report.viewing import pages_with_pairs, place_of_box, spread_of_pages, viewer_page
from kuzushiji.viewer import ViewerPage

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
