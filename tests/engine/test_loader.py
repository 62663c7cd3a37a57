"""Batches in order, with any number of workers, without touching the global generator."""

import pytest
import torch

from kuzushiji.engine.loader import build_loader
from kuzushiji.engine.sampler import EpochSampler


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
