"""Finds the boxes of whole pages."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.utils.data import DataLoader

from kuzushiji.engine.loader import build_loader
from kuzushiji.engine.precision import Precision
from kuzushiji.segment.dataset import PageStore, WholePage, WholePages
from kuzushiji.segment.detections import Detections
from kuzushiji.terminal import progress


@dataclass(frozen=True)
class Timed:
    """Boxes, and how long it took to find them.

    Attributes:
        detections: Boxes of all pages.
        seconds: Wall clock, reading included.
    """

    detections: Detections
    seconds: float

    @property
    def pages_per_second(self) -> float:
        """Throughput; 0 without pages."""
        return len(self.detections.image_ids) / max(self.seconds, 1e-9)


def page_loader(image_ids: Sequence[str], store: PageStore, long_side: int, workers: int) -> "DataLoader[WholePage]":
    """Return a loader of scaled pages, one at a time: pages differ in shape."""
    return build_loader(WholePages(image_ids, store, long_side), 1, collate=_first, workers=workers)


def _first(pages: list[WholePage]) -> WholePage:
    return pages[0]


def predict_pages(
    model: nn.Module,
    loader: "DataLoader[WholePage]",
    image_ids: Sequence[str],
    precision: Precision,
    *,
    title: str,
) -> Timed:
    """Return the boxes of all pages, in pixels of the original pages.

    Args:
        model: Detector of `detection.faster_rcnn`; it is left in evaluation mode.
        loader: Of `page_loader`, for these pages.
        image_ids: The pages.
        precision: Number format and device.
        title: What the progress bar says.

    Raises:
        InputError: an image cannot be read; the message names it.
    """
    model.eval()
    started = time.monotonic()
    pages = {}
    for page in progress(loader, total=len(image_ids), title=title, unit="page", leave=False):
        pages[image_ids[page.number]] = predict_page(model, page, precision)
    return Timed(Detections.from_pages(pages), time.monotonic() - started)


@torch.inference_mode()
def predict_page(
    model: nn.Module, page: WholePage, precision: Precision
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the boxes (n, 4) xyxy of a page in pixels of the original page, and their scores (n,), falling.

    Args:
        model: Detector of `detection.faster_rcnn` in evaluation mode.
        page: The page.
        precision: Number format and device.
    """
    image = page.image.to(precision.device, non_blocking=True)
    with precision.autocast():
        (found,) = model([image])
    boxes_xyxy = page.to_original(found["boxes"].double().cpu().numpy())
    return boxes_xyxy, found["scores"].double().cpu().numpy()
