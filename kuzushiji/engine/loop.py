"""The training loop: epochs, updates, evaluation, best weights, and going on after any interruption.

A stage describes its run as a `Training` and calls `fit`. What lands in its folder:

- `model_best.pth`: the weights of the best epoch (the averaged ones with EMA) under `model`, and `meta`;
- `checkpoint.pth`: everything that is needed to go on, after each epoch and when a signal stops the run;
- `events.jsonl`: loss and learning rate by step, metrics by epoch; the same in `tensorboard/`, if asked for;
- `metrics.json`: metrics of the last epoch and of the best, side by side.
"""

import logging
import signal
import time
from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import torch
from ignite.engine import Engine, Events
from ignite.handlers import ProgressBar
from torch import nn

from kuzushiji.engine.assembly import able_to_compile, bare_model, gradients_stay, uncompiled
from kuzushiji.engine.checkpoint import load_checkpoint, save_checkpoint
from kuzushiji.engine.device import SMALLER_NETWORK, enough_memory
from kuzushiji.engine.events import EventLog, TensorBoardLog
from kuzushiji.engine.loader import stop_workers
from kuzushiji.engine.machine import RandomState
from kuzushiji.engine.optim import LRSchedule
from kuzushiji.engine.processes import is_main, on_main, world_size
from kuzushiji.engine.progress import Losses, Metrics, Progress, as_text
from kuzushiji.engine.signals import Stopped, StopRequest
from kuzushiji.engine.training_run import Training
from kuzushiji.engine.update import Ema, WeightUpdate
from kuzushiji.errors import InputError
from kuzushiji.files import atomic_write_json
from kuzushiji.run_folder import CHECKPOINT, EVENTS, METRICS, MODEL_BEST
from kuzushiji.terminal import is_watched

logger = logging.getLogger(__name__)

_LESS_MEMORY = "lower --batch-size (and raise --accumulation-steps by as much) or the size of the crops"


def fit(training: Training) -> Progress:
    """Train to the end, resuming from a checkpoint in the folder if there is one; return how far it got.

    Choosing on the reported pages biases the best epoch's metrics, so those of the last one are kept too.
    `checkpoint.may_go_on` checks whether that checkpoint belongs to this run.

    Raises:
        InputError: the checkpoint in the folder is damaged; the loss is not finite; the memory does not suffice; the
            network cannot be compiled; a file cannot be written.
        Stopped: a signal was received; a checkpoint is written, from which the same call resumes.
    """
    with enough_memory(training.stage, SMALLER_NETWORK):
        run = _Run(training)
        run.resume()
    with run.stop:
        try:
            run.train()
        except Stopped as stopped:
            raise run.stopped(stopped) from None
        finally:
            stop_workers(training.loader)
            run.close()
    return run.report()


class _Run:
    """One call of `fit`: the parts of a checkpoint, and what happens at each event of the engine."""

    def __init__(self, training: Training) -> None:
        self.training = training
        self.model = bare_model(training.model)
        self.ema = Ema(self.model, training.ema_decay) if training.ema_decay else None
        self.schedule = LRSchedule(training.optimizer, training.factor)
        self.update = WeightUpdate(training.optimizer, training.precision, training.max_grad_norm)
        self.progress = Progress()
        self.losses = Losses(training.stage, self.progress)
        self.random = RandomState()
        self.events = EventLog(training.folder / EVENTS)
        self.board: TensorBoardLog | None = None
        self.stop = StopRequest()
        self.writes = is_main()
        self.means: Metrics = {}
        self.clock = time.monotonic()
        training.sampler.set_epoch(0)
        self.epoch_length = len(training.loader)
        if not self.epoch_length:
            raise InputError(f"{training.stage}: expected at least one whole batch of training samples, got none")

    # Checkpoints

    def resume(self) -> None:
        """Load the checkpoint of the folder, if there is one and the run does not start from the beginning."""
        path = self.training.folder / CHECKPOINT
        if self.training.fresh:
            on_main(lambda: path.unlink(missing_ok=True))
        if path.exists():
            state = load_checkpoint(path)
            for name, part in self._parts().items():
                part.load_state_dict(state[name])
            logger.info("%s: goes on with epoch %d", path, self.progress.epoch + 1)
        if self.writes:
            self.events.truncate(self.progress.updates)
            if self.training.tensorboard:
                self.board = TensorBoardLog(self.training.folder, self.progress.updates)

    def close(self) -> None:
        """Finish the files that are open."""
        if self.board:
            self.board.close()

    def save(self) -> None:
        """Write the checkpoint, with the random states as they were captured."""
        self._tick()
        if self.writes:
            save_checkpoint(self.training.folder / CHECKPOINT, self._parts(), self.training.meta_at(self.progress))

    def _parts(self) -> dict[str, Any]:
        parts = {
            "model": self.model,
            "optimizer": self.training.optimizer,
            "scaler": self.training.precision.scaler,
            "progress": self.progress,
            "random": self.random,
        }
        return parts | ({"ema": self.ema} if self.ema else {})

    def stopped(self, by: Stopped) -> Stopped:
        """Write a checkpoint, unless an update was incomplete, and return the advice on how to resume."""
        path = self.training.folder / CHECKPOINT
        if by.whole:
            self.save()
        goes_on = by.whole or path.exists()
        how = f"goes on from {path} (epoch {self.progress.epoch + 1})" if goes_on else "starts anew"
        return Stopped(by.signum, f"the same command {how}")

    # Epochs

    def train(self) -> None:
        """Run the epochs that are left."""
        if self.progress.batches == self.epoch_length:  # it was stopped during an evaluation
            self.end_epoch()
        if self.progress.epoch < self.training.epochs:
            engine = self._engine()
            engine.run(self._batches(), max_epochs=self.training.epochs, epoch_length=self.epoch_length)
        self.stop.check()

    def _engine(self) -> Engine:
        engine = Engine(self.train_on)
        engine.logger.setLevel(logging.CRITICAL)  # it would report each exception that is raised on purpose
        engine.add_event_handler(Events.EPOCH_STARTED, lambda: self.training.model.train())
        bar = ProgressBar(desc=self.training.stage, disable=not (self.writes and is_watched()))
        bar.attach(engine, output_transform=self._for_bar)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self.end_batch)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self.end_epoch)
        done = self.progress.epoch * self.epoch_length + self.progress.batches
        engine.load_state_dict(
            {"iteration": done, "epoch_length": self.epoch_length, "max_epochs": self.training.epochs}
        )
        return engine

    def _batches(self) -> Iterator[Any]:
        """Yield the batches of all epochs that are left, the first from where the run was stopped."""
        training, progress = self.training, self.progress
        while progress.epoch < training.epochs:
            skip = progress.batches * (training.loader.batch_size or 1)
            training.sampler.set_epoch(progress.epoch, skip=skip)
            yield from training.loader

    def end_epoch(self) -> None:
        """Evaluate, keep the weights if they are the best, write the checkpoint."""
        training, progress = self.training, self.progress
        self.random.capture()
        best, metrics = self._rate()
        if best and self.writes:
            save_checkpoint(training.folder / MODEL_BEST, {"model": self._model_to_keep()}, training.meta_at(progress))
        self._log_epoch(metrics)
        progress.next_epoch()
        self.random.capture()
        self.save()

    def _rate(self) -> tuple[bool, Metrics]:
        """Evaluate if it is time, and return whether this epoch is the best, and what the evaluation gave."""
        training, progress = self.training, self.progress
        if training.evaluate is None:
            return progress.rate({}, None), {}
        if progress.epoch + 1 < training.epochs and (progress.epoch + 1) % training.evaluate_every:
            return False, {}
        model = self._model_to_keep()
        model.eval()
        memory = enough_memory(f"{training.stage}, evaluation", "lower the size of the pages")
        with self.stop.at_once(), torch.no_grad(), uncompiled(model), memory:
            metrics = {name: float(value) for name, value in training.evaluate(model).items()}
        if training.key_metric not in metrics:
            raise ValueError(f"expected {training.key_metric!r} among the metrics, got {sorted(metrics)}")
        return progress.rate(metrics, training.key_metric), metrics

    def _model_to_keep(self) -> nn.Module:
        model = self.ema.model if self.ema else self.model
        return self.training.kept(model) if self.training.kept else model

    # Batches

    def train_on(self, _engine: Engine, batch: Any) -> Metrics:
        """Train on one batch; return the epoch's means when they were last looked at, for the progress bar."""
        training, progress = self.training, self.progress
        if not self.update.is_open:
            self.schedule.set_step(progress.updates)
        progress.batches += 1
        last = progress.batches % training.accumulation_steps == 0 or progress.batches == self.epoch_length
        try:
            with enough_memory(training.stage, _LESS_MEMORY), able_to_compile(training.stage, self.stop):
                self._add(batch, last)
                if last:
                    self._finish_update()
        except RuntimeError:
            self.losses.check()  # a loss that was not finite before this batch is why
            raise
        return self.means

    def _add(self, batch: Any, last: bool) -> None:
        """Add the gradients of a batch; `last` is that of an update."""
        training = self.training
        with nullcontext() if last else gradients_stay(training.model):
            with training.precision.autocast():
                output = training.step(batch)
            self.losses.add(output, self.progress.updates, self.schedule.rate)
            self.update.add(output.loss, output.weight)

    def _finish_update(self) -> None:
        """Update the weights, and what follows them; the first time that takes memory of its own."""
        self.update.finish()
        self.progress.updates += 1
        if self.ema:
            self.ema.update()

    def end_batch(self, _engine: Engine) -> None:
        """Between two updates, when it is time: look at the losses, log them, stop if that was asked for."""
        progress = self.progress
        if self.update.is_open:
            return
        if progress.updates % self.training.log_every == 0 or progress.batches == self.epoch_length:
            stop = self._read()
            if progress.updates % self.training.log_every == 0:
                self._log("train", self.means)
        else:
            stop = self.stop.signum is not None and world_size() == 1 and self._read()
        if stop:
            self.random.capture()
            raise Stopped(self.stop.signum or signal.SIGTERM)

    def _read(self) -> bool:
        stop = self.losses.read(self.stop.signum is not None)
        self.means = self.progress.means()
        return stop

    # Reports

    def _for_bar(self, means: Metrics) -> Metrics:
        """Return what the progress bar shows: means of this epoch, and the metric of the last evaluation."""
        key = self.training.key_metric
        return means | ({f"last_{key}": self.progress.last[key]} if key in self.progress.last else {})

    def report(self) -> Progress:
        """Write metrics.json and return the progress."""
        if self.writes:
            names = ("last_epoch", "last", "best_epoch", "best", "seconds")
            atomic_write_json(self.training.folder / METRICS, {name: getattr(self.progress, name) for name in names})
        return self.progress

    def _log_epoch(self, metrics: Metrics) -> None:
        training, progress = self.training, self.progress
        self._log("epoch", progress.means(), **{f"valid_{name}": value for name, value in metrics.items()})
        text = as_text(progress.means())
        if metrics:
            text += f"; held out: {as_text(metrics)} (best {progress.best[training.key_metric]:.4f})"
        logger.info("%s: epoch %d of %d: %s", training.stage, progress.epoch + 1, training.epochs, text)

    def _log(self, kind: str, means: Metrics, **further: float) -> None:
        if self.writes:
            progress = self.progress
            position = {"epoch": progress.epoch, "step": progress.updates, "seconds": round(self._tick(), 3)}
            event: dict[str, Any] = {"kind": kind, **position, "lr": self.schedule.rate, **means, **further}
            self.events.append(**event)
            if self.board:
                self.board.append(**event)

    def _tick(self) -> float:
        now = time.monotonic()
        self.progress.seconds += now - self.clock
        self.clock = now
        return self.progress.seconds
