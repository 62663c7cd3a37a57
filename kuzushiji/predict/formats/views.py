"""A page to look at: the picture with its boxes and lines, and the viewer."""

import hashlib
import json

import cv2
import numpy as np
from numpy.typing import NDArray

from detection.boxes import xywh_to_xyxy
from kuzushiji.data.characters import code_to_char
from kuzushiji.data.labels import SEG_FP
from kuzushiji.layout import EDGE, FURIGANA
from kuzushiji.predict.transcription import Candidates, Transcription
from kuzushiji.report.marked_page import Mark, overlay
from kuzushiji.viewer import Candidate, ViewerBox, ViewerPage, ViewerPicture
from kuzushiji.viewer.book import PICTURE_HEIGHT, THUMBNAIL_HEIGHT, Origin, page_script

Image = NDArray[np.uint8]

OVERLAY_HEIGHT = 1600
"""Pixels."""

_READ, _DOUBTFUL, _DROPPED = "read", "doubtful", "dropped"
_NOTHING = "×"
_OTHER_ROLES = {FURIGANA: (130, 80, 223), EDGE: (110, 119, 129)}
_LINE = (219, 97, 162)
"""RGB."""


def overlay_png(transcription: Transcription, image: Image) -> bytes:
    """Return a PNG: the page with boxes and reading order, and beside it the characters where they stand.

    Boxes of the text are blue, of furigana violet, of what stands at the edge grey; a line runs through each column.
    """
    marks = [_mark(box, char) for box, char in zip(transcription.boxes_xywh, transcription.chars, strict=True)]
    picture = overlay(image, marks, height=OVERLAY_HEIGHT)
    scale = picture.shape[0] / image.shape[0]
    corners = np.rint(xywh_to_xyxy(transcription.boxes_xywh.astype(np.float64)) * scale)
    for role, colour in _OTHER_ROLES.items():
        for x0, y0, x1, y1 in corners[transcription.layout.role == role].astype(int).tolist():
            cv2.rectangle(picture, (x0, y0), (x1, y1), colour, 1)
    middles = np.rint((corners[:, :2] + corners[:, 2:]) / 2).astype(np.int32)
    for members in transcription.columns():
        cv2.polylines(picture, [middles[members][:, None]], False, _LINE, 1, cv2.LINE_AA)
    _, content = cv2.imencode(".png", picture[:, :, ::-1])
    return bytes(content.tobytes())


def viewer_script(transcription: Transcription, image: Image) -> bytes:
    """Return the page as a script that the viewer of all pages loads (`kuzushiji.viewer.book`)."""
    boxes = [_box(transcription, i, char) for i, char in enumerate(transcription.chars)]
    dropped = transcription.doubts.dropped.boxes_xywh.astype(np.float64).tolist()
    boxes += [ViewerBox(x, y, w, h, _DROPPED, _NOTHING, SEG_FP) for x, y, w, h in dropped]
    columns = [members.tolist() for members in transcription.columns()]
    page = ViewerPage(transcription.name, ViewerPicture.of_page(image, height=PICTURE_HEIGHT), boxes, columns)
    read = [[box.x, box.y, box.w, box.h, box.code] for box in boxes]
    origin = Origin(
        transcription.location or transcription.image, transcription.frame, transcription.sha256,
        str(transcription.made_by.get("models", "")), hashlib.sha256(json.dumps(read).encode()).hexdigest()[:16],
        transcription.doubts.confidence, transcription.doubts.reason,
    )  # fmt: skip
    return page_script(page, ViewerPicture.of_page(image, height=THUMBNAIL_HEIGHT), origin).encode()


def _mark(box_xywh: NDArray[np.int64], char: str) -> Mark:
    x, y, w, h = map(float, box_xywh)
    return Mark(_READ, x, y, w, h, char, char)


def _box(transcription: Transcription, i: int, char: str) -> ViewerBox:
    candidates = {kind: _candidates(found, i) for kind, found in transcription.candidates.items()}
    x, y, w, h = map(float, transcription.boxes_xywh[i])
    probability = float(transcription.probability[i])
    kind = _DOUBTFUL if transcription.doubts.doubtful[i] else _READ
    role = transcription.layout.role[i]
    return ViewerBox(x, y, w, h, kind, char, transcription.codes[i], probability, candidates=candidates, role=role)


def _candidates(found: Candidates, i: int) -> list[Candidate]:
    return [
        Candidate(code if code == SEG_FP else code_to_char(code), code, float(probability))
        for code, probability in zip(found.codes[i], found.probability[i], strict=True)
    ]
