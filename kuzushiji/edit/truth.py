"""The truth of pages that are edited, where it is known: the editor shows what was read wrongly."""

import json
from typing import Any

import numpy as np

from detection.boxes import xywh_to_xyxy
from detection.overlap import match_boxes
from kuzushiji.data.characters import code_to_char
from kuzushiji.data.labels import PageLabels, PagePoints
from kuzushiji.metric import match
from kuzushiji.viewer.render import embedded
from kuzushiji.viewer.viewer_page import TEXT

_BEGIN, _END = "kuzushiji.page(", ");"
_MATCH_IOU = 0.25
"""IoU with a true box from which on a box that was read is that character."""


def with_truth(script: str, truth: PageLabels) -> str:
    """Return a page's script with what was read rightly, wrongly and not at all.

    A character that was read is right by the rule of the competition's metric. What stands where nothing is, is wrong
    where it is text: labels often lack furigana and the neighbouring page's strip.

    Args:
        script: As `viewer.book.page_script` returns it.
        truth: Labels of this page.
    """
    summary, content = script.rstrip().split("\n")
    data = json.loads(content.removeprefix(_BEGIN).removesuffix(_END))
    classes, boxes = data["classes"], data["pages"][0]["boxes"]
    read = [box for box in boxes if box["kind"] != "dropped"]
    edges = np.array([box["at"] for box in read], np.float64).reshape(-1, 4)
    codes = [classes[box["read"]][1] for box in read]
    numbers = np.zeros(len(read), np.int64)
    points = PagePoints.from_arrays(truth.image_ids, numbers, codes, edges[:, :2] + edges[:, 2:] / 2)
    found, right = match(truth, points)
    near = match_boxes(xywh_to_xyxy(edges), xywh_to_xyxy(truth.boxes_xywh), _MATCH_IOU)
    true_codes = truth.boxes["code"].tolist()
    for box, is_right, place in zip(read, right.tolist(), near.tolist(), strict=True):
        if is_right:
            box |= {"kind": "right", "truth": box["read"]}
        elif place >= 0:
            box |= {"kind": "wrong", "truth": _class_of(true_codes[place], classes)}
        elif box.get("role", TEXT) == TEXT:
            box["kind"] = "wrong"
    for place in np.flatnonzero(~found).tolist():
        if place not in near:
            number = _class_of(true_codes[place], classes)
            at = truth.boxes_xywh[place].tolist()
            boxes.append({"at": at, "kind": "missed", "read": number, "truth": number, "candidates": []})
    return f"{summary}\n{_BEGIN}{embedded(data)}{_END}\n"


def _class_of(code: str, classes: list[Any]) -> int:
    """Return the number of a class; a new one is added."""
    known = [other for _, other in classes]
    if code not in known:
        classes.append([code_to_char(code), code])
        return len(known)
    return known.index(code)
