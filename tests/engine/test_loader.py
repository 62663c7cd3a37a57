"""Batches in order, with any number of workers, without touching the global generator."""

import os
import signal
import subprocess
import sys
import time

import pytest
import torch

from kuzushiji.engine.loader import EpochSampler, build_loader
from kuzushiji.errors import InputError


class Squares(torch.utils.data.Dataset):
    def __len__(self):
        return 5

    def __getitem__(self, index):
        return index**2


@pytest.mark.parametrize("workers", [0, 2])
def test_order_and_the_last_batch(workers):
    loader = build_loader(Squares(), 2, workers=workers)
    assert [batch.tolist() for batch in loader] == [[0, 1], [4, 9], [16]]
    assert [batch.tolist() for batch in build_loader(Squares(), 2, workers=workers, drop_last=True)] == [[0, 1], [4, 9]]


def test_collate():
    assert list(build_loader(Squares(), 3, collate=sum)) == [5, 25]


def test_iterating_leaves_the_global_generator_alone():
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    list(build_loader(Squares(), 2))
    torch.testing.assert_close(torch.rand(3), expected)


def test_a_sampler_that_skips_makes_an_epoch_shorter():
    sampler = EpochSampler(6, 0)

    class Keys(torch.utils.data.Dataset):
        def __getitem__(self, key):
            return key.sample

    loader = build_loader(Keys(), 2, sampler=sampler, collate=list)
    whole = list(loader)
    sampler.set_epoch(0, skip=2)
    assert list(loader) == whole[1:]


PARENT = """
import os, sys, time
import numpy as np, torch
from kuzushiji.engine.loader import build_loader

class Pictures(torch.utils.data.Dataset):
    def __len__(self):
        return 1000

    def __getitem__(self, index):
        os.write(1, f"{{os.getpid()}}\\n".encode())
        {sample}

if __name__ == "__main__":
    for _ in build_loader(Pictures(), 1, collate=list, workers=2):
        time.sleep(600)
"""


def is_alive(pid):
    """Return whether a process runs; one that has ended and waits for its parent does not."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="processes are looked up in /proc")
@pytest.mark.parametrize(
    "sample",
    [
        "return torch.zeros(10)",  # waits for the next question
        "return np.zeros(1 << 22, np.uint8)",  # in the middle of handing over more than a pipe holds
        "time.sleep(600) if index > 1 else None; return 0",  # busy
    ],
)
def test_workers_end_when_their_parent_is_killed(sample, tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(PARENT.format(sample=sample))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    parent = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True, env=environment)
    try:
        workers = {int(parent.stdout.readline()) for _ in range(4)}
    finally:
        parent.kill()
    assert len(workers) == 2
    parent.wait(timeout=30)
    deadline = time.monotonic() + 30
    while any(map(is_alive, workers)) and time.monotonic() < deadline:
        time.sleep(0.1)
    left = [pid for pid in workers if is_alive(pid)]
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert not left


def test_a_batch_that_cannot_be_handed_over_ends_the_loader():
    """As when there is no shared memory left for it; the parent waited for ever."""

    class Unpicklable(torch.utils.data.Dataset):
        def __len__(self):
            return 3

        def __getitem__(self, index):
            return lambda: index

    with pytest.raises(InputError, match="a worker of the data loader ended"):
        list(build_loader(Unpicklable(), 1, collate=list, workers=1))


@pytest.mark.parametrize(("device", "pinned"), [("cuda", True), ("cpu", False), (None, False)])
def test_memory_is_pinned_for_gpus(device, pinned):
    """A GPU copies from pinned memory by itself, while the next step is computed."""
    loader = build_loader(Squares(), 2, device=None if device is None else torch.device(device))
    assert loader.pin_memory is pinned


@pytest.mark.parametrize("workers", [0, 2])
def test_workers_live_on_from_epoch_to_epoch(workers):
    loader = build_loader(Squares(), 2, workers=workers)
    assert loader.persistent_workers is (workers > 0)


@pytest.mark.parametrize(
    ("words", "meaning"),
    [
        ("DataLoader worker (pid 7) is killed by signal: Killed.", "lower --workers"),
        ("Pin memory thread exited unexpectedly", "the thread that copies batches for the GPU ended"),
        ("Caught RuntimeError in pin memory thread for device 0.\nCUDA error: out of memory", "ulimit -l"),
        ("Too many open files. Communication with the workers is no longer possible.", "ulimit -n"),
    ],
)
def test_what_ends_a_loader_is_one_line(words, meaning):
    class Failing(torch.utils.data.Dataset):
        def __len__(self):
            return 3

        def __getitem__(self, index):
            raise RuntimeError(words)

    with pytest.raises(InputError, match=meaning) as caught:
        list(build_loader(Failing(), 1))
    assert "\n" not in str(caught.value)
    with pytest.raises(RuntimeError, match="inconsistent tensor size"):
        list(build_loader(Squares(), 2, collate=lambda _: torch.zeros(2) @ torch.zeros(3), workers=1))


@pytest.mark.skipif(sys.platform == "darwin", reason="fork is not safe there")
def test_workers_are_forked_whatever_python_s_default_is():
    """Python 3.14 has forkserver, which imports torch in each worker: a local class cannot be sent there either."""
    code = """if __name__ == "__main__":
    import multiprocessing
    multiprocessing.set_start_method("spawn")
    from kuzushiji.engine.loader import build_loader
    class Local(list): pass
    assert list(build_loader(Local([1, 2]), 1, collate=list, workers=1)) == [[1], [2]]
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
