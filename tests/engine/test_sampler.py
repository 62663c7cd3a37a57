"""Every sample once a pass, in an order that depends on seed and epoch alone."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from kuzushiji.engine.loader import EpochSampler, SampleKey, generator_of


def keys(sampler: EpochSampler, epoch: int = 0, skip: int = 0) -> list[SampleKey]:
    sampler.set_epoch(epoch, skip)
    result = list(sampler)
    assert len(result) == len(sampler)
    return result


@pytest.mark.parametrize("repeat", [1, 3])
def test_every_sample_once_a_pass(repeat):
    found = keys(EpochSampler(7, 1, repeat=repeat), epoch=4)
    assert Counter(key.sample for key in found) == dict.fromkeys(range(7), repeat)
    assert [key.draw for key in found] == [draw for draw in range(repeat) for _ in range(7)]
    assert {key.epoch for key in found} == {4}
    assert len(set(found)) == 7 * repeat  # so that no augmentation comes twice


def test_passes_epochs_and_seeds_have_orders_of_their_own():
    orders = [
        [key.sample for key in keys(EpochSampler(50, seed, repeat=2), epoch)] for seed in (1, 2) for epoch in (0, 1)
    ]
    halves = [tuple(order[i : i + 50]) for order in orders for i in (0, 50)]
    assert len(set(halves)) == 8
    assert orders[0] == [key.sample for key in keys(EpochSampler(50, 1, repeat=2), 0)]


@pytest.mark.parametrize("skip", [0, 1, 5, 14])
def test_fault_5_what_is_done_is_skipped_and_nothing_else(skip):
    sampler = EpochSampler(7, 1, repeat=2)
    assert keys(sampler, 3, skip) == keys(sampler, 3)[skip:]


@pytest.mark.parametrize("world", [1, 2, 3])
def test_processes_share_the_samples_of_each_global_batch(world):
    """With 12 samples in global batches of 6: the first batches of all processes together are always the same."""
    parts = [keys(EpochSampler(12, 1, rank=rank, world=world)) for rank in range(world)]
    size = 6 // world
    for start in range(0, 12 // world, size):
        batch = {key for part in parts for key in part[start : start + size]}
        whole = keys(EpochSampler(12, 1))
        assert batch == set(whole[start * world : start * world + 6])


def test_processes_get_equally_many_and_nothing_twice():
    parts = [keys(EpochSampler(11, 1, rank=rank, world=3)) for rank in range(3)]
    assert [len(part) for part in parts] == [3, 3, 3]
    assert len({key for part in parts for key in part}) == 9


def test_no_samples():
    assert keys(EpochSampler(0, 1)) == []


@pytest.mark.parametrize(("rank", "world"), [(2, 2), (-1, 2), (0, 0)])
def test_refuses_a_rank_that_does_not_fit(rank, world):
    with pytest.raises(ValueError, match="rank"):
        EpochSampler(3, 1, rank=rank, world=world)


def test_generators_depend_on_seed_and_key_alone():
    base = (1, SampleKey(2, 3, 4))
    others = [(0, base[1]), *((1, base[1]._replace(**{name: 9})) for name in SampleKey._fields)]
    draws = [generator_of(*case).random() for case in (base, *others)]
    assert len(set(draws)) == len(draws)
    assert generator_of(*base).random() == draws[0]


def test_drawing_keys_leaves_the_global_generators_alone():
    np.random.seed(0)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    keys(EpochSampler(10, 1))
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002
    assert all(a != b for a, b in pairwise(keys(EpochSampler(10, 1))))
