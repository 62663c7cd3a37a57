"""Trains the detector of one fold."""

import logging
from collections.abc import Callable

import torch
from torch import nn

from kuzushiji.engine.checkpoint import may_go_on
from kuzushiji.engine.loop import fit
from kuzushiji.engine.machine import set_up
from kuzushiji.engine.precision import Precision, place
from kuzushiji.engine.processes import gathered, local_world_size, on_main, own_share
from kuzushiji.engine.progress import Progress, StepOutput
from kuzushiji.engine.training_run import build_training
from kuzushiji.engine.update import averaged_with_start
from kuzushiji.files import atomic_write_json
from kuzushiji.imaging.colours import ColourAugmentation
from kuzushiji.imaging.store import PageStore, split_memory
from kuzushiji.metric import Counts
from kuzushiji.options import WEIGHTS, all_parameters
from kuzushiji.record import StageRecord
from kuzushiji.run_folder import PARAMS
from kuzushiji.scoring import score_boxes
from kuzushiji.segment.config import STAGE, SegmentConfig
from kuzushiji.segment.dataset import CropBatch, TrainCrops, collate_crops
from kuzushiji.segment.detector import build_model, checkpoint_meta, read_model, read_start
from kuzushiji.segment.fold_pages import FoldPages
from kuzushiji.segment.predict import page_loader, predict_pages
from kuzushiji.segment.transforms import CropSpec

logger = logging.getLogger(__name__)


def train(config: SegmentConfig, pages: FoldPages, record: StageRecord) -> Progress:
    """Train to the end, from the checkpoint in the output folder if there is one.

    Args:
        config: The parameters.
        pages: The training pages, divided.
        record: Of the training.

    Raises:
        InputError: weights, a page or the checkpoint cannot be used; see `engine.loop.fit`.
        KeptError: the checkpoint in the output folder is of another run.
    """
    if not config.force:
        on_main(lambda: may_go_on(config.output_dir, record))
    run_parameters = config.parameters_of(WEIGHTS)
    precision = set_up(config, training=True)
    config, model = start_model(config, pages)
    model = place(model, precision.device)
    inputs = record.input_digests()
    on_main(record.forget)
    on_main(lambda: atomic_write_json(config.output(PARAMS), {**all_parameters(config), "inputs": inputs}))
    cache_mib, held_out_mib = split_memory(config.cache_mib // local_world_size(), evaluates=config.evaluate_every > 0)
    training = build_training(
        config,
        model,
        precision,
        build_crops(config, pages, cache_mib),
        collate=collate_crops,
        repeat=config.repeat_train_step,
        step=lambda network: build_step(network, precision.device),
        needs_whole_batch=False,
        kept=averaged_with_start(model, config.start_share),
        stage=STAGE,
        parameters=run_parameters,
        meta=checkpoint_meta(config, pages.train.image_ids),
        inputs=inputs,
        evaluate=build_evaluation(config, pages, held_out_mib, precision) if config.evaluate_every else None,
    )
    return fit(training)


def start_model(config: SegmentConfig, pages: FoldPages) -> tuple[SegmentConfig, nn.Module]:
    """Return the model to train and the config with its architecture: new, or that of `--resume` or `--start`."""
    start = config.start_model
    if start is not None:
        stored = read_start(start)
        config = stored.adopt(config)
        logger.info("%s: training starts from its weights", start.path)
        return config, stored.build(config)
    if config.resume is None:
        return config, build_model(config)
    stored = read_model(config.resume)
    stored.check_unseen(pages.held_out.image_ids)
    config = stored.adopt_for_training(config)
    logger.info("%s: training starts from its weights (epoch %d)", config.resume, stored.epoch + 1)
    return config, stored.build(config)


def build_crops(config: SegmentConfig, pages: FoldPages, cache_mib: int) -> TrainCrops:
    """Return the training crops; `cache_mib` is the memory for decoded pages.

    Raises:
        InputError: a page that is read already cannot be.
    """
    images = pages.train_images
    store = PageStore(images.values(), cache_mib=cache_mib, strips=config.strips, processes=config.workers)
    augment = ColourAugmentation.of(config.color_hue_aug, config.color_sat_aug, config.color_val_aug)
    return TrainCrops(pages.train, images, store, crop_spec(config), augment, config.seed)


def crop_spec(config: SegmentConfig) -> CropSpec:
    """Return what a training crop is."""
    return CropSpec(
        long_side=config.long_side,
        min_height=config.crop_min_height,
        max_height=config.crop_max_height,
        out_width=config.crop_width,
        out_height=config.crop_height,
        min_visible=config.min_visible,
    )


def build_step(model: nn.Module, device: torch.device) -> Callable[[CropBatch], StepOutput]:
    """Return the function that computes the detector's four losses of a batch, and their sum."""

    def step(batch: CropBatch) -> StepOutput:
        images, boxes, seeds = (
            each.to(device, non_blocking=True) for each in (batch.images, batch.boxes_xyxy, batch.seeds)
        )
        targets = [
            {"boxes": each, "seed": seed} for each, seed in zip(torch.split(boxes, batch.counts), seeds, strict=True)
        ]
        losses = model(list(images), targets)
        parts = torch.stack(list(losses.values()))
        metrics = dict(zip(losses, parts.detach().unbind(), strict=True))
        return StepOutput(parts.sum(), weight=len(images), metrics=metrics, samples=batch.image_ids)

    return step


def build_evaluation(
    config: SegmentConfig, pages: FoldPages, cache_mib: int, precision: Precision
) -> Callable[[nn.Module], dict[str, float]]:
    """Return the function that scores a model on all held-out pages, in pixels of the original pages.

    Several processes divide the pages; each returns the score on all of them.
    """
    image_ids = tuple(pages.held_out.image_ids[number] for number in own_share(len(pages.held_out.image_ids)))
    truth = pages.held_out.of_pages(image_ids)
    paths = [pages.held_out_images[image_id] for image_id in image_ids]
    store = PageStore(paths, cache_mib=cache_mib)
    loader = page_loader(paths, store, config.inference_long_sides, config.workers, precision.device)

    def evaluate(model: nn.Module) -> dict[str, float]:
        found, _ = predict_pages(
            model, loader, image_ids, precision, title="held-out pages", score_threshold=config.score_threshold
        )  # fmt: skip
        return sum(gathered(score_boxes(truth, found.to_labels())), Counts()).as_dict()

    return evaluate
