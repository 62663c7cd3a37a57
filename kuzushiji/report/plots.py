"""Pictures of numbers, as SVG."""

import io
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from kuzushiji.data.folds import book_id
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


def f1_by_book(pages: pd.DataFrame) -> str:
    """Return a bar a book, as SVG; empty without pages.

    Args:
        pages: Columns image_id tp fp fn, one row a page.
    """
    if pages.empty:
        return ""
    books = pages.assign(book=pages["image_id"].map(book_id)).groupby("book")[["tp", "fp", "fn"]].sum()
    f1 = (2 * books["tp"] / (2 * books["tp"] + books["fp"] + books["fn"]).clip(lower=1)).sort_values()
    figure = _figure(0.6 + 0.25 * len(f1))
    axes = figure.add_subplot(1, 1, 1)
    bars = axes.barh(f1.index.astype(str), f1.to_numpy())
    axes.bar_label(bars, fmt="%.3f", fontsize=7, padding=2)
    axes.set_xlim(0, 1.08)
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
