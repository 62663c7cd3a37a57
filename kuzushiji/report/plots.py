"""Pictures of numbers, as SVG."""

import io
import re
from collections.abc import Sequence
from itertools import cycle
from typing import TYPE_CHECKING

import pandas as pd

from kuzushiji.report.collect import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_CURVES = (("loss", "training loss"), ("valid_f1", "validation F1"), ("lr", "learning rate"))
_WIDTH = 9.0
_ROW = 2.4


def learning_curves(runs: Sequence[Run]) -> str:
    """Return loss, validation F1 and learning rate of a kind's folds by epoch, as SVG; empty without events."""
    epochs = {run.fold: [event for event in run.events if event.get("kind") == "epoch"] for run in runs}
    if not any(epochs.values()):
        return ""
    figure = _figure(_ROW)
    for position, (key, title) in enumerate(_CURVES, start=1):
        axes = figure.add_subplot(1, len(_CURVES), position)
        for fold, events in epochs.items():
            points = [(event["epoch"] + 1, event[key]) for event in events if event.get(key) is not None]
            if points:
                axes.plot(*zip(*points, strict=True), marker="." if len(points) < 30 else "", label=f"fold {fold}")
        _label(axes, title, "epoch")
    figure.axes[0].legend(fontsize=7)
    return _svg(figure)


def f1_by_book(books: pd.DataFrame) -> str:
    """Return F1 of each book, a mark a kind of model, the best read book on top, as SVG; empty without books.

    Args:
        books: Columns kind, book, pages, f1, as `books.f1_of_books` returns them.
    """
    if books.empty:
        return ""
    table = books.pivot_table(index="book", columns="kind", values="f1")
    pages = books.groupby("book")["pages"].max()
    order = table.mean(axis=1).sort_values().index
    figure = _figure(0.9 + 0.25 * len(order))
    axes = figure.add_subplot(1, 1, 1)
    for marker, kind in zip(cycle("osD^v"), table.columns, strict=False):
        axes.plot(table.loc[order, kind], range(len(order)), marker, markersize=4, alpha=0.8, label=kind)
    axes.set_yticks(range(len(order)), [f"{book} ({pages[book]:.0f} pages)" for book in order])
    axes.legend(fontsize=7)
    _label(axes, "", "F1")
    return _svg(figure)


def _figure(height: float) -> "Figure":
    """Return a figure without `pyplot`, which would keep state and look for a screen."""
    from matplotlib.figure import Figure

    return Figure(figsize=(_WIDTH, height), layout="constrained")


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
