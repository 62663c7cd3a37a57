"""Trains the head alone on the features of a backbone that does not change, before the whole network is trained.

A head starts at random and needs thousands of updates, each of which, with the whole network, costs a crop. The
features of all boxes are computed once, and the head has its updates for next to nothing. That it also does better on
other data than training everything from the start, since the features are not bent while the head is still random, is
the finding of Kumar et al., 2022 (arXiv:2202.10054), "linear probing, then fine-tuning".
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import ignite.distributed as idist
import numpy as np
import torch
from torch import Tensor, nn

from kuzushiji.classify.inputs import BoxedPage
from kuzushiji.classify.network import RoIClassifier
from kuzushiji.classify.predict import Predictor
from kuzushiji.engine.optim import LRSchedule, build_factor, build_optimizer
from kuzushiji.engine.precision import Precision
from kuzushiji.engine.processes import gathered, own_share, world_size
from kuzushiji.errors import InputError

logger = logging.getLogger(__name__)

Rows = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class HeadStart:
    """How the head is trained.

    Attributes:
        epochs: Passes over the boxes.
        lr: Learning rate of AdamW, at its highest; it falls to zero along a cosine.
        batch_size: Boxes in an update.
        weight_decay: Of AdamW.
        seed: Seed of the order of the boxes and of the dropouts.
    """

    epochs: int
    lr: float
    batch_size: int = 128
    weight_decay: float = 0.02
    seed: int = 0


class WithoutHead(nn.Module):
    """A classifier without its head, in the place of the classifier."""

    def __init__(self, model: RoIClassifier) -> None:
        """Take the classifier."""
        super().__init__()
        self.model = model

    def forward(self, images: Tensor, rois: Tensor) -> Tensor:
        """Return (k, features) of the boxes; see `RoIClassifier.features`."""
        return self.model.features(images, rois)


def start_head(
    model: RoIClassifier, pages: Sequence[BoxedPage], predictor: Predictor, page_height: int, recipe: HeadStart
) -> float:
    """Train `model.head` on the boxes of whole pages and return the accuracy in the last pass.

    Its result depends on the arguments alone: random states are left as they were.

    Args:
        model: On its device.
        pages: At least one of them with boxes; what reaches over a page's edge is clipped already.
        predictor: How pages are read and where the model runs.
        page_height: Nominal height of a page, pixels.
        recipe: How the head is trained.

    Raises:
        InputError: a page cannot be read; the loss is not finite.
    """
    features, classes = box_features(model, pages, predictor, page_height)
    with torch.random.fork_rng(devices=[predictor.precision.device] if features.is_cuda else []):
        torch.manual_seed(recipe.seed)
        accuracy = train_head(model.head, features, classes, predictor.precision, recipe)
    logger.info("head start: %d boxes, %d passes, accuracy %.4f in the last", len(classes), recipe.epochs, accuracy)
    return accuracy


def box_features(
    model: RoIClassifier, pages: Sequence[BoxedPage], predictor: Predictor, page_height: int
) -> tuple[Tensor, Tensor]:
    """Return (n, features) in float16 and the classes (n,) of all boxes, on the predictor's device.

    Several processes divide the pages. The features stay in memory: 2 bytes a feature, 7 KB a box of ResNet-18 and
    28 KB of ResNet-152.
    """
    was_training = model.training
    model.eval()
    distinct = list({page.path: page for page in pages}.values())  # a page that comes more than once is read once
    own = [distinct[number] for number in own_share(len(distinct))]
    rows = predictor.page_logits(WithoutHead(model), own, (page_height,), title="head start")
    features = _of_all_processes({own[number].path: of_page.half() for number, of_page in rows})
    model.train(was_training)
    with_boxes = [page for page in pages if len(page.classes)]
    classes = np.concatenate([page.classes for page in with_boxes]).astype(np.int64)
    return (
        torch.cat([features[page.path] for page in with_boxes]),
        torch.from_numpy(classes).to(predictor.precision.device),
    )


def _of_all_processes(features: dict[Path, Tensor]) -> dict[Path, Tensor]:
    """Return the features of all pages from those of each process's, on the device that they are on."""
    if world_size() == 1:
        return features
    parts = gathered({path: of_page.cpu() for path, of_page in features.items()})
    device = next((of_page.device for of_page in features.values()), idist.device())
    return {path: of_page.to(device) for part in parts for path, of_page in part.items()}


def train_head(head: nn.Module, features: Tensor, classes: Tensor, precision: Precision, recipe: HeadStart) -> float:
    """Train `head` on (n, features) and (n,) classes, and return the accuracy in the last pass.

    Raises:
        InputError: the loss is not finite.
    """
    precision = Precision(precision.device, precision.dtype)  # with a gradient scale of its own
    n_updates = -(-len(classes) // recipe.batch_size)
    optimizer = build_optimizer(head.parameters(), "adamw", recipe.lr, weight_decay=recipe.weight_decay)
    schedule = LRSchedule(optimizer, build_factor(recipe.epochs * n_updates, use_cosine=True))
    loss_of = nn.CrossEntropyLoss()
    right = seen = 0
    head.train()
    for number, (of_boxes, true) in enumerate(shuffled(features, classes, recipe)):
        if number % n_updates == 0:
            right = seen = 0
        schedule.set_step(number)
        with precision.autocast():
            logits = head(of_boxes.float()).float()
        loss = loss_of(logits, true)
        if not torch.isfinite(loss):
            raise InputError(f"head start: expected a finite loss, got {loss.item()}; a lower --head-start-lr may help")
        optimizer.zero_grad()
        precision.backward(loss)
        precision.step(optimizer)
        right, seen = right + int((logits.detach().argmax(dim=1) == true).sum()), seen + len(true)
    return right / seen


def shuffled(features: Tensor, classes: Tensor, recipe: HeadStart) -> Iterator[Rows]:
    """Yield batches of rows, in a new order in each pass; a row that is left alone comes twice."""
    generator = torch.Generator().manual_seed(recipe.seed)
    for _ in range(recipe.epochs):
        order = torch.randperm(len(classes), generator=generator).to(classes.device)
        for rows in torch.split(order, recipe.batch_size):
            if len(rows) == 1:  # batch norm needs two rows
                rows = rows.repeat(2)
            yield features[rows], classes[rows]
