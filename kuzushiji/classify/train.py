"""Trains a classifier of boxes on random crops."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from kuzushiji.classify.classifier import build_classifier, inputs_changed, meta_of
from kuzushiji.classify.collate import Batch, Collate
from kuzushiji.classify.config import ClassifyConfig
from kuzushiji.classify.dataset import CropDataset, PageStore
from kuzushiji.classify.inputs import Page, Split, pages_of, read_pseudolabels
from kuzushiji.classify.predict import Predictor, evaluate
from kuzushiji.classify.setup import peak_memory, set_up
from kuzushiji.classify.transforms import CropRecipe
from kuzushiji.data.paths import DataRoot
from kuzushiji.engine.loader import build_loader
from kuzushiji.engine.loop import CHECKPOINT, METRICS, fit, updates_per_epoch
from kuzushiji.engine.optim import build_optimizer
from kuzushiji.engine.sampler import EpochSampler
from kuzushiji.engine.schedule import Factor, build_factor
from kuzushiji.engine.training import StepOutput, Training
from kuzushiji.files import atomic_write_json, read_json

STAGE = "classify.train"


def train(config: ClassifyConfig, root: DataRoot, split: Split, inputs: Mapping[str, str]) -> dict[str, Any]:
    """Train to the end and return what metrics.json holds.

    Args:
        config: The parameters.
        root: Where the images are.
        split: The tables of the fold.
        inputs: Digests of the files and folders on which the result depends: a run on others is not gone on with.

    Raises:
        InputError: any input is wrong; see `engine.loop.fit`.
    """
    precision = set_up(config)
    classifier = build_classifier(config, split.vocabulary, precision)
    pages = pages_of(split.train, root.train_image, split.vocabulary, str(config.clf_gt))
    pages += read_pseudolabels(config, root, split.vocabulary)
    crops = build_crops(config, pages, classifier.test_height)
    sampler = EpochSampler(len(crops), config.seed, repeat=config.repeat_train)
    loader = build_loader(
        crops, config.batch_size, sampler=sampler, collate=Collate(config.max_targets, config.seed),
        workers=config.workers, device=precision.device, drop_last=True,
    )  # fmt: skip
    valid = pages_of(split.valid, root.train_image, split.vocabulary, str(config.clf_gt))
    predictor = Predictor(precision, config.workers, PageStore((page.path for page in valid), config.cache_mb // 4))
    meter = Meter()

    def evaluate_fold(model: nn.Module) -> dict[str, float]:
        with meter.pause():
            return evaluate(
                predictor, model, valid, split.valid, split.truth, split.vocabulary, height=classifier.test_height
            )

    training = Training(
        stage=STAGE,
        folder=config.output_dir,
        parameters=config.training_parameters(),
        meta=meta_of(classifier, inputs),
        model=classifier.model,
        optimizer=build_optimizer(
            classifier.model.parameters(), config.optimizer, config.lr, momentum=config.momentum, weight_decay=config.wd
        ),
        factor=build_schedule(config, len(loader)),
        loader=loader,
        sampler=sampler,
        step=Step(classifier.model, crops, config.label_smoothing, precision.device, meter),
        epochs=config.epochs,
        evaluate=evaluate_fold,
        evaluate_every=config.evaluate_every,
        accumulation_steps=config.accumulation_steps,
        max_grad_norm=config.clip_grad or None,
        ema_decay=config.ema or None,
        precision=precision,
        fresh=config.force or inputs_changed(config.output_dir / CHECKPOINT, inputs),
    )
    fit(training)
    metrics = {**read_json(config.output_dir / METRICS), **meter.rates(), **peak_memory(precision.device)}
    atomic_write_json(config.output_dir / METRICS, metrics)
    return metrics


def build_crops(config: ClassifyConfig, pages: list[Page], page_height: int) -> CropDataset:
    """Return the training crops of pages scaled to a nominal height.

    Raises:
        InputError: an image is missing or is none; no page has a box.
    """
    recipe = CropRecipe(
        width=config.crop_width,
        height=config.crop_height,
        page_height=page_height,
        scale_aug=config.scale_aug,
        min_visible=config.min_visible,
        box_jitter=config.box_jitter,
    )
    colours = (config.color_hue_aug, config.color_sat_aug, config.color_val_aug)
    return CropDataset(pages, recipe, colour_aug=colours, seed=config.seed, cache_mib=config.cache_mb)


def build_schedule(config: ClassifyConfig, batches: int) -> Factor:
    """Return the learning rate's factor of each update, for epochs of so many batches."""
    updates = updates_per_epoch(batches, config.accumulation_steps)
    return build_factor(
        config.epochs * updates,
        use_cosine=config.uses_cosine,
        milestones=(config.drop_lr_epoch * updates,) if config.drop_lr_epoch else (),
        warmup_steps=config.warmup_steps,
    )


class Step:
    """The loss of one batch."""

    def __init__(
        self, model: nn.Module, crops: CropDataset, label_smoothing: float, device: torch.device, meter: "Meter"
    ) -> None:
        """Take the model, and what names a batch's pages and counts it."""
        self.model, self.crops, self.device, self.meter = model, crops, device, meter
        self.loss = nn.CrossEntropyLoss(label_smoothing=label_smoothing)

    def __call__(self, batch: Batch) -> StepOutput:
        """Return the mean cross entropy over the boxes, and the accuracy."""
        here = batch.to(self.device)
        logits = self.model(here.images, here.rois)
        self.meter.count(len(batch.images), len(batch.classes))
        return StepOutput(
            loss=self.loss(logits, here.classes),
            weight=len(batch.classes),
            metrics={"accuracy": float((logits.argmax(dim=1) == here.classes).float().mean())},
            samples=[self.crops.pages[key.sample].image_id for key in batch.keys],
        )


class Meter:
    """How much a process trains in how much time, evaluations not counted."""

    def __init__(self) -> None:
        self.crops = self.boxes = 0
        self._started = time.monotonic()
        self._paused = 0.0

    def count(self, crops: int, boxes: int) -> None:
        """Count a batch."""
        self.crops, self.boxes = self.crops + crops, self.boxes + boxes

    @contextmanager
    def pause(self) -> Iterator[None]:
        """Leave out the time of this block."""
        started = time.monotonic()
        yield
        self._paused += time.monotonic() - started

    def rates(self) -> dict[str, float]:
        """Return the rates of this process; nothing where it did not train, since the run was over."""
        seconds = time.monotonic() - self._started - self._paused
        if not self.crops:
            return {}
        return {
            "crops_per_second": round(self.crops / seconds, 2),
            "boxes_per_second": round(self.boxes / seconds, 1),
        }
