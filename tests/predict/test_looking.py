"""Pages that are turned, inverted, long or empty."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from kuzushiji.bundle.model_files import find_models
from kuzushiji.predict.config import PredictConfig
from kuzushiji.predict.looking import LOOKS, read_somehow
from kuzushiji.predict.reader import BundleReader
from kuzushiji.predict.run import load_reader
from kuzushiji.predict.stopwatch import Stopwatch
from kuzushiji.predict.tiling import Tile, tiles_of
from kuzushiji.predict.transcription import Doubts, Transcription, make_transcription

Image = NDArray[np.uint8]
WIDTH, HEIGHT = 60, 90
MARKS = [(8, 10), (8, 30), (8, 50), (40, 10), (40, 35)]
"""Corners of five marks of 4 x 6 on the upright page, each with a dark top and a grey foot."""


def page_of_marks(paper: int = 250) -> Image:
    page = np.full((HEIGHT, WIDTH, 3), paper, np.uint8)
    for x, y in MARKS:
        page[y : y + 3, x : x + 4] = 0
        page[y + 3 : y + 6, x : x + 4] = 90
    return page


class Marks:
    """A reader that finds such marks, upright and dark, where a page's parts are at most `largest` pixels high."""

    def __init__(self, largest: int = 1000, score: float = 0.9) -> None:
        self.largest, self.score, self.looks = largest, score, 0

    def boxes(self, image: Image, finer: int) -> list[tuple[int, int, int, int]]:
        self.looks += 1
        grey = image[:, :, 0]
        if grey.shape[0] / finer > self.largest:
            return []
        if min(grey.shape) < 6:
            return []
        parts = np.lib.stride_tricks.sliding_window_view(grey, (6, 4))
        marks = (parts[:, :, :3] == 0).all(axis=(2, 3)) & (parts[:, :, 3:] == 90).all(axis=(2, 3))
        return [(x, y, 4, 6) for y, x in np.argwhere(marks).tolist()]

    def found(self, image: Image, finer: int = 1) -> float:
        return self.score * len(self.boxes(image, finer))

    def read(
        self, image: Image, *, name: str = "", file: str = "", boxes_xywh: object = None, finer: int = 1
    ) -> Transcription:
        boxes = np.array(self.boxes(image, finer), np.int64).reshape(-1, 4)
        n = len(boxes)
        return make_transcription(
            name, file, (image.shape[1], image.shape[0]), boxes, np.full(n, "U+3042", object),
            np.ones(n, np.float32), np.ones(n, np.float32), {},
        )  # fmt: skip


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_turned_page_is_read_and_its_boxes_stand_on_it(turns: int) -> None:
    page = np.ascontiguousarray(np.rot90(page_of_marks(), -turns))
    read, note = read_somehow(Marks(), page, name="page")
    assert len(read) == 5 and note.startswith("read after a second look: it ")
    assert (read.width, read.height) == (page.shape[1], page.shape[0])
    assert [len(column) for column in read.columns()] == [2, 3]  # the columns of the upright page
    for x, y, w, h in read.boxes_xywh.tolist():
        assert (w, h) == ((6, 4) if turns % 2 else (4, 6))
        assert set(np.unique(page[y : y + h, x : x + w])) == {0, 90}


def test_boxes_of_a_look_go_back_to_where_they_came_from() -> None:
    page = np.arange(HEIGHT * WIDTH).reshape(HEIGHT, WIDTH) % 251
    whole = np.repeat(page[:, :, None], 3, axis=2).astype(np.uint8)
    for look in LOOKS:
        picture = look.picture(whole)
        (x, y, w, h), *_ = look.back(np.array([[5, 7, 11, 13]]), WIDTH, HEIGHT).tolist()
        part = look.picture(np.ascontiguousarray(whole[y : y + h, x : x + w]))
        assert np.array_equal(part, picture[7:20, 5:16])


def test_a_negative_and_small_characters_are_read() -> None:
    read, note = read_somehow(Marks(), 255 - page_of_marks())
    assert len(read) == 5 and note == "read after a second look: it is a negative"
    read, note = read_somehow(Marks(largest=50), page_of_marks())
    assert len(read) == 5 and note == "read after a second look: its characters are small"
    read, note = read_somehow(Marks(largest=25), page_of_marks())
    assert len(read) == 5 and note == "read after a second look: its characters are very small"


def test_a_page_with_characters_is_looked_at_once() -> None:
    reader = Marks()
    assert read_somehow(reader, page_of_marks())[1] == "" and reader.looks == 1


def test_a_stray_mark_makes_no_text() -> None:
    page = np.ascontiguousarray(np.rot90(page_of_marks()))
    read, note = read_somehow(Marks(score=0.3), page)
    assert len(read) == 0 and note.startswith("empty: no characters were found; likely: ")


@pytest.mark.parametrize(
    ("page", "note"),
    [
        (np.full((90, 60, 3), 250, np.uint8), "empty: the page looks blank"),
        (np.tile(np.uint8([[[20]], [[60]]]), (400, 600, 3)), "likely: deep pixels of which few bits are used"),
        (np.tile(np.uint8([[[20]], [[200]], [[20]]]), (200, 600, 3)), "likely: a negative"),
        (np.tile(np.uint8([[[120]], [[200]]]), (300, 800, 3)), "likely: two pages in one picture"),
        (np.tile(np.uint8([[[120]], [[200]]]), (60, 100, 3)), "likely: characters that are too small"),
        (np.tile(np.uint8([[[120]], [[200]]]), (300, 500, 3)), "it may have none, or be turned"),
    ],
)
def test_an_empty_page_says_what_is_likely(page: Image, note: str) -> None:
    if "few bits" in note:
        page = page // 2
    read, said = read_somehow(Marks(), page)
    assert len(read) == 0 and said.startswith("empty: ") and note in said


@pytest.mark.parametrize(
    "size", [(1, 1), (60, 90), (2000, 3000), (3000, 2000), (1200, 36), (36, 1200), (5410, 800), (70000, 900)]
)
@pytest.mark.parametrize("finer", [1, 2, 4])
def test_each_place_is_in_the_core_of_one_tile_and_tiles_are_like_pages(size: tuple[int, int], finer: int) -> None:
    tiles = tiles_of(*size, finer)
    area = sum((x1 - x0) * (y1 - y0) for x0, y0, x1, y1 in (tile.core for tile in tiles))
    assert area == size[0] * size[1]
    random = np.random.default_rng(0)
    boxes = np.column_stack([random.integers(0, size[0], 50), random.integers(0, size[1], 50), np.zeros((50, 2), int)])
    assert (sum(tile.owns(boxes).astype(int) for tile in tiles) == 1).all()
    for tile in tiles:
        width, height = tile.size
        assert 1 / 2.3 <= width / height <= 2.3 or min(width, height) < 20
        assert all(w0 <= c0 and c1 <= w1 for w0, c0, c1, w1 in zip(
            tile.window[:2], tile.core[:2], tile.core[2:], tile.window[2:], strict=True))  # fmt: skip


def test_what_is_shaped_like_a_page_is_one_tile_with_its_very_pixels() -> None:
    page = page_of_marks()
    (tile,) = tiles_of(WIDTH, HEIGHT)
    assert tile.picture(page) is page


def test_a_strip_is_put_on_paper_and_a_scroll_is_cut() -> None:
    strip = np.full((36, 1200, 3), 200, np.uint8)
    strip[10:20, 50:60] = 0
    (tile,) = tiles_of(1200, 36)
    picture = tile.picture(strip)
    assert picture.shape == (546, 1200, 3) and np.array_equal(picture[:36], strip) and (picture[36:] == 200).all()
    tiles = tiles_of(5410, 800)
    assert [tile.size[1] for tile in tiles] == [800] * 5
    assert max(tile.size[0] for tile in tiles) < 1500


@pytest.mark.parametrize(("side", "tiles"), [(20, [5, 20]), (60, [5])])
def test_a_scroll_of_small_characters_is_read_in_smaller_tiles(
    side: int, tiles: list[int], light: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = load_reader(PredictConfig(pages=(), models=str(light), device="cpu"), find_models(light), Stopwatch())
    seen: list[int] = []

    def detect(_self: object, _image: object, tiles: Sequence[Tile]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        seen.append(len(tiles))
        n = 1 if len(seen) == 1 else 0
        return np.full((n, 4), side), np.ones(n, np.float32)

    monkeypatch.setattr(BundleReader, "_detect", detect)
    reader.read(np.full((800, 5410, 3), 200, np.uint8))
    assert seen == tiles


@pytest.mark.parametrize(
    ("confidence", "second", "looked", "kept"),
    [(0.2, 0.9, True, False), (0.2, 0.3, True, True), (0.5, 0.9, False, True), (None, 0.9, False, True)],
    ids=["much better", "little better", "confident", "nothing known"],
)
def test_a_page_that_is_read_with_little_confidence_is_turned(
    confidence: float | None, second: float, looked: bool, kept: bool
) -> None:
    class Sideways:
        def __init__(self) -> None:
            self.looks = 0

        def read(self, image: Image, **_: object) -> Transcription:
            upright = image.shape[0] > image.shape[1]
            sure = second if upright else (confidence or 0.0)
            doubts = replace(Doubts.none_of(2), confidence=sure if upright else confidence)
            boxes, codes = np.array([(5, 5, 4, 6), (5, 15, 4, 6)]), np.array(["U+3042"] * 2, object)
            values = np.full(2, sure, np.float32)
            return make_transcription(
                "", "", (image.shape[1], image.shape[0]), boxes, codes, values, values, {}, doubts
            )

        def found(self, image: Image, finer: int = 1) -> float:
            assert finer == 1  # smaller characters are no reason to give up a reading
            self.looks += 1
            return 5.0 if image.shape[0] > image.shape[1] else 1.0

    reader = Sideways()
    read, note = read_somehow(reader, np.full((60, 90, 3), 200, np.uint8))
    assert (reader.looks > 0, note == "") == (looked, kept)
    assert (read.width, read.height) == (90, 60)
