"""What was read on a page."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

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
class Dropped:
    """The m boxes of a page that were taken for no character.

    Attributes:
        boxes_xywh: (m, 4) int64 corner and size, pixels.
        score: (m,) float32, the detectors' score of the box.
    """

    boxes_xywh: NDArray[np.int64]
    score: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.score)


NOTHING_DROPPED = Dropped(np.zeros((0, 4), np.int64), np.zeros(0, np.float32))


@dataclass(frozen=True)
class Doubts:
    """What is doubtful about a page with n characters.

    Attributes:
        doubtful: (n,) bool, characters that the text has a sign for.
        left_out: (n,) bool, those of them that the second level leaves out as too improbable: tables of characters do
            not have them.
        dropped: The boxes that were taken for no character.
        confidence: Mean probability over all boxes, in which a dropped box counts 0; None where it is unknown.
        reason: Why the page as a whole is doubtful; "" where it is not.
        sign: Stands in the text for a doubtful character; "" keeps the character.
    """

    doubtful: NDArray[np.bool_]
    left_out: NDArray[np.bool_]
    dropped: Dropped = NOTHING_DROPPED
    confidence: float | None = None
    reason: str = ""
    sign: str = ""

    @classmethod
    def none_of(cls, n: int) -> "Doubts":
        """Return those of a page with n characters of which nothing is doubtful."""
        return cls(np.zeros(n, np.bool_), np.zeros(n, np.bool_))


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
        given_doubts: What is doubtful; None where nothing is. See `doubts`.
        made_by: Digest of the models, and the settings; empty where no models read the page.
        frame: Number of the page in a file of several, from 0.
        notes: What is odd about the page, a line each.
        location: The way from the folder of results to the picture; empty where it is not known.
        sha256: Of the picture's file; empty where it is not known.
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
    given_doubts: Doubts | None = None
    made_by: Mapping[str, Any] = field(default_factory=dict)
    frame: int = 0
    notes: tuple[str, ...] = ()
    location: str = ""
    sha256: str = ""

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def chars(self) -> list[str]:
        """(n,) characters."""
        return [code_to_char(code) for code in self.codes]

    @property
    def doubts(self) -> Doubts:
        """What is doubtful, also where that is nothing."""
        return self.given_doubts or Doubts.none_of(len(self))

    @property
    def written(self) -> list[str]:
        """(n,) characters as the text has them: a sign for each doubtful one."""
        doubts = self.doubts
        pairs = zip(self.chars, doubts.doubtful.tolist(), strict=True)
        return [doubts.sign if doubtful and doubts.sign else char for char, doubtful in pairs]

    def columns(self, role: str = TEXT) -> list[NDArray[np.int64]]:
        """Return the positions of each column's characters of one role, from the rightmost; none of them empty."""
        found = [self.layout.members(column, role) for column in range(self.layout.n_columns)]
        return [members for members in found if len(members)]

    def text(self) -> str:
        """Return the text: a line a column, from right to left, without furigana and without the edge's strips."""
        chars = self.written
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
    doubts: Doubts | None = None,
) -> Transcription:
    """Return what was read on a page of some size (width, height), with its layout; see `Transcription`."""
    layout = layout_of_page(boxes_xywh, size[0])
    return Transcription(name, image, *size, boxes_xywh, codes, probability, score, candidates, layout, doubts)
