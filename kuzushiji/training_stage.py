"""The frame of both networks' commands: train on a fold, then predict its held-out pages and the test pages."""

import logging
from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from kuzushiji.content import Input
from kuzushiji.data.paths import DataRoot
from kuzushiji.engine.events import check_installed
from kuzushiji.engine.processes import is_main, on_main, processes, share_of_batch
from kuzushiji.errors import InputError
from kuzushiji.locks import hold
from kuzushiji.options import WEIGHTS
from kuzushiji.run_folder import CHECKPOINT, METRICS, MODEL_BEST, PARAMS, TRAIN_RECORD
from kuzushiji.stage import Command, Facts, Stage, run_parts
from kuzushiji.terminal import print_result
from kuzushiji.training_options import TrainingOptions

logger = logging.getLogger(__name__)


class Part(Stage):
    """A part of the command, with a record of its own in the model's folder.

    Attributes:
        record_name: Name of the record.
        written: Names of the outputs.
        reads_test_pages: Whether its pages are the test pages, and not the training pages.
        root: The data root.
        weights: Of the model that is applied.
    """

    config: Any
    record_name: ClassVar[str]
    written: ClassVar[tuple[str, ...]] = ()
    reads_test_pages: ClassVar[bool] = False

    def __init__(self, config: TrainingOptions, root: DataRoot, weights: Path) -> None:
        super().__init__(config)
        self.root = root
        self.weights = weights

    def record_path(self) -> Path:
        """Return the path of the part's record."""
        path: Path = self.config.output(self.record_name)
        return path

    def inputs(self) -> list[Input]:
        """Return the model and the pages."""
        return [self.weights, *(self.test_pages if self.reads_test_pages else self.training_pages)]

    def outputs(self) -> list[Path]:
        """Return the files of the names in `written`."""
        return [self.config.output(name) for name in self.written]

    @property
    def with_test(self) -> bool:
        """Whether the test pages are read too, if there are any."""
        return predicts_test_pages(self.config, self.root)

    @property
    def training_pages(self) -> list[Input]:
        """The tables and images of the training and held-out pages."""
        return [self.root.train_csv, self.root.train_pages]

    @property
    def test_pages(self) -> list[Input]:
        """The tables and images of the test pages."""
        return [self.root.sample_submission_csv, self.root.test_pages]


class TrainPart(Part):
    """Train, or go on with an interrupted training."""

    record_name = TRAIN_RECORD

    @abstractmethod
    def check_pages(self) -> None:
        """Read the tables of the test pages: what is missing there should not come out after the training."""

    @abstractmethod
    def train(self) -> Facts:
        """Train; return the metrics."""

    def record_path(self) -> Path:
        """Return the path of the record, in any case in the model's folder under its own name."""
        return self.file(self.record_name)

    def parameters(self) -> Mapping[str, Any]:
        """Return the values that decide the weights."""
        values: Mapping[str, Any] = self.config.parameters_of(WEIGHTS)
        return values

    def file(self, name: str) -> Path:
        """Return the path of a file in the model's folder."""
        folder: Path = self.config.output_dir
        return folder / name

    def inputs(self) -> list[Input]:
        """Return the training pages, and the weights that training starts from."""
        start = [path for path in (self.config.weights_file, self.config.resume) if path is not None]
        start += [model.path for model in [self.config.start_model] if model is not None]
        return [*self.training_pages, *start]

    def outputs(self) -> list[Path]:
        """Return the model, its metrics and its parameters."""
        return [self.file(name) for name in (MODEL_BEST, METRICS, PARAMS)]

    def models(self) -> list[Path]:
        """Return the model."""
        return [self.file(MODEL_BEST)]

    def checkpoint(self) -> Path:
        """Return the state of the training."""
        return self.file(CHECKPOINT)

    def check(self) -> None:
        """Check that the training does not replace the weights that it starts from."""
        config = self.config
        if config.resume is not None and config.resume.resolve().is_relative_to(config.output_dir.resolve()):
            raise InputError(
                f"--resume {config.resume}: training from these weights would replace them, expected another "
                "--output-dir; an interrupted run goes on without --resume"
            )

    def run(self) -> Facts:
        """Check what can be known before the training, and train; return the metrics."""
        if self.with_test:
            self.check_pages()
        if self.config.tensorboard:
            check_installed()
        return self.train()


class TrainingCommand(Command):
    """Trains a network on a fold and predicts pages, as far as the command line asks for it."""

    config: Any

    @abstractmethod
    def parts(self, root: DataRoot, weights: Path) -> Mapping[str, Part | None]:
        """Return the parts `train`, `held_out`, `test` and perhaps others, whether asked for or not.

        Args:
            root: The data root.
            weights: Of the model that is applied.
        """

    def check_division(self) -> None:
        """Check that a batch can be divided among the processes.

        Raises:
            InputError: it cannot.
        """
        share_of_batch(self.config.batch_size)

    def parts_asked_for(self, root: DataRoot) -> dict[str, Part]:
        """Return what the command line asks for, of training, held-out pages, test pages and others."""
        config = self.config
        trained: Path = config.output_dir / MODEL_BEST
        parts = self.parts(root, config.resume if config.predicts_only and config.resume else trained)
        left_out = {
            "train": config.predicts_only,
            "held_out": config.submission,
            "test": not predicts_test_pages(config, root),
        }
        return {name: part for name, part in parts.items() if part is not None and not left_out.get(name)}

    def device_type(self) -> str:
        """Return the kind of device that `--device` means.

        Raises:
            InputError: it is not there, or this machine has fewer GPUs than processes.
        """
        from kuzushiji.engine.device import resolve_device

        return resolve_device(self.config.device).type

    def execute(self) -> int:
        """Run the parts that the command line asks for."""
        config, root = self.config, DataRoot.find(self.config.data_root)
        for path in (config.resume, config.weights_file):
            if path is not None and not path.is_file():
                raise InputError(f"{path}: expected a file with weights, got none")
        if config.with_test and not root.has_test_pages:
            logger.warning("%s: there are no test pages, --with-test reads none", root.root)
        if not config.predicts_only:
            self.check_division()
        with hold(config.output_dir), processes(self.device_type):
            results = run_parts(self.parts_asked_for(root), on_main)
            if results and is_main():
                print_result(results, as_json=config.json)
        return 0


def predicts_test_pages(config: TrainingOptions, root: DataRoot) -> bool:
    """Return whether the test pages are predicted: asked for, and after a training if there are any."""
    return config.submission or (config.with_test and root.has_test_pages)
