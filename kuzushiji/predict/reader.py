"""A picture of a page -> its characters: detectors fused, classifiers blended, the second level if it is there."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from detection.boxes import xywh_to_xyxy, xyxy_to_xywh
from kuzushiji.artifacts import Detailed
from kuzushiji.artifacts.detections import Detections
from kuzushiji.bundle.models import Bundle, Classifier
from kuzushiji.classify.blending import blend_tables
from kuzushiji.classify.calibration import best_probability, softmax
from kuzushiji.classify.candidates import build_features
from kuzushiji.classify.dataset import PageView, page_view
from kuzushiji.classify.level2.model import apply_model
from kuzushiji.classify.predict import Predictor
from kuzushiji.data.labels import SEG_FP, whole_pixels
from kuzushiji.predict.transcription import N_CANDIDATES, Candidates, Transcription, make_transcription
from kuzushiji.segment.dataset import WholePage, whole_page
from kuzushiji.segment.fusing import fuse_pages
from kuzushiji.segment.predict import find_boxes

Image = NDArray[np.uint8]
STAGES = ("read", "detect", "classify", "level 2", "write")
"""What the time of a page is spent on."""

_PAGE = "page"


class Stopwatch:
    """Seconds by stage, over all pages; of the stages that any of them went through."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}

    @property
    def seconds(self) -> dict[str, float]:
        """Seconds of each stage, in the order of `STAGES`."""
        return {stage: self._seconds[stage] for stage in STAGES if stage in self._seconds}

    @contextmanager
    def of(self, stage: str) -> Iterator[None]:
        """Count the time of the block."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self._seconds[stage] = self._seconds.get(stage, 0.0) + time.perf_counter() - started


class Reader:
    """Reads pages, one after the other: what one page needs is free before the next.

    Args:
        bundle: The models.
        watch: Counts the time of each stage.
    """

    def __init__(self, bundle: Bundle, watch: Stopwatch | None = None) -> None:
        self._bundle = bundle
        self._watch = watch or Stopwatch()

    def read(self, image: Image, *, name: str = "", file: str = "") -> Transcription:
        """Return what is read on a page (h, w, 3) RGB; empty where there is nothing.

        Args:
            image: The page.
            name: Of the page.
            file: Of the picture.
        """
        size = int(image.shape[1]), int(image.shape[0])
        with self._watch.of("detect"):
            boxes_xywh, score = self._detect(image)
        if not len(boxes_xywh):
            return make_transcription(name, file, size, boxes_xywh, *_nothing(), score, self._no_candidates())
        with self._watch.of("classify"):
            tables = self._classify(image, boxes_xywh)
            blends = {kind: _blend(tables, kind) for kind in self._bundle.kinds}
        with self._watch.of("level 2" if self._bundle.level2 else "classify"):
            codes, probability = self._choose(tables)
        kept = np.flatnonzero(codes != SEG_FP)
        candidates = {kind: _candidates(table.take(kept)) for kind, table in blends.items()}
        return make_transcription(
            name, file, size, boxes_xywh[kept], codes[kept], probability[kept], score[kept], candidates
        )

    def _detect(self, image: Image) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return the boxes (n, 4) of the fused detectors in whole pixels, and their scores (n,)."""
        scaled: dict[int, WholePage] = {}
        found = []
        for detector in self._bundle.detectors:
            spec = detector.spec
            for long_side in spec.long_sides:
                if long_side not in scaled:
                    scaled[long_side] = whole_page(0, image, long_side)
            sizes = [scaled[long_side] for long_side in spec.long_sides]
            boxes_xyxy, scores = find_boxes(detector.model, sizes, detector.precision, spec.config.score_threshold)
            found.append(Detections.from_pages({_PAGE: _as_stored(boxes_xyxy, scores)}))
        fused = fuse_pages(found, self._bundle.fusion)
        return whole_pixels(xyxy_to_xywh(fused.boxes_xyxy)), fused.scores.astype(np.float32)

    def _classify(self, image: Image, boxes_xywh: NDArray[np.int64]) -> list[tuple[Classifier, Detailed]]:
        """Return what each classifier thinks of the boxes."""
        boxes = _box_table(boxes_xywh)
        xyxy = xywh_to_xyxy(boxes_xywh.astype(np.float64)).astype(np.float32)
        views: dict[tuple[int, ...], PageView] = {}
        tables = []
        for classifier in self._bundle.classifiers:
            heights = classifier.spec.heights
            if heights not in views:
                views[heights] = page_view(0, image, xyxy, heights)
            logits = Predictor(classifier.precision).logits(classifier.model, views[heights])
            best = logits.topk(min(classifier.spec.top_k, logits.shape[1]), dim=1)
            classes = best[1].cpu().numpy().astype(np.int32)
            values = best[0].float().cpu().numpy()
            tables.append((classifier, Detailed(boxes, classes, values, self._bundle.vocabulary, (_PAGE,))))
        return tables

    def _choose(self, tables: list[tuple[Classifier, Detailed]]) -> tuple[NDArray[np.object_], NDArray[np.float32]]:
        """Return the code (n,) of each box and its probability (n,): by the second level, or by the blend of all."""
        model, vocabulary = self._bundle.level2, self._bundle.vocabulary
        if model is None:
            blend = _blend(tables)
            return blend.pred, best_probability(blend.logits)
        views = []
        for fold in self._bundle.folds:
            of_fold = [(item.spec.name, table) for item, table in tables if item.spec.fold == fold]
            names = [(name,) for name, _ in of_fold]
            views.append(build_features([table for _, table in of_fold], names, {}, model.top_k))
        choice = apply_model(model, views)
        return vocabulary.decode(choice.classes), choice.probability

    def _no_candidates(self) -> dict[str, Candidates]:
        none = np.zeros((0, N_CANDIDATES))
        return {kind: Candidates(none.astype(object), none.astype(np.float32)) for kind in self._bundle.kinds}


def _blend(tables: list[tuple[Classifier, Detailed]], kind: str | None = None) -> Detailed:
    """Return the blend of the classifiers of a kind, or of all."""
    chosen = [(item.spec.name, table) for item, table in tables if kind in (None, item.spec.kind)]
    return blend_tables([table for _, table in chosen], [name for name, _ in chosen])


def _nothing() -> tuple[NDArray[np.object_], NDArray[np.float32]]:
    return np.zeros(0, object), np.zeros(0, np.float32)


def _as_stored(
    boxes_xyxy: NDArray[np.float64], scores: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return boxes and scores as they come back from the stages' files, which hold corners and sizes in 32 bits."""
    xywh = xyxy_to_xywh(boxes_xyxy).astype(np.float32).astype(np.float64)
    return xywh_to_xyxy(xywh), scores.astype(np.float32).astype(np.float64)


def _box_table(boxes_xywh: NDArray[np.int64]) -> pd.DataFrame:
    n = len(boxes_xywh)
    table: pd.DataFrame = pd.DataFrame(
        {"image_id": pd.Series([_PAGE] * n, dtype=str), "box": np.arange(n, dtype=np.int32)}
    )
    table[["x", "y", "w", "h"]] = boxes_xywh.astype(np.float64)
    table["true"] = pd.Series([SEG_FP] * n, dtype=str)
    return table


def _candidates(table: Detailed) -> Candidates:
    best = table.top(N_CANDIDATES)
    probability = softmax(table.logits)[:, :N_CANDIDATES]
    return Candidates(table.vocabulary.decode(best.classes), probability.astype(np.float32))
