"""Where a run is."""

import pytest

from kuzushiji.engine.progress import Progress


def test_means_count_by_targets():
    progress = Progress()
    assert progress.means() == {}
    progress.count({"loss": 1.0, "accuracy": 0.5}, 1)
    progress.count({"loss": 3.0, "accuracy": 1.0}, 3)
    assert progress.means() == {"loss": 2.5, "accuracy": 0.875}
    progress.next_epoch()
    assert (progress.epoch, progress.batches, progress.means()) == (1, 0, {})


def test_batches_without_targets_have_no_mean():
    progress = Progress()
    progress.count({"loss": 0.0}, 0)
    assert progress.means() == {}


@pytest.mark.parametrize(
    ("values", "better"),
    [
        ([0.5, 0.6, 0.6, 0.4], [True, True, False, False]),
        ([0.0, 0.0], [True, False]),
        ([float("nan"), 0.1, float("nan")], [True, True, False]),
    ],
)
def test_rate(values, better):
    progress = Progress()
    found = []
    for value in values:
        found.append(progress.rate({"f1": value}, "f1"))
        progress.next_epoch()
    assert found == better
    assert progress.best_epoch == max(epoch for epoch, is_better in enumerate(better) if is_better)


def test_state_round_trip():
    progress = Progress(epoch=3, batches=2, updates=7)
    progress.count({"loss": 1.0}, 2)
    other = Progress()
    other.load_state_dict(progress.state_dict())
    assert other == progress
