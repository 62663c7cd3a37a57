"""A picture of a page -> its characters: detectors fused, classifiers blended, the second level if it is there."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from detection.boxes import xywh_to_xyxy, xyxy_to_xywh
from kuzushiji.artifacts import Detailed
from kuzushiji.artifacts.detections import Detections
from kuzushiji.bundle.members import Bundle, ReadyClassifier, ReadyDetector
from kuzushiji.classify.averaging import blend_tables
from kuzushiji.classify.calibration import best_probability, softmax
from kuzushiji.classify.dataset import PageView, page_view
from kuzushiji.classify.level2.candidates import build_features
from kuzushiji.classify.level2.model import apply_model
from kuzushiji.classify.level2.pairs import LEAST_PROBABILITY, read_page
from kuzushiji.classify.predict import Predictor
from kuzushiji.data.labels import SEG_FP, whole_pixels
from kuzushiji.predict.confidence import page_confidence, page_doubt
from kuzushiji.predict.stopwatch import Stopwatch
from kuzushiji.predict.tiling import Tile, are_small, owned_by, tiles_of
from kuzushiji.predict.transcription import (
    N_CANDIDATES,
    NOTHING_DROPPED,
    Candidates,
    Doubts,
    Dropped,
    Transcription,
    make_transcription,
)
from kuzushiji.segment.dataset import WholePage, whole_page
from kuzushiji.segment.joining import fuse_pages
from kuzushiji.segment.predict import find_boxes

Image = NDArray[np.uint8]
_PAGE = "page"
_ENLARGED_FROM, _MOST_ENLARGED = 1.4, 1.5
"""A page is read larger from this factor on: training has seen characters up to about so much smaller. At most by the
other one, which takes twice the time."""


@dataclass(frozen=True)
class ReadBoxes:
    """What is read in each of n boxes.

    Attributes:
        codes: (n,) the most probable code, `seg_fp` where it is no character.
        probability: (n,) float32 that it is right.
        left_out: (n,) bool, whether that is too improbable for the second level or the language.
    """

    codes: NDArray[np.object_]
    probability: NDArray[np.float32]
    left_out: NDArray[np.bool_]


class BundleReader:
    """Reads pages, one after the other: what one page needs is free before the next.

    Args:
        bundle: The models.
        watch: Counts the time of each stage.
        min_probability: A character less probable than that is doubtful.
        sign: Stands in the text for a doubtful character; "" keeps the character.
    """

    def __init__(
        self, bundle: Bundle, watch: Stopwatch | None = None, *, min_probability: float = 0.0, sign: str = ""
    ) -> None:
        self._bundle = bundle
        self._watch = watch or Stopwatch()
        self._min_probability, self._sign = min_probability, sign

    @property
    def digest(self) -> str:
        """Differs where the models do."""
        return self._bundle.digest

    def read(
        self,
        image: Image,
        *,
        name: str = "",
        file: str = "",
        boxes_xywh: NDArray[np.floating] | None = None,
        finer: int = 1,
    ) -> Transcription:
        """Return what is read on a page (h, w, 3) RGB; empty where there is nothing.

        A page that is long and narrow is read in tiles, and in smaller ones where its characters are small.

        Args:
            image: The page.
            name: Of the page.
            file: Of the picture.
            boxes_xywh: (n, 4) corners and sizes, pixels, in place of those that the detectors find; their score is 1.
            finer: As of `tiles_of`.
        """
        size = int(image.shape[1]), int(image.shape[0])
        tiles = tiles_of(*size, finer)
        if boxes_xywh is None:
            with self._watch.of("detect"):
                boxes, score = self._detect(image, tiles)
                if finer == 1 and len(tiles) > 1 and are_small(boxes, tiles):
                    tiles = tiles_of(*size, 2)
                    boxes, score = self._detect(image, tiles)
                enlarged = self._enlarged(boxes, size, tiles)
                if enlarged > 1:
                    boxes, score = self._detect(image, tiles, enlarged=enlarged)
        else:
            boxes, score = whole_pixels(boxes_xywh), np.ones(len(boxes_xywh), np.float32)
            enlarged = self._enlarged(boxes, size, tiles)
        if not len(boxes):
            reading = ReadBoxes(*_nothing(), np.zeros(0, np.bool_))
            doubts = self._doubts(reading, NOTHING_DROPPED, image)
            candidates = self._no_candidates()
            return make_transcription(name, file, size, boxes, *_nothing(), score, candidates, doubts)
        with self._watch.of("classify"):
            tables = self._classify(image, boxes, tiles, enlarged)
            blends = {kind: _blend(tables, kind) for kind in self._bundle.kinds}
        with self._watch.of("level 2" if self._bundle.level2 else "classify"):
            reading = self._choose(tables)
        kept, dropped = np.flatnonzero(reading.codes != SEG_FP), np.flatnonzero(reading.codes == SEG_FP)
        candidates = {kind: _candidates(table.take(kept)) for kind, table in blends.items()}
        reading = ReadBoxes(reading.codes[kept], reading.probability[kept], reading.left_out[kept])
        doubts = self._doubts(reading, Dropped(boxes[dropped], score[dropped]), image)
        return make_transcription(
            name, file, size, boxes[kept], reading.codes, reading.probability, score[kept], candidates, doubts
        )

    def _doubts(self, reading: "ReadBoxes", dropped: Dropped, image: Image) -> Doubts:
        """Return what is doubtful about a page with these characters (`seg_fp` is not among them)."""
        doubtful = reading.left_out | (reading.probability < self._min_probability)
        n_kept = int((~reading.left_out).sum())
        return Doubts(
            doubtful,
            reading.left_out,
            dropped,
            confidence=page_confidence(reading.probability, len(dropped)),
            reason=page_doubt(doubtful, n_kept, len(dropped), image),
            sign=self._sign,
        )

    def found(self, image: Image, finer: int = 1) -> float:
        """Return the sum of the scores of what the first detector alone finds on a page (h, w, 3) RGB."""
        tiles = tiles_of(image.shape[1], image.shape[0], finer)
        with self._watch.of("detect"):
            return float(self._detect(image, tiles, self._bundle.detectors[:1])[1].sum())

    def boxes(self, image: Image) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return the boxes (n, 4) x y w h that the detectors find on a page (h, w, 3) RGB, and their scores (n,)."""
        with self._watch.of("detect"):
            return self._detect(image, tiles_of(image.shape[1], image.shape[0]))

    def _enlarged(self, boxes_xywh: NDArray[np.int64], size: tuple[int, int], tiles: Sequence[Tile]) -> float:
        """Return by which factor a page is read larger than others: where its characters are small for the models."""
        usual = self._bundle.character_size
        if usual is None or len(tiles) > 1 or not len(boxes_xywh):
            return 1.0
        found = float(np.sqrt(np.median(boxes_xywh[:, 2] * boxes_xywh[:, 3]))) / max(size)
        return min(usual / found, _MOST_ENLARGED) if usual > _ENLARGED_FROM * found else 1.0

    def _detect(
        self,
        image: Image,
        tiles: Sequence[Tile],
        detectors: Sequence[ReadyDetector] | None = None,
        *,
        enlarged: float = 1.0,
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return the boxes (n, 4) of the fused detectors in whole pixels, and their scores (n,), tile after tile."""
        height, width = image.shape[:2]
        boxes, scores = [], []
        for tile in tiles:
            xywh, score = self._detect_tile(tile.picture(image), detectors or self._bundle.detectors, enlarged)
            xywh[:, :2] += tile.window[:2]
            kept = tile.owns(xywh)
            corners = xywh_to_xyxy(xywh[kept]).clip(0, [width, height, width, height])
            boxes.append(xyxy_to_xywh(corners).astype(np.int64))
            scores.append(score[kept])
        return np.concatenate(boxes), np.concatenate(scores)

    def _detect_tile(
        self, image: Image, detectors: Sequence[ReadyDetector], enlarged: float
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return the boxes (n, 4) of some fused detectors in whole pixels, and their scores (n,)."""
        scaled: dict[int, WholePage] = {}
        found = []
        for detector in detectors:
            spec = detector.spec
            long_sides = [round(enlarged * long_side) for long_side in spec.long_sides]
            for long_side in long_sides:
                if long_side not in scaled:
                    scaled[long_side] = whole_page(0, image, long_side)
            sizes = [scaled[long_side] for long_side in long_sides]
            boxes_xyxy, scores = find_boxes(detector.model, sizes, detector.precision, spec.config.score_threshold)
            found.append(Detections.from_pages({_PAGE: _as_stored(boxes_xyxy, scores)}))
        fused = fuse_pages(found, self._bundle.fusion)
        return whole_pixels(xyxy_to_xywh(fused.boxes_xyxy)), fused.scores.astype(np.float32)

    def _classify(
        self, image: Image, boxes_xywh: NDArray[np.int64], tiles: Sequence[Tile], enlarged: float
    ) -> list[tuple[ReadyClassifier, Detailed]]:
        """Return what each classifier thinks of the boxes, each in its tile."""
        boxes = _box_table(boxes_xywh)
        owned = owned_by(tiles, boxes_xywh)
        back = np.argsort(np.concatenate(owned))
        pairs = zip(owned, tiles, strict=True)
        parts = [self._classify_tile(image, boxes_xywh[own], tile, enlarged) for own, tile in pairs]
        tables = []
        for number, classifier in enumerate(self._bundle.classifiers):
            classes, values = (np.concatenate([part[number][k] for part in parts])[back] for k in range(2))
            tables.append((classifier, Detailed(boxes, classes, values, self._bundle.vocabulary, (_PAGE,))))
        return tables

    def _classify_tile(
        self, image: Image, boxes_xywh: NDArray[np.int64], tile: Tile, enlarged: float
    ) -> list[tuple[NDArray[np.int32], NDArray[np.float32]]]:
        """Return for each classifier the best classes (n, k) of a tile's boxes and their logits (n, k)."""
        picture = tile.picture(image) if len(boxes_xywh) else image[:1, :1]
        xyxy = xywh_to_xyxy((boxes_xywh - [*tile.window[:2], 0, 0]).astype(np.float64)).astype(np.float32)
        views: dict[tuple[int, ...], PageView] = {}
        found = []
        for classifier in self._bundle.classifiers:
            heights = tuple(round(enlarged * height) for height in classifier.spec.heights)
            k = min(classifier.spec.top_k, len(self._bundle.vocabulary))
            if not len(boxes_xywh):
                found.append((np.zeros((0, k), np.int32), np.zeros((0, k), np.float32)))
                continue
            if heights not in views:
                views[heights] = page_view(0, picture, xyxy, heights)
            logits = Predictor(classifier.precision).logits(classifier.model, views[heights])
            best = logits.topk(min(classifier.spec.top_k, logits.shape[1]), dim=1)
            found.append((best[1].cpu().numpy().astype(np.int32), best[0].float().cpu().numpy()))
        return found

    def _choose(self, tables: list[tuple[ReadyClassifier, Detailed]]) -> "ReadBoxes":
        """Return what is read in each box: by the second level, or by the blend of all."""
        model, vocabulary = self._bundle.level2, self._bundle.vocabulary
        if model is None:
            blend = _blend(tables)
            if self._bundle.language is None:
                return ReadBoxes(blend.pred, best_probability(blend.logits), np.zeros(len(blend.pred), np.bool_))
            text = read_page(blend, self._bundle.language)
            probability = best_probability(text.logits)
            return ReadBoxes(text.pred, probability, (probability < LEAST_PROBABILITY) & (text.pred != SEG_FP))
        views = []
        for fold in self._bundle.folds:
            of_fold = [(item.spec.name, table) for item, table in tables if item.spec.fold == fold]
            names = [(name,) for name, _ in of_fold]
            views.append(build_features([table for _, table in of_fold], names, {}, model.top_k))
        choice = apply_model(model, views)
        left_out = (choice.classes != choice.likely) & (choice.likely != vocabulary.seg_fp)
        return ReadBoxes(vocabulary.decode(choice.likely), choice.likely_probability, left_out)

    def _no_candidates(self) -> dict[str, Candidates]:
        none = np.zeros((0, N_CANDIDATES))
        return {kind: Candidates(none.astype(object), none.astype(np.float32)) for kind in self._bundle.kinds}


def _blend(tables: list[tuple[ReadyClassifier, Detailed]], kind: str | None = None) -> Detailed:
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
