"""The metric against hand-worked pages and against a slow, literal reading of its rule."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kuzushiji import cli, metric
from kuzushiji.data.labels import PageLabels, PagePoints, parse_labels, write_page_labels
from kuzushiji.errors import InputError
from kuzushiji.metric import Counts, match, score_pages, score_points

A, B, C = "U+3042", "U+3044", "U+3046"


@dataclass(frozen=True)
class Page:
    """A page of a test: `code x y w h` of its boxes and `code x y` of the predictions; None for a page left out."""

    boxes: tuple[tuple[str, float, float, float, float], ...]
    points: tuple[tuple[str, float, float], ...] | None


def tables(pages: list[Page]) -> tuple[PageLabels, PagePoints]:
    names = [f"page_{number}" for number in range(len(pages))]
    boxes = [(number, *box) for number, page in enumerate(pages) for box in page.boxes]
    truth = PageLabels.from_arrays(
        names, np.array([row[0] for row in boxes], int), [row[1] for row in boxes], np.array([row[2:] for row in boxes])
    )
    predicted = [name for name, page in zip(names, pages, strict=True) if page.points is not None]
    points = [(predicted.index(names[i]), *point) for i, page in enumerate(pages) for point in page.points or ()]
    predictions = PagePoints.from_arrays(
        predicted,
        np.array([row[0] for row in points], int),
        [row[1] for row in points],
        np.array([row[2:] for row in points]),
    )
    return truth, predictions


def literal_counts(page: Page) -> tuple[int, int, int]:
    """The rule word by word: truth boxes in order, each takes the first unused prediction that fits."""
    unused = list(page.points or ())
    tp = 0
    for code, x, y, w, h in page.boxes:
        for point in unused:
            if point[0] == code and x < point[1] < x + w and y < point[2] < y + h:
                unused.remove(point)
                tp += 1
                break
    return tp, len(unused), len(page.boxes) - tp


PAGES = {
    # no text, nothing predicted: nothing to count
    "empty": (Page((), ()), (0, 0, 0)),
    # a page without text that the predictions lack
    "empty and left out": (Page((), None), (0, 0, 0)),
    # a page without text: all predictions are wrong
    "predictions without text": (Page((), ((A, 1, 1), (B, 2, 2))), (0, 2, 0)),
    # a page that the predictions lack: all characters are missed
    "left out": (Page(((A, 0, 0, 10, 10), (B, 0, 0, 10, 10)), None), (0, 0, 2)),
    # a page with text, nothing predicted
    "nothing predicted": (Page(((A, 0, 0, 10, 10),), ()), (0, 0, 1)),
    # right code, well inside
    "found": (Page(((A, 0, 0, 10, 10),), ((A, 5, 5),)), (1, 0, 0)),
    # another code at the right place is a mistake and a miss
    "wrong code": (Page(((A, 0, 0, 10, 10),), ((B, 5, 5),)), (0, 1, 1)),
    # strictly inside: the four edges and a corner are outside
    "on the edges": (
        Page(((A, 0, 0, 10, 10),), ((A, 0, 5), (A, 10, 5), (A, 5, 0), (A, 5, 10), (A, 10, 10))),
        (0, 5, 1),
    ),
    # a hair inside each edge
    "a hair inside": (Page(((A, 0, 0, 10, 10),), ((A, 1e-9, 5),)), (1, 0, 0)),
    # one prediction for two overlapping boxes: the first takes it
    "one for two": (Page(((A, 0, 0, 10, 10), (A, 5, 5, 10, 10)), ((A, 7, 7),)), (1, 0, 1)),
    # two predictions in one box: one is left over
    "two for one": (Page(((A, 0, 0, 10, 10),), ((A, 4, 4), (A, 6, 6))), (1, 1, 0)),
    # greedy, not optimal: the first box takes the first point, though only that one would fit the second box
    "greedy": (Page(((A, 0, 0, 20, 20), (A, 0, 0, 10, 10)), ((A, 5, 5), (A, 15, 15))), (1, 1, 1)),
    # the other order of the points: both find one
    "greedy, lucky": (Page(((A, 0, 0, 20, 20), (A, 0, 0, 10, 10)), ((A, 15, 15), (A, 5, 5))), (2, 0, 0)),
    # boxes of no area hold no point
    "no area": (Page(((A, 5, 5, 0, 0), (A, 5, 5, 10, 0)), ((A, 5, 5), (A, 7, 5))), (0, 2, 2)),
    # boxes over the page's edge, points on negative coordinates
    "negative": (Page(((A, -20, -20, 30, 30),), ((A, -5, -5),)), (1, 0, 0)),
}


@pytest.mark.parametrize(("page", "expected"), PAGES.values(), ids=PAGES.keys())
def test_score_points(page: Page, expected: tuple[int, int, int]) -> None:
    assert score_points(*tables([page])) == Counts(*expected)
    assert literal_counts(page) == expected


@pytest.mark.parametrize(
    ("page", "found", "used"),
    [
        (Page((), ()), [], []),
        (Page(((A, 0, 0, 9, 9), (B, 0, 0, 9, 9)), ((B, 1, 1), (C, 1, 1))), [False, True], [True, False]),
        # one box, two points: the first
        (Page(((A, 0, 0, 9, 9),), ((A, 2, 2), (A, 1, 1))), [True], [True, False]),
        # one point, two boxes: the first
        (Page(((A, 0, 0, 9, 9), (A, 1, 1, 9, 9)), ((A, 5, 5),)), [True, False], [True]),
        # the centre of one lies on the edge
        (Page(((A, 0, 0, 9, 9),), ((A, 9, 5),)), [False], [False]),
    ],
)
def test_which_box_and_which_point_match(page: Page, found: list[bool], used: list[bool]) -> None:
    assert [part.tolist() for part in match(*tables([page]))] == [found, used]


def test_pages_add_up() -> None:
    pages = [page for page, _ in PAGES.values()]
    truth, predictions = tables(pages)
    table = score_pages(truth, predictions)
    assert table["image_id"].tolist() == list(truth.image_ids)
    assert table[["tp", "fp", "fn"]].to_numpy().tolist() == [list(expected) for _, expected in PAGES.values()]
    total = sum((score_points(*tables([page])) for page in pages), Counts())
    assert Counts.total(table) == total
    assert Counts.total(table.iloc[:0]) == Counts()
    assert score_points(truth, predictions) == total


# Few codes, few coordinates: points on edges, equal boxes and equal points come up all the time.
coordinate = st.sampled_from([0, 1, 2, 2.5, 3, 5])
size = st.sampled_from([0, 1, 2, 3, 0.5])
code = st.sampled_from([A, B])
box = st.tuples(code, coordinate, coordinate, size, size)
point = st.tuples(code, coordinate, coordinate)
page = st.builds(
    Page, st.lists(box, max_size=8).map(tuple), st.none() | st.lists(point, max_size=8).map(tuple)
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.lists(page, max_size=4))
def test_as_the_literal_rule_on_degenerate_pages(pages: list[Page]) -> None:
    table = score_pages(*tables(pages))
    assert table[["tp", "fp", "fn"]].to_numpy().tolist() == [list(literal_counts(page)) for page in pages]


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_as_the_literal_rule_on_random_pages(seed: int) -> None:
    random = np.random.default_rng(seed)
    pages = [random_page(random) for _ in range(random.integers(1, 5))]
    table = score_pages(*tables(pages))
    assert table[["tp", "fp", "fn"]].to_numpy().tolist() == [list(literal_counts(page)) for page in pages]


def random_page(random: np.random.Generator) -> Page:
    n_boxes, n_points = random.integers(0, 60, 2)
    codes = np.array([A, B, C])
    xywh = np.column_stack([random.uniform(0, 100, (n_boxes, 2)), random.uniform(1, 40, (n_boxes, 2))])
    xy = random.uniform(0, 120, (n_points, 2))
    boxes = zip(codes[random.integers(0, 3, n_boxes)].tolist(), *xywh.T.tolist(), strict=True)
    points = zip(codes[random.integers(0, 3, n_points)].tolist(), *xy.T.tolist(), strict=True)
    return Page(tuple(boxes), tuple(points) if random.random() < 0.9 else None)


def test_many_pairs_are_looked_at_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    # all points in all boxes of their page: the parts must not forget which points are used
    pages = [Page(((A, 0, 0, 10, 10),) * 7, ((A, 5, 5),) * n) for n in (0, 3, 7, 9)]
    monkeypatch.setattr(metric, "_MAX_PAIRS", 10)
    table = score_pages(*tables(pages))
    assert table[["tp", "fp", "fn"]].to_numpy().tolist() == [[0, 0, 7], [3, 0, 4], [7, 0, 0], [7, 2, 0]]


def test_a_page_that_the_truth_lacks_is_refused() -> None:
    truth, _ = tables([Page((), ())])
    _, predictions = tables([Page((), ()), Page((), ((A, 1, 1),))])
    with pytest.raises(InputError, match="1 pages of the truth, got page page_1"):
        score_points(truth, predictions)


@pytest.mark.parametrize(
    ("counts", "precision", "recall", "f1"),
    [
        (Counts(0, 0, 0), 0, 0, 0),  # nothing to find, nothing found: undefined, so 0
        (Counts(0, 3, 0), 0, 0, 0),
        (Counts(0, 0, 3), 0, 0, 0),
        (Counts(5, 0, 0), 1, 1, 1),
        (Counts(1, 1, 0), 0.5, 1, 2 / 3),
        (Counts(6, 2, 4), 0.75, 0.6, 2 / 3),
    ],
)
def test_counts(counts: Counts, precision: float, recall: float, f1: float) -> None:
    assert (counts.precision, counts.recall, counts.f1) == pytest.approx((precision, recall, f1))
    assert counts + Counts() == counts
    assert Counts.of(counts.as_dict()) == counts


def write_csv(path: Path, **pages: str) -> str:
    path.write_text("image_id,labels\n" + "".join(f"{name},{labels}\n" for name, labels in pages.items()))
    return str(path)


def test_fault_1_perfect_predictions_score_1_on_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # wide and tall boxes: centres with x and y exchanged would lie outside
    truth = write_csv(tmp_path / "truth.csv", a=f"{A} 10 200 30 4 {B} 500 20 8 90", b="")
    submission = write_csv(tmp_path / "submission.csv", a=f"{A} 25 202 {B} 504 65", b="")
    assert metric.main([submission, truth]) == 0
    assert " ".join(capsys.readouterr().out.split()) == "f1 1.0000 precision 1.0000 recall 1.0000 tp 2 fp 0 fn 0"
    assert metric.main([submission, truth, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"f1": 1, "precision": 1, "recall": 1, "tp": 2, "fp": 0, "fn": 0}


BAD_INPUT = {
    # submission, truth, what the line says
    "no submission": (None, "image_id,labels\n", "cannot be read: No such file"),
    "other columns": ("id,label\na,\n", "image_id,labels\na,\n", "expected the columns image_id,labels, got id,label"),
    "boxes instead of points": (
        f"image_id,labels\na,{A} 1 2 3 4\n", "image_id,labels\na,\n",
        'row 2, page a: expected groups of 3 ("U+XXXX X Y"), got 5 fields',
    ),
    "points instead of boxes": (
        "image_id,labels\na,\n", f"image_id,labels\na,{A} 1 2\n",
        'row 2, page a: expected groups of 5 ("U+XXXX x y w h"), got 3 fields',
    ),
    "a word": (f"image_id,labels\na,{A} 1 x\n", "image_id,labels\na,\n", "page a: expected a number, got 'x'"),
    "not a number": (f"image_id,labels\na,{A} nan 1\n", "image_id,labels\na,\n", "expected a number, got 'nan'"),
    "a page twice": ("image_id,labels\na,\na,\n", "image_id,labels\na,\n", "row 3: expected each page once, page a"),
    "a page too many": ("image_id,labels\nb,\n", "image_id,labels\na,\n", "got page b"),
}  # fmt: skip


@pytest.mark.parametrize(("submission", "truth", "line"), BAD_INPUT.values(), ids=BAD_INPUT.keys())
def test_bad_input(
    submission: str | None, truth: str, line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = tmp_path / "submission.csv", tmp_path / "truth.csv"
    for path, text in zip(paths, (submission, truth), strict=True):
        if text is not None:
            path.write_text(text)
    with pytest.raises(SystemExit) as exit_:
        cli.run(metric.main, [str(path) for path in paths])
    captured = capsys.readouterr()
    assert exit_.value.code == 1
    assert captured.out == ""
    assert captured.err.startswith("error: ") and captured.err.count("\n") == 1 and line in captured.err


def test_bad_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        cli.run(metric.main, ["a.csv", "b.csv", "--jsno"])
    assert exit_.value.code == 2
    assert "did you mean --json?" in capsys.readouterr().err


def test_written_truth_scores_as_in_memory(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    codes, boxes_xywh = parse_labels(f"{A} 0 0 10 10 {A} 20 20 5 5", "here")
    write_page_labels(tmp_path / "truth.csv.gz", PageLabels.from_arrays(["a"], np.zeros(2, int), codes, boxes_xywh))
    submission = write_csv(tmp_path / "submission.csv", a=f"{A} 22.5 22.5")
    assert metric.main([submission, str(tmp_path / "truth.csv.gz"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["fn"] == 1
