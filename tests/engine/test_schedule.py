"""Learning rates are functions of the step."""

import pytest
import torch

from kuzushiji.engine.optim import LRSchedule, build_factor, cosine, multistep, updates_per_epoch, warmup


@pytest.mark.parametrize(
    ("batches", "accumulation_steps", "updates"),
    [
        (6, 1, 6),
        (6, 3, 2),
        (6, 4, 2),  # groups of 4 and 2
        (0, 4, 0),
    ],
)
def test_updates_per_epoch(batches, accumulation_steps, updates):
    assert updates_per_epoch(batches, accumulation_steps) == updates


@pytest.mark.parametrize(
    ("factor", "expected"),
    [
        (cosine(0, 100), 1),
        (cosine(50, 100), 0.5),
        (cosine(100, 100), 0),
        (cosine(101, 100), 0),  # does not climb again
        (cosine(0, 0), 1),  # an empty run
        (multistep(9, (10, 20), 0.1), 1),
        (multistep(10, (10, 20), 0.1), 0.1),  # the milestone itself has the lower rate
        (multistep(25, (10, 20), 0.1), 0.01),
        (multistep(5, ()), 1),
        (warmup(0, 1000), 0.001),  # never 0: the first update counts
        (warmup(500, 1000), 0.5005),
        (warmup(1000, 1000), 1),
        (warmup(10**6, 1000), 1),
        (warmup(0, 0), 1),  # no warm-up
    ],
)
def test_factors(factor, expected):
    assert factor == pytest.approx(expected)


def test_the_recipe_of_the_detector():
    """45 epochs of 100 updates, a tenth from epoch 35, warmed up over 1000 updates: over ten epochs, once."""
    factor = build_factor(4500, milestones=(3500,), gamma=0.1, warmup_steps=1000)
    assert [round(factor(step), 4) for step in (0, 500, 999, 1000, 3499, 3500, 4499)] == [
        0.001, 0.5005, 0.999, 1, 1, 0.1, 0.1,
    ]  # fmt: skip


def test_a_cosine_by_epoch_is_the_reference_s_and_stays_within_an_epoch():
    factor = build_factor(30, use_cosine=True, cosine_step=10)
    assert [factor(step) for step in (0, 9, 10, 19, 29)] == [1, 1, cosine(1, 3), cosine(1, 3), cosine(2, 3)]


def test_cosine_takes_no_milestones_and_a_warm_up():
    factor = build_factor(100, use_cosine=True, milestones=(10,), warmup_steps=10)
    assert factor(10) == cosine(10, 100)
    assert factor(5) == pytest.approx(cosine(5, 100) * 0.5005)


def test_a_warm_up_longer_than_the_run_is_cut():
    factor = build_factor(5, warmup_steps=1000)
    assert factor(4) == 1
    assert factor(2) == pytest.approx(0.5005)
    assert build_factor(1, warmup_steps=1000)(0) == 1


def test_schedule_sets_all_groups_from_what_they_were():
    a, b = torch.nn.Parameter(torch.zeros(1)), torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([{"params": [a], "lr": 1.0}, {"params": [b], "lr": 0.5}])
    schedule = LRSchedule(optimizer, lambda step: 1 / (step + 1))
    for step in (3, 0, 1, 1):  # in any order, any number of times: no hidden state
        schedule.set_step(step)
        assert [group["lr"] for group in optimizer.param_groups] == [1 / (step + 1), 0.5 / (step + 1)]
    assert schedule.rate == 0.5


def test_schedule_survives_a_restart():
    def make():
        parameter = torch.nn.Parameter(torch.zeros(1))
        optimizer = torch.optim.SGD([parameter], lr=0.8)
        return optimizer, LRSchedule(optimizer, lambda step: 0.5**step)

    optimizer, schedule = make()
    schedule.set_step(3)
    other, again = make()
    other.load_state_dict(optimizer.state_dict())
    again.set_step(1)
    assert again.rate == pytest.approx(0.4)
