"""Pictures of numbers, as SVG."""

import io
import re
from collections.abc import Sequence
from itertools import cycle
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from kuzushiji.classify.calibration import calibration
from kuzushiji.data.labels import SEG_FP
from kuzushiji.report.collect import Run
from kuzushiji.report.errors import ErrorCounts, frequency_names
from kuzushiji.report.outcome import Outcome

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_CURVES = (("loss", "training loss"), ("valid_f1", "held-out F1"), ("lr", "learning rate"))
_ERRORS = (
    ("wrong_character", "wrong character", "#cf222e"),
    ("missed_box", "missed box", "#bc4c00"),
    ("wrongly_dropped", "seg_fp wrongly dropped", "#d4a72c"),
    ("wrongly_kept", "seg_fp wrongly kept", "#8250df"),
)
_MARKERS = "osD^vP*X"
_MAX_POINTS = 400
_WIDTH = 9.0
_ROW = 2.4


def learning_curves(runs: Sequence[Run]) -> str:
    """Return loss, held-out F1 and learning rate of a kind's folds by update, as SVG; empty without events.

    Where held-out pages were not looked at during training, F1 of the final prediction stands as a star at the end.
    """
    if not any(run.events for run in runs):
        return ""
    last_step = max((event["step"] for run in runs for event in run.events), default=0)
    figure = _figure(_ROW)
    for position, (key, title) in enumerate(_CURVES, start=1):
        axes = figure.add_subplot(1, len(_CURVES), position)
        for color, run in zip(cycle(f"C{i}" for i in range(10)), runs, strict=False):
            points = [(event["step"], event[key]) for event in run.events if event.get(key) is not None]
            if points:
                shown = points[:: len(points) // _MAX_POINTS + 1]
                marker = "." if len(shown) < 30 else ""
                axes.plot(*zip(*shown, strict=True), marker=marker, color=color, label=f"fold {run.fold}")
            if key == "valid_f1" and run.held_out is not None:
                last = max((event["step"] for event in run.events), default=0)
                axes.plot(last, run.held_out.f1, "*", markersize=9, color=color)
        axes.set_xlim(0, 1.03 * max(1, last_step))
        _label(axes, title, "updates")
    if figure.axes[0].lines:
        figure.axes[0].legend(fontsize=7)
    return _svg(figure)


def f1_by_book(books: pd.DataFrame) -> str:
    """Return F1 of each book, a mark a kind of model, the best read book on top, as SVG; empty without books.

    Args:
        books: Columns kind, book, pages, f1, as `books.f1_of_books` returns them.
    """
    if books.empty:
        return ""
    table = books.pivot_table(index="book", columns="kind", values="f1", sort=False)
    pages = books.groupby("book")["pages"].max()
    order = table.mean(axis=1).sort_values().index
    figure = _figure(0.9 + 0.25 * len(order))
    axes = figure.add_subplot(1, 1, 1)
    for marker, kind in zip(cycle(_MARKERS), table.columns, strict=False):
        axes.plot(table.loc[order, kind], range(len(order)), marker, markersize=4, alpha=0.8, label=_plain(kind))
    axes.set_yticks(range(len(order)), [f"{_plain(book)} ({pages[book]:.0f} pages)" for book in order])
    axes.legend(fontsize=7)
    _label(axes, "", "F1")
    return _svg(figure)


def error_bars(errors: Sequence[tuple[str, ErrorCounts]]) -> str:
    """Return the errors of each outcome in a hundred characters, by kind, as SVG; empty without outcomes."""
    if not errors:
        return ""
    figure = _figure(0.9 + 0.35 * len(errors))
    axes = figure.add_subplot(1, 1, 1)
    start = np.zeros(len(errors))
    for field, name, color in _ERRORS:
        share = np.array([100 * getattr(counts, field) / max(counts.characters, 1) for _, counts in errors])
        axes.barh(range(len(errors)), share, left=start, color=color, label=name)
        start += share
    axes.set_yticks(range(len(errors)), [_plain(name) for name, _ in errors])
    axes.invert_yaxis()
    axes.legend(fontsize=7)
    _label(axes, "", "errors in 100 characters")
    return _svg(figure)


def calibration_curves(outcomes: Sequence[Outcome]) -> str:
    """Return how often characters read with a probability are right, as SVG; empty without outcomes.

    The legend names the expected calibration error, as of `classify.calibration`.
    """
    if not outcomes:
        return ""
    figure = _figure(3.6)
    axes = figure.add_subplot(1, 1, 1)
    axes.plot([0, 1], [0, 1], color="#8c959f", linewidth=1, linestyle="--")
    for marker, outcome in zip(cycle(_MARKERS), outcomes, strict=False):
        boxes = outcome.boxes[(outcome.boxes["pred"] != SEG_FP) & outcome.boxes["probability"].notna()]
        right = (boxes["pred"] == boxes["true"]).to_numpy(np.bool_)
        found = calibration(boxes["probability"].to_numpy(np.float64), right)
        there = found.count > 0
        label = f"{_plain(outcome.name)}: off by {100 * found.error:.1f} %"
        axes.plot(found.probability[there], found.right[there], marker=marker, markersize=4, linewidth=1, label=label)
    axes.legend(fontsize=7)
    axes.set_ylabel("share that is right", fontsize=8)
    _label(axes, "", "probability")
    return _svg(figure)


def frequency_curves(tables: Sequence[tuple[str, pd.DataFrame]]) -> str:
    """Return F1 by the number of training examples of a character, as SVG; empty without outcomes.

    Args:
        tables: Name, and what `errors.f1_by_frequency` returned.
    """
    tables = [(name, table) for name, table in tables if len(table)]
    if not tables:
        return ""
    least = sorted({int(value) for _, table in tables for value in table["least"]})
    place = {value: i for i, value in enumerate(least)}
    characters = pd.concat([table for _, table in tables]).groupby("least")["characters"].max()
    figure = _figure(3.2)
    axes = figure.add_subplot(1, 1, 1)
    for marker, (name, table) in zip(cycle(_MARKERS), tables, strict=False):
        x = [place[int(value)] for value in table["least"]]
        axes.plot(x, table["f1"], marker=marker, markersize=4, linewidth=1, label=_plain(name))
    ticks = [
        f"{name}\n({characters[value]:,} characters)" for name, value in zip(frequency_names(least), least, strict=True)
    ]
    axes.set_xticks(range(len(least)), ticks)
    axes.set_ylabel("F1", fontsize=8)
    axes.legend(fontsize=7)
    _label(axes, "", "training examples of the character")
    return _svg(figure)


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
