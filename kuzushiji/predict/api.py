"""Reading pages from Python: `Reader().read("scan.jpg").text()`."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kuzushiji.bundle.model_files import find_models
from kuzushiji.data.pictures import pictures_in, read_picture
from kuzushiji.errors import InputError
from kuzushiji.named_models import models_folder
from kuzushiji.options import parameters
from kuzushiji.predict.config import PredictConfig
from kuzushiji.predict.run import load_reader
from kuzushiji.predict.stopwatch import Stopwatch
from kuzushiji.predict.transcription import Transcription


class Reader:
    """Reads pages as `kuzushiji predict` does; loads the models once.

    Args:
        models: Name of models that come with the package, or the folder of a run or of `kuzushiji export`.
        settings: Options of `kuzushiji predict` by their names: `device`, `threads`, `level2`, `n_tta`, `opt_level`,
            `min_probability`, `doubtful`.

    Raises:
        InputError: there are no such models, or their files are damaged.
        TypeError: there is no such option.
    """

    def __init__(self, models: str | Path = "reader", **settings: Any) -> None:
        self._config = PredictConfig(pages=(), models=str(models), **settings)
        files = find_models(models_folder(self._config.models))
        self._reader = load_reader(self._config, files, Stopwatch())

    def read(
        self, page: str | Path | NDArray[np.uint8], *, boxes_xywh: NDArray[np.number] | None = None
    ) -> Transcription:
        """Return what is read on a page.

        Args:
            page: A file with one picture, or an array (height, width, 3) RGB or (height, width) grey, uint8.
            boxes_xywh: (n, 4) corners and sizes of the characters in pixels of the upright page; None: they are found.

        Raises:
            InputError: the file is missing, damaged or has several pictures; the array is no picture; the boxes are
                no such array.
        """
        if isinstance(page, str | Path):
            path = Path(page)
            pictures = pictures_in(path)
            if len(pictures) != 1:
                raise InputError(f"{path}: expected one picture, got {len(pictures)}; give them as arrays one by one")
            image, name, file = read_picture(pictures[0]), path.stem, path.name
        else:
            image, name, file = _checked(page), "", ""
        boxes = None if boxes_xywh is None else _checked_boxes(boxes_xywh)
        reading = self._reader.read(image, name=name, file=file, boxes_xywh=boxes)
        made_by = {"models": self._reader.digest, "settings": parameters(self._config)}
        return dataclasses.replace(reading, made_by=made_by)


def _checked(page: Any) -> NDArray[np.uint8]:
    image = np.asarray(page)
    grey = image.ndim == 2
    if image.dtype != np.uint8 or not (grey or (image.ndim == 3 and image.shape[2] == 3)) or not image.size:
        raise InputError(
            f"expected a picture as an array (height, width, 3) or (height, width) of uint8, got {image.dtype} of the "
            f"shape {image.shape}"
        )
    return np.ascontiguousarray(np.repeat(image[:, :, None], 3, axis=2) if grey else image)


def _checked_boxes(boxes_xywh: Any) -> NDArray[np.float64]:
    boxes = np.asarray(boxes_xywh)
    numeric = np.issubdtype(boxes.dtype, np.number)
    if not numeric or boxes.ndim != 2 or boxes.shape[1] != 4 or not np.isfinite(boxes).all():
        raise InputError(f"expected boxes as numbers of the shape (n, 4), got {boxes.dtype} of the shape {boxes.shape}")
    if (boxes[:, 2:] <= 0).any():
        raise InputError("expected boxes of a size above 0, got another")
    return boxes.astype(np.float64)
