"""Reads a page and renders what was read; a bad page is a failure of its own."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kuzushiji.bundle.model_files import ModelFiles
from kuzushiji.data.labels import PagePoints, read_page_labels
from kuzushiji.data.pictures import read_picture
from kuzushiji.errors import InputError
from kuzushiji.predict.config import KEEP, PredictConfig
from kuzushiji.predict.fence import Failure, fence
from kuzushiji.predict.looking import read_somehow
from kuzushiji.predict.reader import BundleReader
from kuzushiji.predict.sources import readable_name
from kuzushiji.predict.stopwatch import Stopwatch
from kuzushiji.predict.tasks import PageAnswer, PageTask
from kuzushiji.predict.transcription import Transcription


def load_reader(config: PredictConfig, files: ModelFiles, watch: Stopwatch) -> BundleReader:
    """Load the models.

    Raises:
        InputError: as `load_bundle`; the device is not there.
    """
    from kuzushiji.bundle.loading import load_bundle
    from kuzushiji.engine.device import resolve_device
    from kuzushiji.engine.machine import use_threads

    use_threads(config.threads)
    level2, n_tta = config.level2, config.n_tta
    if config.fast:
        files = replace(files, detectors=files.detectors[:1], classifiers=files.classifiers[:1])
        level2, n_tta = False, n_tta or 1
    bundle = load_bundle(files, resolve_device(config.device), level2=level2, opt_level=config.opt_level, n_tta=n_tta)
    sign = "" if config.doubtful == KEEP else config.doubtful
    return BundleReader(bundle, watch, min_probability=config.min_probability, sign=sign)


def read_boxes(path: Path) -> dict[str, NDArray[np.float64]]:
    """Return the boxes (n, 4) as x y w h, pixels, of each page of a table in the format of train.csv.

    Raises:
        InputError: as `read_page_labels`.
    """
    pages = read_page_labels(path).by_page()
    return {name: table[["x", "y", "w", "h"]].to_numpy(np.float64) for name, table in pages}


def boxes_of(boxes: Mapping[str, NDArray[np.float64]], page: str) -> NDArray[np.float64]:
    """Return the boxes of a page.

    Raises:
        InputError: there are none of this page.
    """
    if page not in boxes:
        near = get_close_matches(page, boxes, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise InputError(f"{page}: expected a row of --boxes with this name, got none{hint}")
    return boxes[page]


def page_work(config: PredictConfig, files: ModelFiles) -> Callable[[PageTask], PageAnswer]:
    """Load the models, and return what reads a page: a lane's work (`lanes`).

    Raises:
        InputError: as `load_reader` and `read_boxes`.
    """
    started, watch = time.perf_counter(), Stopwatch()
    reader = load_reader(config, files, watch)
    boxes = None if config.boxes is None else read_boxes(config.boxes)
    loading = time.perf_counter() - started

    def work(task: PageTask) -> PageAnswer:
        failures: list[Failure] = []
        answer = PageAnswer()
        with fence(task.page.place, failures):
            answer = _read_page(task, reader, watch, config.formats, boxes)
        return replace(answer, failures=tuple(failures), seconds=watch.take(), loading=loading)

    return work


def _read_page(
    task: PageTask,
    reader: BundleReader,
    watch: Stopwatch,
    formats: Sequence[str],
    boxes: Mapping[str, NDArray[np.float64]] | None,
) -> PageAnswer:
    from kuzushiji.engine.device import enough_memory

    page, source, notes = task.page, task.source, list[str]()
    with watch.of("read"):
        image = read_picture(page.picture, notes)
    with enough_memory(page.name, "give a smaller picture, or use --opt-level O1 or --n-tta 1"):
        given = None if boxes is None else boxes_of(boxes, page.name)
        file = readable_name(page.picture.path.name)
        transcription, look = read_somehow(reader, image, name=page.name, file=file, boxes_xywh=given)
    notes += [look] if look else []
    transcription = replace(
        transcription,
        made_by={"models": source.models, "settings": dict(source.settings)},
        notes=tuple(notes),
        frame=page.picture.frame,
        location=task.location,
        sha256=source.image,
    )
    with watch.of("write"):
        contents = _contents(transcription, image, formats)
    return PageAnswer(
        contents=contents,
        points=points_of_transcription(transcription),
        characters=int((~transcription.doubts.left_out).sum()),
        doubt=transcription.doubts.reason,
        notes=transcription.notes,
    )


def points_of_transcription(transcription: Transcription) -> PagePoints:
    """Return the characters of a page as a submission has them: codes and centres, the surest first."""
    order = np.argsort(-transcription.probability, kind="stable")
    order = order[~transcription.doubts.left_out[order]]
    centers = transcription.boxes_xywh[order, :2] + transcription.boxes_xywh[order, 2:] / 2
    return PagePoints.from_arrays(
        [transcription.name], np.zeros(len(order), np.int64), transcription.codes[order], centers.astype(np.float64)
    )


def _contents(transcription: Transcription, image: Any, formats: Sequence[str]) -> dict[str, bytes]:
    from kuzushiji.predict.formats import PAGE_FORMATS

    chosen = {name: PAGE_FORMATS[name] for name in formats if name in PAGE_FORMATS}
    return {f"{transcription.name}{item.ending}": item.render(transcription, image) for item in chosen.values()}
