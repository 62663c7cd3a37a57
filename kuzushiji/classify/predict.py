"""Boxes of whole pages -> logits, page after page: memory does not grow with the number of pages."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import itemgetter

import numpy as np
import torch
from torch import Tensor, nn

from kuzushiji.artifacts import Detailed
from kuzushiji.artifacts.box_table import boxes_with_truth
from kuzushiji.classify.dataset import PageDataset, PageView
from kuzushiji.classify.inputs import BoxedPage
from kuzushiji.data.labels import PageLabels
from kuzushiji.data.vocabulary import Vocabulary
from kuzushiji.engine.device import shapes_vary
from kuzushiji.engine.loader import build_loader, stop_workers
from kuzushiji.engine.precision import Precision
from kuzushiji.imaging.store import PageStore
from kuzushiji.scoring import score_classes
from kuzushiji.terminal import progress


@dataclass(frozen=True)
class Predictor:
    """Applies a classifier to whole pages.

    Attributes:
        precision: Number format, and the device that the model is on.
        workers: Processes that read pages.
        store: Pages in memory, for pages that are predicted more than once.
    """

    precision: Precision
    workers: int = 0
    store: PageStore | None = None

    def page_logits(
        self, model: nn.Module, pages: Sequence[BoxedPage], heights: Sequence[int], *, title: str = ""
    ) -> Iterator[tuple[int, Tensor]]:
        """Yield the number of each page that has boxes, in order, and its boxes' logits (n, classes) float32.

        Args:
            model: In evaluation mode.
            pages: The pages.
            heights: Page heights, pixels, over which logits are averaged.
            title: What the progress bar is called; empty for no bar.

        Raises:
            InputError: a page cannot be read.
        """
        numbers = [number for number, page in enumerate(pages) if len(page.classes)]
        dataset = PageDataset([pages[number] for number in numbers], heights, self.store)
        workers = min(self.workers, len(dataset))
        loader = build_loader(dataset, 1, collate=itemgetter(0), workers=workers, device=self.precision.device)
        try:
            for view in progress(loader, title=title, unit="page", show=bool(title), leave=False):
                yield numbers[view.index], self.logits(model, view)
        finally:
            stop_workers(loader)

    @torch.no_grad()
    def logits(self, model: nn.Module, view: PageView) -> Tensor:
        """Return the logits (n, classes) float32 of a page's boxes, at least one, averaged over its sizes."""
        total: Tensor | None = None
        device = self.precision.device
        for image, boxes in zip(view.images, view.rois, strict=True):
            picture = image[None].to(device, non_blocking=True)
            rois = boxes.to(device, non_blocking=True)
            with shapes_vary(), self.precision.autocast():
                logits: Tensor = model(picture, rois)
            total = logits if total is None else total + logits
        assert total is not None
        return total / len(view.images)


def predict_detailed(
    predictor: Predictor,
    model: nn.Module,
    pages: Sequence[BoxedPage],
    labels: PageLabels,
    vocabulary: Vocabulary,
    *,
    heights: Sequence[int],
    top_k: int,
    title: str = "",
) -> Detailed:
    """Return the best classes of all boxes with their logits.

    Args:
        predictor: How pages are read and where the model runs.
        model: In evaluation mode.
        pages: The pages of `labels`, in their order.
        labels: The boxes, with the codes that count as true.
        vocabulary: What the model's classes mean.
        heights: Page heights, pixels, over which logits are averaged.
        top_k: Classes of a box to keep; all where there are fewer.
        title: What the progress bar is called; empty for no bar.

    Raises:
        InputError: a page cannot be read.
    """
    k = min(top_k, len(vocabulary))
    n = len(labels.boxes)
    classes, logits = np.zeros((n, k), np.int32), np.zeros((n, k), np.float32)
    rows = labels.rows_by_page()
    for number, page_logits in predictor.page_logits(model, pages, heights, title=title):
        best = page_logits.topk(k, dim=1)
        classes[rows[number]] = best.indices.cpu().numpy()
        logits[rows[number]] = best.values.cpu().numpy()
    return Detailed(boxes_with_truth(labels), classes, logits, vocabulary, labels.image_ids)


def evaluate(
    predictor: Predictor,
    model: nn.Module,
    pages: Sequence[BoxedPage],
    labels: PageLabels,
    truth: PageLabels,
    vocabulary: Vocabulary,
    *,
    height: int,
) -> dict[str, float]:
    """Return the metrics of the model on held-out pages, in one size.

    Args:
        predictor: How pages are read and where the model runs.
        model: In evaluation mode.
        pages: The pages of `labels`, in their order.
        labels: The boxes with their classes.
        truth: The truth of all held-out pages: characters without a box count as missed.
        vocabulary: What the model's classes mean.
        height: Page height, pixels.

    Returns:
        f1, precision, recall, tp, fp, fn against the truth; accuracy and loss (cross entropy) over the boxes, 0 where
        there are none.

    Raises:
        InputError: a page cannot be read.
    """
    rows = labels.rows_by_page()
    predicted = np.zeros(len(labels.boxes), np.int32)
    loss = 0.0
    for number, logits in predictor.page_logits(model, pages, (height,), title="evaluate"):
        true = torch.from_numpy(pages[number].classes).to(logits.device)
        loss += float(nn.functional.cross_entropy(logits, true, reduction="sum"))
        predicted[rows[number]] = logits.argmax(dim=1).cpu().numpy()
    true_classes = vocabulary.encode(labels.boxes["code"])
    codes = vocabulary.decode(predicted)
    n = max(len(predicted), 1)
    return {
        **score_classes(truth, PageLabels(labels.image_ids, labels.boxes.assign(code=codes))).as_dict(),
        "accuracy": float((predicted == true_classes).sum()) / n,
        "loss": loss / n,
    }
