"""Reads page after page and writes what was read; a bad page is noted, and the next one follows."""

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kuzushiji.bundle.files import ModelFiles
from kuzushiji.data.labels import PagePoints, read_page_labels
from kuzushiji.data.pictures import read_picture
from kuzushiji.errors import InputError
from kuzushiji.predict.config import KEEP, PredictConfig
from kuzushiji.predict.fence import Failure, OutputError, concerns_all, fence
from kuzushiji.predict.looking import read_somehow
from kuzushiji.predict.reader import Reader, Stopwatch
from kuzushiji.predict.records import Output, Source
from kuzushiji.predict.sources import Page, readable_name
from kuzushiji.predict.transcription import Transcription
from kuzushiji.terminal import printable, progress

logger = logging.getLogger(__name__)


@dataclass
class Summary:
    """What became of the pages.

    Attributes:
        read: Pages that were read.
        skipped: Pages that were done before.
        failures: Pages that could not be read.
        characters: Read on all of them but the skipped ones.
        doubtful: Names of pages whose reading is doubtful as a whole.
        seconds: By stage, of the pages that were read.
        loading: Seconds that loading the models took.
        notes: What is odd about pages that were read, a line each.
    """

    read: int = 0
    skipped: int = 0
    failures: list[Failure] = field(default_factory=list)
    characters: int = 0
    doubtful: list[str] = field(default_factory=list)
    seconds: Mapping[str, float] = field(default_factory=dict)
    loading: float = 0.0
    notes: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {
            "read": self.read,
            "skipped": self.skipped,
            "failed": [{"page": failure.where, "error": failure.message} for failure in self.failures],
            "notes": [printable(note) for note in self.notes],
            "characters": self.characters,
            "doubtful": self.doubtful,
            "seconds": {stage: round(value, 3) for stage, value in self.seconds.items()},
            "loading": round(self.loading, 3),
        }


def load_reader(config: PredictConfig, files: ModelFiles, watch: Stopwatch) -> Reader:
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
    return Reader(bundle, watch, min_probability=config.min_probability, sign=sign)


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


def read_pages(
    reader: Reader,
    watch: Stopwatch,
    pages: Sequence[tuple[Page, Source]],
    output: Output,
    formats: Sequence[str],
    boxes: Mapping[str, NDArray[np.float64]] | None = None,
) -> Summary:
    """Read the pages and write their files; what goes wrong with one page is its failure.

    `boxes` are as `read_boxes` returns them, None where they are found.

    Raises:
        OutputError: no file can be written.
    """
    from kuzushiji.engine.device import enough_memory

    summary = Summary()
    for page, source in progress(pages, total=len(pages), title="pages", unit="page", leave=False, lines=True):
        notes: list[str] = []
        with fence(page.place, summary.failures):
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
                location=_relative(page.picture.path, output.folder),
                sha256=source.image,
            )
            with watch.of("write"):
                contents = _contents(transcription, image, formats)
                _write(output, page.name, source, contents, points_of_transcription(transcription))
            if transcription.doubts.reason:
                logger.warning("%s: the reading is doubtful: %s", page.name, transcription.doubts.reason)
                summary.doubtful.append(page.name)
            summary.notes += [f"{page.place}: {note}" for note in notes]
            summary.read += 1
            summary.characters += int((~transcription.doubts.left_out).sum())
    summary.seconds = watch.seconds
    return summary


def _write(output: Output, page: str, source: Source, contents: Mapping[str, bytes], points: PagePoints) -> None:
    """Write the files of a page.

    Raises:
        OutputError: they cannot be written, and neither can those of other pages.
        InputError: they cannot be written.
    """
    try:
        output.write(page, source, contents, points)
    except InputError as error:
        if concerns_all(error) or not output.takes_files():
            raise OutputError(str(error)) from error
        raise


def _relative(path: Path, folder: Path) -> str:
    """Return the way from a folder to a file, with slashes; the file's name where there is none as text."""
    try:
        way = Path(os.path.relpath(os.path.realpath(path), os.path.realpath(folder))).as_posix()
    except ValueError:  # another drive of Windows
        return readable_name(path.name)
    return way if way == printable(way) else readable_name(path.name)


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
