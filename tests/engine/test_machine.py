"""The machine of a run: what the options say holds for the whole process."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from kuzushiji.engine.machine import set_up, use_threads
from kuzushiji.errors import InputError
from kuzushiji.training_options import TrainingOptions

OPTIONS = TrainingOptions(output_dir=Path("run"), device="cpu", seed=3)


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    threads, of_pictures, benchmark = torch.get_num_threads(), cv2.getNumThreads(), torch.backends.cudnn.benchmark
    yield
    torch.set_num_threads(threads)
    cv2.setNumThreads(of_pictures)
    torch.backends.cudnn.benchmark = benchmark


def test_the_seed_holds_for_all_generators() -> None:
    drawn = []
    for _ in range(2):
        set_up(OPTIONS)
        drawn.append((torch.rand(1).item(), np.random.random()))  # noqa: NPY002
    assert drawn[0] == drawn[1]


def test_threads() -> None:
    use_threads(1)
    assert (torch.get_num_threads(), cv2.getNumThreads()) == (1, 1)
    use_threads(0)  # as it is
    assert torch.get_num_threads() == 1
    set_up(replace(OPTIONS, threads=2))
    assert torch.get_num_threads() == 2


@pytest.mark.parametrize(
    ("benchmark", "training", "expected"), [(True, True, True), (False, True, False), (True, False, False)]
)
def test_benchmark_belongs_to_training(benchmark: bool, training: bool, expected: bool) -> None:
    set_up(replace(OPTIONS, benchmark=benchmark), training=training)
    assert torch.backends.cudnn.benchmark is expected


@pytest.mark.parametrize(
    ("level", "training", "dtype"),
    [
        ("O0", True, torch.float32),
        ("O1", True, torch.bfloat16),
        ("O1", False, torch.bfloat16),
        ("O2", False, torch.bfloat16),  # a model that was trained by apex is applied without it
    ],
)
def test_number_format(level: str, training: bool, dtype: torch.dtype) -> None:
    assert set_up(replace(OPTIONS, opt_level=level), training=training).dtype == dtype


def test_what_the_device_lacks() -> None:
    with pytest.raises(InputError, match="--amp-backend apex: expected a CUDA device"):
        set_up(replace(OPTIONS, opt_level="O2", amp_backend="apex"), training=True)
