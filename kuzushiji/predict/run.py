"""Reads page after page and writes what was read; a bad page is noted, and the next one follows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kuzushiji.bundle.files import ModelFiles
from kuzushiji.data.labels import PagePoints
from kuzushiji.data.pictures import read_picture
from kuzushiji.errors import InputError
from kuzushiji.predict.config import PredictConfig
from kuzushiji.predict.reader import Reader, Stopwatch
from kuzushiji.predict.records import Output, Source
from kuzushiji.predict.sources import Failure, Page
from kuzushiji.predict.transcription import Transcription
from kuzushiji.terminal import progress


@dataclass
class Summary:
    """What became of the pages.

    Attributes:
        read: Pages that were read.
        skipped: Pages that were done before.
        failures: Pages that could not be read.
        characters: Read on all of them but the skipped ones.
        seconds: By stage, of the pages that were read.
        loading: Seconds that loading the models took.
    """

    read: int = 0
    skipped: int = 0
    failures: list[Failure] = field(default_factory=list)
    characters: int = 0
    seconds: Mapping[str, float] = field(default_factory=dict)
    loading: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {
            "read": self.read,
            "skipped": self.skipped,
            "failed": [{"page": failure.where, "error": failure.message} for failure in self.failures],
            "characters": self.characters,
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
    bundle = load_bundle(
        files, resolve_device(config.device), level2=config.level2, opt_level=config.opt_level, n_tta=config.n_tta
    )
    return Reader(bundle, watch)


def read_pages(
    reader: Reader,
    watch: Stopwatch,
    pages: Sequence[tuple[Page, Source]],
    output: Output,
    formats: Sequence[str],
) -> Summary:
    """Read the pages and write their files.

    Raises:
        InputError: a file cannot be written.
    """
    from kuzushiji.engine.memory import enough_memory

    summary = Summary()
    for page, source in progress(pages, total=len(pages), title="pages", unit="page", leave=False):
        try:
            with watch.of("read"):
                image = read_picture(page.picture)
            with enough_memory(page.name, "give a smaller picture, or use --opt-level O1 or --n-tta 1"):
                transcription = reader.read(image, name=page.name, file=page.picture.path.name)
        except InputError as error:
            summary.failures.append(Failure(str(page.picture), str(error)))
            continue
        with watch.of("write"):
            output.write(
                page.name, source, _contents(transcription, image, formats), points_of_transcription(transcription)
            )
        summary.read += 1
        summary.characters += len(transcription)
    summary.seconds = watch.seconds
    return summary


def points_of_transcription(transcription: Transcription) -> PagePoints:
    """Return the characters of a page as a submission has them: codes and centres, the surest first."""
    order = np.argsort(-transcription.probability, kind="stable")
    centers = transcription.boxes_xywh[order, :2] + transcription.boxes_xywh[order, 2:] / 2
    return PagePoints.from_arrays(
        [transcription.name], np.zeros(len(order), np.int64), transcription.codes[order], centers.astype(np.float64)
    )


def _contents(transcription: Transcription, image: Any, formats: Sequence[str]) -> dict[str, bytes]:
    from kuzushiji.predict.formats import PAGE_FORMATS

    chosen = {name: PAGE_FORMATS[name] for name in formats if name in PAGE_FORMATS}
    return {f"{transcription.name}{item.ending}": item.render(transcription, image) for item in chosen.values()}
