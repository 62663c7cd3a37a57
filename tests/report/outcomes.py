"""A small outcome made by hand, for the tests of what is drawn from outcomes."""

from pathlib import Path

import pandas as pd

from kuzushiji.data.labels import SEG_FP, PageLabels
from kuzushiji.report.outcome import Outcome, rows_of_truth

A, B = "U+3042", "U+3044"
CHARS = {A: "あ", B: "い"}
TRUTH = [("p", A, 0), ("p", A, 50), ("p", B, 100), ("q", B, 0), ("q", A, 50)]
"""Page, code and left edge of true characters; all are 20 x 20 pixels."""


def labels(rows: list[tuple[str, str, int]] = TRUTH) -> PageLabels:
    """Return true characters of the pages p, q and r; r has none."""
    table = pd.DataFrame(rows, columns=["image_id", "code", "x"]).assign(y=0, w=20, h=20)
    table["box"] = table.groupby("image_id").cumcount()
    return PageLabels(("p", "q", "r"), table.astype(dict.fromkeys("xywh", float)))


def outcome(
    *rows: tuple[str, int, str, float],
    known: bool = True,
    image: Path = Path("none.jpg"),
    truth: PageLabels | None = None,
) -> Outcome:
    """Return an outcome of boxes of 20 x 20 pixels.

    Args:
        rows: Page, left edge, code that was read, probability.
        known: Whether the truth is.
        image: The picture of all pages.
        truth: Other true characters than `TRUTH`.
    """
    boxes = pd.DataFrame(rows, columns=["image_id", "x", "pred", "probability"]).assign(y=0.0, w=20.0, h=20.0)
    boxes = boxes.astype({"image_id": object, "pred": object, "x": float})
    boxes["box"] = boxes.groupby("image_id").cumcount()
    truth = (truth or labels()) if known else None
    codes = [*(truth or labels()).boxes["code"], SEG_FP]
    boxes["true"] = [codes[row] for row in rows_of_truth(boxes, truth, 0.5)] if truth else ""
    return Outcome("by hand", ("p", "q", "r"), boxes, truth, lambda page: image)
