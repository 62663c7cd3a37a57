import base64
from pathlib import Path

import cv2
import numpy as np

from kuzushiji.report.error_counts import confused_pairs
from kuzushiji.report.instances import PER_STRIP, SIZE, pairs_with_pictures
from tests.report.outcomes import CHARS, A, B, labels, outcome


def decoded(source: str) -> np.ndarray:
    data = base64.b64decode(source.removeprefix("data:image/jpeg;base64,"))
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)


def jpeg_page(tmp_path: Path) -> Path:
    """Return a page with a dark square at 50, and white paper around."""
    path = tmp_path / "page.jpg"
    picture = np.full((20, 200, 3), 255, np.uint8)
    picture[:, 50:70] = 0
    cv2.imwrite(str(path), picture)
    return path


def test_real_instances_side_by_side(tmp_path: Path) -> None:
    found = outcome(("p", 50, B, 0.5), ("p", 0, A, 0.9), ("q", 50, B, 0.8), image=jpeg_page(tmp_path))
    (pair,) = pairs_with_pictures(found, confused_pairs(found, 5), CHARS)
    assert (pair.a, pair.b) == ("あ U+3042", "い U+3044")
    assert [(strip.caption, strip.count) for strip in pair.strips] == [
        ("あ read as い", 2), ("い read as あ", 0), ("あ read rightly", 1), ("い read rightly", 0),
    ]  # fmt: skip
    misread, none, right, _ = ([one.source for one in strip.instances] for strip in pair.strips)
    assert none == [] and len(misread) == 2
    picture = decoded(misread[0])
    assert picture.shape == (SIZE, SIZE, 3)
    assert picture[SIZE // 2, SIZE // 2].max() < 30  # what is in the middle is what is in the box
    assert decoded(right[0])[SIZE // 2, SIZE // 2].min() > 225


def test_the_surest_come_first_but_after_those_on_pages_that_are_shown(tmp_path: Path) -> None:
    found = outcome(("p", 50, B, 0.5), ("q", 50, B, 0.8), image=jpeg_page(tmp_path))
    for shown, pages in (((), ["q", "p"]), (("p",), ["p", "q"])):
        (pair,) = pairs_with_pictures(found, confused_pairs(found, 5), CHARS, shown)
        assert [one.page for one in pair.strips[0].instances] == pages


def test_no_more_instances_than_fit(tmp_path: Path) -> None:
    truth = labels([("p", A, 30 * i) for i in range(PER_STRIP + 2)])
    rows = [("p", 30 * i, B, i / 10) for i in range(PER_STRIP + 2)]
    found = outcome(*rows, image=jpeg_page(tmp_path), truth=truth)
    (pair,) = pairs_with_pictures(found, confused_pairs(found, 5), CHARS)
    assert (pair.strips[0].count, len(pair.strips[0].instances)) == (PER_STRIP + 2, PER_STRIP)


def test_nothing_is_confused() -> None:
    found = outcome(("p", 0, A, 1))
    assert pairs_with_pictures(found, confused_pairs(found, 5), CHARS) == []
