"""One process needs nobody; what torchrun says of several. They meet in `tests/test_torchrun.py`."""

import subprocess
import sys

import pytest
import torch

from kuzushiji.engine import processes
from kuzushiji.engine.device import resolve_device
from kuzushiji.engine.weights import pretrained_or_explain
from kuzushiji.errors import InputError


@pytest.fixture
def torchrun(monkeypatch):
    """Say that this is process 5 of 8, the second of four on its machine."""
    for name, value in {"WORLD_SIZE": 8, "RANK": 5, "LOCAL_RANK": 1, "LOCAL_WORLD_SIZE": 4}.items():
        monkeypatch.setenv(name, str(value))


def test_one_process():
    assert (processes.world_size(), processes.rank(), processes.local_rank(), processes.local_world_size()) == (
        1,
        0,
        0,
        1,
    )
    assert processes.is_main()
    assert list(processes.own_share(3)) == [0, 1, 2]
    assert processes.share_of_batch(7) == 7
    assert processes.gathered("a") == ["a"]
    assert processes.on_main(lambda: 5) == 5
    with processes.processes(pytest.fail):  # is not asked
        pass


@pytest.mark.parametrize("meet", [lambda: processes.on_main(lambda: 1), lambda: processes.gathered(1)])
def test_who_is_alone_meets_nobody(meet):
    """With several processes the others would take the answer of the inner call for that of the outer."""
    with pytest.raises(RuntimeError, match="got the main one alone"):
        processes.on_main(meet)
    assert processes.on_main(lambda: 5) == 5


def test_one_of_several(torchrun):
    assert (processes.world_size(), processes.rank(), processes.local_rank(), processes.local_world_size()) == (
        8,
        5,
        1,
        4,
    )
    assert not processes.is_main()
    assert list(processes.own_share(20)) == [5, 13]
    assert list(processes.own_share(3)) == []
    assert processes.share_of_batch(16) == 2


@pytest.mark.parametrize(
    ("local_rank", "fails", "order"),
    [
        (0, False, ["done", "met"]),  # the others wait
        (1, False, ["met", "done"]),
        (0, True, ["done", "met"]),  # nobody waits for ever for one that has failed
    ],
)
def test_the_first_of_a_machine_goes_first(torchrun, monkeypatch, local_rank, fails, order):
    done: list[str] = []
    monkeypatch.setenv("LOCAL_RANK", str(local_rank))
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "barrier", lambda: done.append("met"))

    def load():
        done.append("done")
        if fails:
            raise OSError("no network")
        return 5

    if fails:
        with pytest.raises(InputError, match="weights resnet18: expected them in the cache or on the network"):
            pretrained_or_explain(load, "resnet18")
    else:
        assert pretrained_or_explain(load, "resnet18") == 5
    assert done == order


@pytest.mark.parametrize("n", [0, 1, 7, 8, 9, 100])
def test_every_item_belongs_to_one_process(monkeypatch, n):
    monkeypatch.setenv("WORLD_SIZE", "3")
    shares = []
    for rank in range(3):
        monkeypatch.setenv("RANK", str(rank))
        shares += processes.own_share(n)
    assert sorted(shares) == list(range(n))


@pytest.mark.parametrize("batch_size", [4, 12])
def test_a_batch_that_cannot_be_divided(torchrun, batch_size):
    with pytest.raises(InputError, match=f"--batch-size {batch_size}: .* a multiple of their number, got 8 processes"):
        processes.share_of_batch(batch_size)


@pytest.fixture
def gpus(monkeypatch):
    def have(count: int) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
        monkeypatch.setattr(torch.cuda, "set_device", lambda device: None)

    return have


def test_each_process_has_its_gpu(torchrun, gpus):
    gpus(4)
    assert resolve_device("auto") == resolve_device("cuda") == torch.device("cuda", 1)


@pytest.mark.parametrize(
    ("name", "count", "message"),
    [
        ("auto", 2, "torchrun: expected at most one process a GPU, --nproc_per_node 2 here, got 4"),
        ("cuda:1", 4, "--device cuda:1: with several processes each has its own GPU, expected cuda or auto"),
    ],
)
def test_processes_that_do_not_fit_the_machine(torchrun, gpus, name, count, message):
    gpus(count)
    with pytest.raises(InputError, match=message):
        resolve_device(name)


def test_asking_needs_no_torch():
    code = "import sys, kuzushiji.engine.processes as p; p.share_of_batch(4); print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
