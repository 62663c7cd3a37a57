"""Pictures of numbers, as SVG, each with what it shows in words; empty where there is nothing to show."""

import base64
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kuzushiji.classify.calibration import calibration
from kuzushiji.report.collect import Run
from kuzushiji.report.error_counts import ErrorCounts
from kuzushiji.report.groups import group_names, wilson
from kuzushiji.report.outcome import RIGHT, Outcome

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Plot:
    """A plot.

    Attributes:
        title: Its heading.
        svg: An SVG element; empty where there is nothing to show.
        alt: What it shows, in words.
    """

    title: str
    svg: str
    alt: str = ""

    @property
    def source(self) -> str:
        """The picture as a data URI: pictures of one page cannot disturb each other's styles and names."""
        return f"data:image/svg+xml;base64,{base64.b64encode(self.svg.encode()).decode()}"


_CURVES = (("loss", "training loss"), ("valid_f1", "held-out F1"), ("lr", "learning rate"))
_ERRORS = (
    ("wrong_character", "wrong character", "#cf222e"),
    ("dropped", "dropped", "#d4a72c"),
    ("no_box", "no box", "#bc4c00"),
    ("second_box", "second box", "#6e7781"),
    ("false_box", "false box", "#8250df"),
)
_MARKERS = "osD^vP*X"
_MAX_POINTS = 400
_ENOUGH = 20
"""Observations of a point from which a line leads to it."""
_WIDTH = 5.6
"""Inches: text stays readable where a phone shows the picture."""
_ROW = 2.2


def learning_curves(kind: str, runs: Sequence[Run]) -> Plot:
    """Return loss, held-out F1 and learning rate of a kind's folds by update; what has one point is left out."""
    curves = {
        key: [(run.fold, points) for run in runs if len(points := _points_of(run, key)) > 1] for key, _ in _CURVES
    }
    drawn = [(key, title) for key, title in _CURVES if curves[key]]
    if not drawn:
        return Plot(kind, "")
    last_step = max(points[-1][0] for found in curves.values() for _, points in found)
    colors = {run.fold: f"C{i % 10}" for i, run in enumerate(runs)}
    figure = _figure(_ROW)
    for position, (key, title) in enumerate(drawn, start=1):
        axes = figure.add_subplot(1, len(drawn), position)
        for fold, points in curves[key]:
            shown = points[:: len(points) // _MAX_POINTS + 1]
            marker = "." if len(shown) < 30 else ""
            axes.plot(*zip(*shown, strict=True), marker=marker, color=colors[fold], label=f"fold {fold}", linewidth=1)
        axes.set_xlim(0, 1.03 * max(1, last_step))
        _label(axes, title, "updates")
    figure.axes[0].legend(fontsize=7)
    ends = [
        f"{title} from {_mean(points[0][1] for _, points in curves[key]):.3g} to "
        f"{_mean(points[-1][1] for _, points in curves[key]):.3g}"
        for key, title in drawn
    ]
    return Plot(kind, _svg(figure), f"Learning curves of {kind} over {last_step:,} updates: {', '.join(ends)}.")


def f1_by_book(books: pd.DataFrame) -> Plot:
    """Return F1 of each book with its interval, a mark a reading, the best read book on top.

    Args:
        books: As `page_scores.f1_by` returns them with `book`.
    """
    title = "F1 by book"
    if books.empty:
        return Plot(title, "")
    order = books.groupby("book")["f1"].mean().sort_values(kind="stable").index
    size = books.groupby("book")[["pages", "characters"]].max()
    place = {book: i for i, book in enumerate(order)}
    kinds = list(dict.fromkeys(books["kind"]))
    figure = _figure(0.9 + 0.24 * len(order))
    axes = figure.add_subplot(1, 1, 1)
    for number, (marker, kind) in enumerate(zip(cycle(_MARKERS), kinds, strict=False)):
        table = books[books["kind"] == kind]
        y = [place[book] - 0.15 + 0.3 * number / max(len(kinds) - 1, 1) for book in table["book"]]
        axes.errorbar(table["f1"], y, xerr=_whiskers(table), fmt=marker, **_POINT, label=_plain(kind))
    ticks = [
        f"{_plain(book)} ({size.pages[book]:,.0f} pages, {size.characters[book]:,.0f} characters)" for book in order
    ]
    axes.set_yticks(range(len(order)), ticks)
    axes.legend(fontsize=7)
    _label(axes, "", "F1, with its 95 % interval")
    worst, best = books.iloc[int(books["f1"].argmin())], books.iloc[int(books["f1"].argmax())]
    alt = (
        f"F1 of {len(order)} books: from {worst.f1:.3f} ({worst.book}, {worst.kind}) to {best.f1:.3f} "
        f"({best.book}, {best.kind})."
    )
    return Plot(title, _svg(figure), alt)


def error_bars(errors: Sequence[tuple[str, ErrorCounts]]) -> Plot:
    """Return the errors of each outcome in a hundred characters, by kind."""
    title = "Errors by kind"
    if not errors:
        return Plot(title, "")
    figure = _figure(1.1 + 0.33 * len(errors))
    axes = figure.add_subplot(1, 1, 1)
    start, words = np.zeros(len(errors)), [f"{name}:" for name, _ in errors]
    for field, name, color in _ERRORS:
        share = np.array([100 * getattr(counts, field) / max(counts.characters, 1) for _, counts in errors])
        axes.barh(range(len(errors)), share, left=start, color=color, label=name)
        words = [f"{before} {name} {value:.1f}," for before, value in zip(words, share, strict=True)]
        start += share
    axes.set_yticks(
        range(len(errors)), [f"{_plain(name)}\n({counts.characters:,} characters)" for name, counts in errors]
    )
    axes.invert_yaxis()
    figure.legend(fontsize=7, loc="outside upper center", ncols=len(_ERRORS), frameon=False)
    _label(axes, "", "errors in 100 characters")
    return Plot(title, _svg(figure), "Errors in 100 characters. " + ". ".join(word.rstrip(",") for word in words) + ".")


def calibration_curves(outcomes: Sequence[Outcome]) -> Plot:
    """Return how often characters read with a probability are right, by the rule of the metric.

    The legend names the expected calibration error, as of `classify.calibration`. A point of few characters has a
    wide interval, and no line leads to it.
    """
    title = "Calibration: is a character of probability 0.8 right in 80 of 100 cases?"
    if not outcomes:
        return Plot(title, "")
    figure = _figure(3.6)
    axes = figure.add_subplot(1, 1, 1)
    axes.plot([0, 1], [0, 1], color="#8c959f", linewidth=1, linestyle="--")
    words = []
    for marker, color, outcome in zip(cycle(_MARKERS), cycle(f"C{i}" for i in range(10)), outcomes, strict=False):
        known = outcome.is_read & outcome.boxes["probability"].notna().to_numpy(np.bool_)
        right = outcome.fates.boxes[known] == RIGHT
        found = calibration(outcome.boxes["probability"].to_numpy(np.float64)[known], right)
        words.append(f"{outcome.name}: off by {100 * found.error:.1f} % over {known.sum():,} characters")
        there, enough = found.count > 0, found.count >= _ENOUGH
        low, high = wilson(found.right[there], found.count[there])
        whiskers = np.clip([found.right[there] - low, high - found.right[there]], 0, None)
        axes.errorbar(
            found.probability[there], found.right[there], yerr=whiskers, fmt=marker, color=color, **_POINT,
            label=f"{_plain(outcome.name)}: off by {100 * found.error:.1f} %",
        )  # fmt: skip
        axes.plot(found.probability[enough], found.right[enough], color=color, linewidth=1, alpha=0.7)
    axes.legend(fontsize=7)
    axes.set_ylabel("share that is right, with its 95 % interval", fontsize=8)
    _label(axes, "", "probability")
    return Plot(title, _svg(figure), f"Mean difference of probability and share that is right. {'. '.join(words)}.")


def f1_points(title: str, x: str, tables: Sequence[tuple[str, pd.DataFrame]], least: Sequence[float]) -> Plot:
    """Return F1 of groups of characters: points with intervals, and below them how many characters each has.

    Args:
        title: Of the picture.
        x: What makes the groups.
        tables: Name, and what a function of `groups` returned.
        least: All lower bounds of the groups.
    """
    tables = [(name, table) for name, table in tables if len(table)]
    if not tables:
        return Plot(title, "")
    bounds = sorted({value for _, table in tables for value in table["least"]})
    place = {value: i for i, value in enumerate(bounds)}
    names = dict(zip(bounds, group_names(bounds, least), strict=True))
    figure = _figure(2.9)
    axes = figure.add_subplot(1, 1, 1)
    words = []
    for number, (marker, (name, table)) in enumerate(zip(cycle(_MARKERS), tables, strict=False)):
        shift = 0.3 * (number / max(len(tables) - 1, 1) - 0.5) if len(tables) > 1 else 0
        at = [place[value] + shift for value in table["least"]]
        axes.errorbar(at, table["f1"], yerr=_whiskers(table), fmt=marker, **_POINT, label=_plain(name))
        values = [f"{names[row.least]} {row.f1:.3f} ({row.characters:,})" for row in table.itertuples()]
        words.append(f"{name}: {', '.join(values)}")
    counts = [
        "\n".join(f"{int(table.loc[table['least'] == value, 'characters'].sum()):,}" for _, table in tables)
        for value in bounds
    ]
    axes.set_xticks(
        range(len(bounds)), [f"{names[value]}\n{count}" for value, count in zip(bounds, counts, strict=True)]
    )
    axes.set_ylabel("F1, with its 95 % interval", fontsize=8)
    axes.legend(fontsize=7)
    below = " / ".join(_plain(name) for name, _ in tables)
    _label(axes, "", f"{x}; below, characters: {below}")
    return Plot(title, _svg(figure), f"F1 by {x}, with the number of characters. {'. '.join(words)}.")


_POINT: Any = {"markersize": 4, "linewidth": 1, "alpha": 0.85, "capsize": 1.5}


def _points_of(run: Run, key: str) -> list[tuple[int, float]]:
    return [(event["step"], event[key]) for event in run.events if event.get(key) is not None]


def _mean(values: Iterable[float]) -> float:
    return float(np.mean(list(values)))


def _whiskers(table: pd.DataFrame) -> NDArray[np.float64]:
    """Return how far the interval reaches below and above F1, (2, k)."""
    f1, low, high = (table[name].to_numpy(np.float64) for name in ("f1", "low", "high"))
    whiskers: NDArray[np.float64] = np.maximum(np.stack([f1 - low, high - f1]), 0)
    return whiskers


def _figure(height: float) -> "Figure":
    """Return a figure without `pyplot`, which would keep state and look for a screen."""
    from matplotlib.figure import Figure

    return Figure(figsize=(_WIDTH, height), layout="constrained")


def _plain(text: str) -> str:
    """Return text in which nothing is taken for a formula."""
    return text.replace("$", r"\$")


def _label(axes: "Axes", title: str, x: str) -> None:
    axes.set_title(title, fontsize=9)
    axes.set_xlabel(x, fontsize=8)
    axes.tick_params(labelsize=7)
    axes.grid(alpha=0.3)


def _svg(figure: "Figure") -> str:
    """Return the figure as an SVG element: the same figure gives the same text."""
    import matplotlib as mpl

    buffer = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "kuzushiji"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    text = buffer.getvalue()
    return re.sub(r'width="[\d.]+pt"', 'width="100%"', text[text.index("<svg") :], count=1)
