"""The description of a training run and its result."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

from kuzushiji.engine.assembly import assemble
from kuzushiji.engine.loader import EpochSampler, build_loader
from kuzushiji.engine.optim import Factor, build_optimizer, factor_of
from kuzushiji.engine.precision import Precision
from kuzushiji.engine.processes import rank, share_of_batch, world_size
from kuzushiji.engine.progress import Metrics, Progress, StepOutput


@dataclass(frozen=True)
class Training:
    """A training run.

    Attributes:
        stage: Its name, such as `segment.train`; kept in the checkpoints.
        folder: Where the outputs go.
        parameters: All that changes the result, as JSON values (`options.parameters(config)`); kept in the
            checkpoints, for `checkpoint.may_go_on`.
        meta: Plain values kept in the checkpoints, enough to rebuild the model: its config, vocabulary codes.
        model: On its device, as `assembly.assemble` returns it. Its `train()` is called before each epoch: a model
            with frozen norms overrides that.
        optimizer: Of the model's parameters (`optim.build_optimizer`), from there too.
        factor: Learning rate factor of an update's number (`schedule.build_factor`).
        loader: Training batches, of `sampler` and with `drop_last` (`loader.build_loader`).
        sampler: Order of the samples.
        step: Computes the loss of one batch; is called under autocast, moves the batch to the device itself.
        epochs: Number of epochs (passes of the sampler, which may repeat the samples).
        evaluate: Model in eval mode -> metrics, under `no_grad`; enters `precision.autocast()` itself. None: no
            evaluation, and the last epoch counts as the best.
        key_metric: The metric by which the best epoch is chosen; higher is better.
        evaluate_every: Evaluate after so many epochs, and after the last.
        accumulation_steps: Batches that make one update.
        max_grad_norm: Clip the gradients' norm to this; None: no clipping.
        kept: Returns what is evaluated and kept of the trained model; None: the model itself.
        ema_decay: Average the weights with this decay, evaluate and keep the average; None: no average.
        precision: Number format of the forward pass.
        log_every: Updates between two lines of the events, and between two reads of the losses: they stay on the
            device until then, so a non-finite loss stops the run only then.
        tensorboard: Whether the events are written for TensorBoard too.
        fresh: Start from the beginning even if there is a checkpoint.
        inputs: Digests of what is trained on, kept in the checkpoints.
    """

    stage: str
    folder: Path
    parameters: Mapping[str, Any]
    meta: Mapping[str, Any]
    model: nn.Module
    optimizer: torch.optim.Optimizer
    factor: Factor
    loader: DataLoader[Any]
    sampler: EpochSampler
    step: Callable[[Any], StepOutput]
    epochs: int
    evaluate: Callable[[nn.Module], Metrics] | None = None
    key_metric: str = "f1"
    evaluate_every: int = 1
    accumulation_steps: int = 1
    max_grad_norm: float | None = None
    ema_decay: float | None = None
    kept: Callable[[nn.Module], nn.Module] | None = None
    precision: Precision = field(default_factory=lambda: Precision(torch.device("cpu")))
    log_every: int = 10
    tensorboard: bool = False
    fresh: bool = False
    inputs: Mapping[str, str] = field(default_factory=dict)

    def meta_at(self, progress: Progress) -> dict[str, Any]:
        """Return the plain values that a checkpoint contains besides its parts."""
        return {
            **self.meta,
            "stage": self.stage,
            "parameters": dict(self.parameters),
            "inputs": dict(self.inputs),
            "epoch": progress.last_epoch,
            "metrics": progress.last,
        }


def build_training(
    options: Any,
    model: nn.Module,
    precision: Precision,
    samples: Dataset[Any],
    *,
    collate: Callable[[list[Any]], Any],
    repeat: int,
    step: Callable[[nn.Module], Callable[[Any], StepOutput]],
    needs_whole_batch: bool = True,
    **further: Any,
) -> Training:
    """Return the run that the options of `kuzushiji.training_options` describe: batches, optimizer, schedule.

    Args:
        options: The config.
        model: On its device.
        precision: Number format.
        samples: To train on.
        collate: List of samples -> batch.
        repeat: Passes over the samples in an epoch.
        step: Returns `Training.step` of the model as it trains.
        needs_whole_batch: Whether fewer samples than a batch are refused.
        further: The other attributes of `Training`.
    """
    sampler = EpochSampler(len(samples), options.seed, repeat=repeat, rank=rank(), world=world_size())  # type: ignore[arg-type]
    batch_size = share_of_batch(options.batch_size)
    loader = build_loader(
        samples, batch_size, sampler=sampler, collate=collate, workers=options.workers, device=precision.device,
        drop_last=needs_whole_batch or len(sampler) >= batch_size,
    )  # fmt: skip
    optimizer = build_optimizer(
        model.parameters(), options.optimizer, options.lr, momentum=options.momentum, weight_decay=options.wd
    )
    network, optimizer = assemble(model, optimizer, precision, compiled=options.compile)
    return Training(
        folder=options.output_dir,
        model=network,
        optimizer=optimizer,
        factor=factor_of(options, len(loader)),
        loader=loader,
        sampler=sampler,
        step=step(network),
        epochs=options.epochs,
        evaluate_every=options.evaluate_every,
        accumulation_steps=options.accumulation_steps,
        max_grad_norm=options.clip_grad or None,
        ema_decay=options.ema or None,
        precision=precision,
        tensorboard=options.tensorboard,
        fresh=options.force,
        **further,
    )
