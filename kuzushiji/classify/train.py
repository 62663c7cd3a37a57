"""Trains a classifier of boxes on random crops."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from kuzushiji.classify.classifier import Classifier, build_classifier, meta_of
from kuzushiji.classify.config import STAGE, ClassifyConfig
from kuzushiji.classify.dataset import Batch, Collate, CropDataset
from kuzushiji.classify.head_start import HeadStart, start_head
from kuzushiji.classify.inputs import Split, pages_of, read_pseudolabels
from kuzushiji.classify.predict import Predictor, evaluate
from kuzushiji.classify.targets import share_of_targets
from kuzushiji.classify.transforms import CropRecipe
from kuzushiji.data.paths import DataRoot
from kuzushiji.data.vocabulary import Vocabulary, read_vocabulary, write_vocabulary
from kuzushiji.engine.checkpoint import may_go_on
from kuzushiji.engine.device import enough_memory
from kuzushiji.engine.loop import fit
from kuzushiji.engine.machine import machine_facts, set_up
from kuzushiji.engine.precision import Precision
from kuzushiji.engine.processes import gathered, local_world_size, on_main, own_share, world_size
from kuzushiji.engine.progress import StepOutput
from kuzushiji.engine.training_run import Training, build_training
from kuzushiji.engine.update import averaged_with_start
from kuzushiji.files import atomic_write_json, read_json
from kuzushiji.imaging.store import PageStore, split_memory
from kuzushiji.metric import Counts
from kuzushiji.options import WEIGHTS, all_parameters
from kuzushiji.record import StageRecord, package_versions
from kuzushiji.run_folder import METRICS, PARAMS, VOCABULARY


def train(config: ClassifyConfig, root: DataRoot, split: Split, record: StageRecord) -> dict[str, Any]:
    """Train to the end and return what metrics.json holds.

    Args:
        config: The parameters.
        root: Where the images are.
        split: The tables of the fold.
        record: Of the training.

    Raises:
        InputError: any input is wrong; see `engine.loop.fit`.
        KeptError: the checkpoint in the output folder is of another run.
    """
    goes_on = not config.force and on_main(lambda: may_go_on(config.output_dir, record))
    precision = set_up(config, training=True)
    classifier = build_classifier(config, split.vocabulary, precision)
    crops = build_crops(config, root, split, classifier.test_height)
    evaluation = (
        HeldOutEvaluation(config, root, split, classifier.test_height, precision) if config.evaluate_every else None
    )
    on_main(record.forget)
    on_main(lambda: describe_run(config, split))
    # Before the head start, which a run that goes on does not have.
    new = new_classes(config, classifier.vocabulary) if config.start_share else None
    kept = averaged_with_start(classifier.model, config.start_share, new)
    if config.head_start_epochs and not goes_on:
        give_head_start(config, classifier, crops, precision)
    training = training_of(config, classifier, crops, precision, record.input_digests())
    meter = Meter(training.step, evaluation)
    fit(replace(training, kept=kept, step=meter.step, evaluate=meter.evaluate if evaluation else None))
    measured = {**meter.rates(), **machine_facts(precision)}
    return on_main(lambda: add_to_metrics(config.output_dir / METRICS, measured))


def describe_run(config: ClassifyConfig, split: Split) -> None:
    """Write the vocabulary and the parameters of a run that begins or goes on."""
    write_vocabulary(config.output_dir / VOCABULARY, split.vocabulary)
    atomic_write_json(config.output_dir / PARAMS, {**all_parameters(config), "versions": package_versions()})


def add_to_metrics(path: Path, measured: Mapping[str, Any]) -> dict[str, Any]:
    """Add what was measured to what the loop has written, and return all of it."""
    metrics = {**read_json(path), **measured}
    atomic_write_json(path, metrics)
    return metrics


def training_of(
    config: ClassifyConfig, classifier: Classifier, crops: CropDataset, precision: Precision, inputs: Mapping[str, str]
) -> Training:
    """Return the run, without evaluation."""
    held = read_vocabulary(config.held_classes) if config.held_classes is not None else None
    absent = None if held is None else absent_classes(crops, classifier.vocabulary, held)
    return build_training(
        config,
        classifier.model,
        precision,
        crops,
        collate=Collate(share_of_targets(config.max_targets), config.seed, alone=world_size() == 1),
        repeat=config.repeat_train,
        step=lambda network: Step(network, crops, config.label_smoothing, precision.device, absent=absent),
        stage=STAGE,
        parameters=config.parameters_of(WEIGHTS),
        meta=meta_of(classifier),
        inputs=inputs,
    )


def new_classes(config: ClassifyConfig, vocabulary: Vocabulary) -> NDArray[np.bool_]:
    """Return which classes (n,) the model that training starts from does not have."""
    assert config.start_classes is not None  # as `TrainingOptions` checks
    known = set(read_vocabulary(config.start_classes).codes)
    return np.array([code not in known for code in vocabulary.codes])


def give_head_start(config: ClassifyConfig, classifier: Classifier, crops: CropDataset, precision: Precision) -> None:
    """Train the head alone, on whole pages; only where a run begins: what goes on has its head in the checkpoint."""
    recipe = HeadStart(epochs=config.head_start_epochs, lr=config.head_start_lr, seed=config.seed)
    predictor = Predictor(precision, config.workers, crops.store)
    with enough_memory("head start", "the features of all boxes do not fit, use --head-start-epochs 0"):
        start_head(classifier.model, crops.pages, predictor, classifier.test_height, recipe)


def build_crops(config: ClassifyConfig, root: DataRoot, split: Split, page_height: int) -> CropDataset:
    """Return the training crops, of pages scaled to a nominal height, those with pseudolabels among them.

    Raises:
        InputError: an image is missing or is none; no page has a box; pseudolabels have other codes.
    """
    recipe = CropRecipe(
        width=config.crop_width,
        height=config.crop_height,
        page_height=page_height,
        scale_aug=config.scale_aug,
        min_visible=config.min_visible,
        box_jitter=config.box_jitter,
    )
    pages = pages_of(split.train, root.train_image, split.vocabulary, str(config.clf_gt))
    return CropDataset(
        pages + read_pseudolabels(config, root, split.vocabulary),
        recipe,
        colour_aug=(config.color_hue_aug, config.color_sat_aug, config.color_val_aug),
        seed=config.seed,
        cache_mib=memory_of(config)[0],
        strips=config.strips,
        processes=config.workers,
    )


def memory_of(config: ClassifyConfig) -> tuple[int, int]:
    """Return the memory for training pages and for held-out pages of this process, MiB."""
    return split_memory(config.cache_mib // local_world_size(), evaluates=config.evaluate_every > 0)


def absent_classes(crops: CropDataset, vocabulary: Vocabulary, held: Vocabulary) -> torch.Tensor:
    """Return (n,) bool, the held ones of the n classes of which no page has a box.

    Classes that are in neither, such as those of held-out pages alone, have rows at random, which the loss must see.
    """
    kept = {*held.codes}
    absent = torch.tensor([code in kept for code in vocabulary.codes])
    for page in crops.pages:
        absent[torch.from_numpy(page.classes)] = False
    return absent


class Step:
    """The loss of one batch."""

    def __init__(
        self,
        model: nn.Module,
        crops: CropDataset,
        label_smoothing: float,
        device: torch.device,
        absent: torch.Tensor | None = None,
    ) -> None:
        """Take the model, the crops, which name a batch's pages, and (n,) bool which classes the loss leaves out."""
        self.model, self.crops, self.device = model, crops, device
        self.absent = None if absent is None else absent.to(device)
        self.loss = nn.CrossEntropyLoss(label_smoothing=label_smoothing)

    def __call__(self, batch: Batch) -> StepOutput:
        """Return the mean cross entropy over the boxes, and the accuracy."""
        here = batch.to(self.device)
        logits = self.model(here.images, here.rois)
        return StepOutput(
            loss=self.loss(
                logits if self.absent is None else logits.masked_fill(self.absent, -torch.inf), here.classes
            ),
            weight=len(batch.classes),
            metrics={"accuracy": (logits.detach().argmax(dim=1) == here.classes).float().mean()},
            samples=[self.crops.pages[key.sample].image_id for key in batch.keys],
        )


class HeldOutEvaluation:
    """The metrics of a model on the held-out pages, in one size; several processes divide the pages."""

    def __init__(
        self, config: ClassifyConfig, root: DataRoot, split: Split, page_height: int, precision: Precision
    ) -> None:
        """Read as many of the pages as fit into their part of the memory.

        Raises:
            InputError: a page cannot be read.
        """
        self.vocabulary, self.page_height = split.vocabulary, page_height
        own = [split.valid.image_ids[number] for number in own_share(len(split.valid.image_ids))]
        self.boxes, self.truth = split.valid.of_pages(own), split.truth.of_pages(own)
        self.pages = pages_of(self.boxes, root.train_image, split.vocabulary, str(config.clf_gt))
        store = PageStore((page.path for page in self.pages), cache_mib=memory_of(config)[1])
        self.predictor = Predictor(precision, config.workers, store)

    def __call__(self, model: nn.Module) -> dict[str, float]:
        """Return the metrics of `predict.evaluate`, of all pages."""
        own = evaluate(
            self.predictor, model, self.pages, self.boxes, self.truth, self.vocabulary, height=self.page_height
        )
        return of_all_pages(gathered((own, len(self.boxes.boxes))))


def of_all_pages(parts: Sequence[tuple[dict[str, float], int]]) -> dict[str, float]:
    """Return the metrics of all pages from those of their parts, each with its number of boxes."""
    counts = sum((Counts.of(part) for part, _ in parts), Counts())
    n = max(sum(boxes for _, boxes in parts), 1)
    means = {name: sum(part[name] * boxes for part, boxes in parts) / n for name in ("accuracy", "loss")}
    return {**counts.as_dict(), **means}


class Meter:
    """How much a process trains in how much time: wraps the step and the evaluation, whose time does not count."""

    def __init__(
        self, step: Callable[[Any], StepOutput], evaluate: Callable[[nn.Module], dict[str, float]] | None
    ) -> None:
        """Start the clock; without an evaluation `evaluate` is not to be called."""
        self._step, self._evaluate = step, evaluate
        self._started = time.monotonic()
        self._paused = 0.0
        self._crops = self._boxes = 0

    def step(self, batch: Batch) -> StepOutput:
        """Count the batch and return its loss."""
        self._crops += len(batch.images)
        self._boxes += len(batch.classes)
        return self._step(batch)

    def evaluate(self, model: nn.Module) -> dict[str, float]:
        """Return the metrics of the model."""
        assert self._evaluate is not None
        started = time.monotonic()
        metrics = self._evaluate(model)
        self._paused += time.monotonic() - started
        return metrics

    def rates(self) -> dict[str, float]:
        """Return crops and boxes a second of this process; nothing where it found the run finished."""
        if not self._crops:
            return {}
        seconds = time.monotonic() - self._started - self._paused
        return {
            "crops_per_second": round(self._crops / seconds, 2),
            "boxes_per_second": round(self._boxes / seconds, 1),
        }
