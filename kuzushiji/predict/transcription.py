"""What was read on a page."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kuzushiji.data.characters import code_to_char
from kuzushiji.layout import TEXT, PageLayout, layout_of_page

N_CANDIDATES = 5
"""Best classes of each kind of model that are shown."""


@dataclass(frozen=True)
class Candidates:
    """What one kind of model thinks of n characters.

    Attributes:
        codes: (n, k) codes, the most probable first; `seg_fp` says that it is none.
        probability: (n, k) float32.
    """

    codes: NDArray[np.object_]
    probability: NDArray[np.float32]


@dataclass(frozen=True)
class Transcription:
    """The n characters of a page.

    Attributes:
        name: Of the page.
        image: Name of the picture's file.
        width: Of the page, pixels; likewise its height.
        height: Pixels.
        boxes_xywh: (n, 4) int64 corner and size, pixels.
        codes: (n,) what was read.
        probability: (n,) float32 that it is right, NaN where nothing is known of that.
        score: (n,) float32, the detectors' score of the box.
        candidates: By kind of model.
        layout: Lines, furigana and what stands at the edge.
    """

    name: str
    image: str
    width: int
    height: int
    boxes_xywh: NDArray[np.int64]
    codes: NDArray[np.object_]
    probability: NDArray[np.float32]
    score: NDArray[np.float32]
    candidates: Mapping[str, Candidates]
    layout: PageLayout

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def chars(self) -> list[str]:
        """(n,) characters."""
        return [code_to_char(code) for code in self.codes]

    def columns(self, role: str = TEXT) -> list[NDArray[np.int64]]:
        """Return the positions of each column's characters of one role, from the rightmost; none of them empty."""
        found = [self.layout.members(column, role) for column in range(self.layout.n_columns)]
        return [members for members in found if len(members)]

    def text(self) -> str:
        """Return the text: a line a column, from right to left, without furigana and without the edge's strips."""
        chars = self.chars
        return "".join("".join(chars[i] for i in members) + "\n" for members in self.columns())


def make_transcription(
    name: str,
    image: str,
    size: tuple[int, int],
    boxes_xywh: NDArray[np.int64],
    codes: NDArray[np.object_],
    probability: NDArray[np.float32],
    score: NDArray[np.float32],
    candidates: Mapping[str, Candidates],
) -> Transcription:
    """Return what was read on a page of some size (width, height), with its layout; see `Transcription`."""
    layout = layout_of_page(boxes_xywh, size[0])
    return Transcription(name, image, *size, boxes_xywh, codes, probability, score, candidates, layout)
