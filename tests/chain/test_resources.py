"""What the machine has, as far as jobs may use it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from kuzushiji.chain.resources import TARGETS_MULTIPLE, Places, usable_cores, visible_gpus
from kuzushiji.classify.targets import MULTIPLE

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.skipif(not shutil.which("taskset"), reason="taskset is not there")
def test_no_more_cores_than_this_process_may_use() -> None:
    first = str(min(os.sched_getaffinity(0)))
    script = (
        "from pathlib import Path; from kuzushiji.chain.resources import usable_cores; print(usable_cores(Path('/no')))"
    )
    command = ["taskset", "-c", first, sys.executable, "-c", script]
    environment = {**os.environ, "OMP_NUM_THREADS": "7"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.stdout == "1\n"


@pytest.mark.parametrize(
    ("quota", "at_most"), [("max 100000", 10**6), ("50000 100000", 1), ("150000 100000", 2), ("", 10**6)]
)
def test_no_more_cores_than_the_quota_of_the_container(quota: str, at_most: int, tmp_path: Path) -> None:
    (tmp_path / "cpu.max").write_text(quota + "\n")
    assert usable_cores(tmp_path / "cpu.max") == min(at_most, len(os.sched_getaffinity(0)))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("", ()), ("-1", ()), ("NoDevFiles", ("NoDevFiles",)), ("2", ("2",)), ("0, 3", ("0", "3")), ("0,-1,2", ("0",)),
        ("GPU-8932f937,MIG-1", ("GPU-8932f937", "MIG-1")),
    ],
)  # fmt: skip
def test_gpus_that_the_environment_names(given: str, expected: tuple[str, ...]) -> None:
    assert visible_gpus({"CUDA_VISIBLE_DEVICES": given}) == expected


@pytest.mark.parametrize(
    ("output", "code", "expected"),
    [
        ("0\n1\n", 0, ("0", "1")),
        ("", 0, ()),
        ("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.\n", 9, ()),
        ("Failed to initialize NVML: Driver/library version mismatch\n", 18, ()),
        ("No devices were found\n", 0, ()),  # in some versions with exit code 0
        ("0\nUnable to determine the device handle for GPU 0000:41:00.0: Unknown Error\n", 0, ("0",)),
    ],
)
def test_gpus_that_nvidia_smi_counts(
    output: str, code: int, expected: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "said").write_text(output)
    (tmp_path / "nvidia-smi").write_text(f"#!/bin/sh\ncat {tmp_path}/said\nexit {code}\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert visible_gpus({}) == expected


def test_without_nvidia_smi_there_is_no_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert visible_gpus({}) == ()


@pytest.mark.parametrize(("job_gpus", "expected"), [(1, ["a", "b", "c", "a"]), (2, ["a,b", "a,b"]), (3, ["a,b,c"])])
def test_more_places_than_gpus_share_them(job_gpus: int, expected: list[str]) -> None:
    places = Places(8, 1, 8, ("a", "b", "c"), job_gpus)
    assert [places.gpus_of(place) for place in range(len(expected))] == expected


def test_the_boxes_of_a_batch_are_divided_as_the_stage_divides_them() -> None:
    assert TARGETS_MULTIPLE == MULTIPLE
