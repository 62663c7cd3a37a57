"""Finds the boxes of whole pages."""

import time
from collections.abc import Sequence
from operator import itemgetter
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.utils.data import DataLoader

from detection.fusion import fuse_boxes
from kuzushiji.artifacts.detections import Detections
from kuzushiji.engine.device import shapes_vary
from kuzushiji.engine.loader import build_loader, stop_workers
from kuzushiji.engine.precision import Precision
from kuzushiji.imaging.store import PageStore
from kuzushiji.segment.dataset import WholePage, WholePages
from kuzushiji.terminal import progress


def page_loader(
    paths: Sequence[Path], store: PageStore, long_sides: Sequence[int], workers: int, device: torch.device
) -> "DataLoader[tuple[WholePage, ...]]":
    """Return a loader, for a device, of pages in several sizes, one page at a time: pages differ in shape."""
    pages = WholePages(paths, store, long_sides)
    return build_loader(pages, 1, collate=itemgetter(0), workers=min(workers, len(paths)), device=device)


def predict_pages(
    model: nn.Module,
    loader: "DataLoader[tuple[WholePage, ...]]",
    image_ids: Sequence[str],
    precision: Precision,
    *,
    title: str,
    score_threshold: float = 0.0,
) -> tuple[Detections, float]:
    """Return the boxes of all pages, in pixels of the original pages, and the seconds it took, reading included.

    Args:
        model: Detector of `detection.faster_rcnn`; it is left in evaluation mode.
        loader: Of `page_loader`, for these pages.
        image_ids: The pages.
        precision: Number format and device.
        title: What the progress bar says.
        score_threshold: Least score of a box that was fused out of several sizes; see `find_boxes`.

    Raises:
        InputError: an image cannot be read; the message names it.
    """
    model.eval()
    started = time.monotonic()
    pages = {}
    try:
        for sizes in progress(loader, total=len(image_ids), title=title, unit="page", leave=False):
            pages[image_ids[sizes[0].number]] = find_boxes(model, sizes, precision, score_threshold)
    except BaseException:
        stop_workers(loader)
        raise
    return Detections.from_pages(pages), time.monotonic() - started


def find_boxes(
    model: nn.Module, sizes: Sequence[WholePage], precision: Precision, score_threshold: float = 0.0
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the boxes (n, 4) xyxy of a page in pixels of the original page, and their scores (n,), falling.

    What is found in several sizes becomes one box (`detection.fusion`) and its score the mean over all sizes, 0 where
    it was not found: what one size alone shows needs a high score there.

    Args:
        model: Detector of `detection.faster_rcnn` in evaluation mode.
        sizes: The page in at least one size; one alone is not fused.
        precision: Number format and device.
        score_threshold: Least score of a box that was fused.
    """
    found = [predict_page(model, page, precision) for page in sizes]
    if len(found) == 1:
        return found[0]
    fused = fuse_boxes([(boxes_xyxy[scores > 0], scores[scores > 0]) for boxes_xyxy, scores in found])
    kept = fused.scores >= score_threshold
    return fused.boxes_xyxy[kept], fused.scores[kept]


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
    with shapes_vary(), precision.autocast():
        (found,) = model([image])
    boxes_xyxy = page.to_original(found["boxes"].double().cpu().numpy())
    return boxes_xyxy, found["scores"].double().cpu().numpy()
