"""How many boxes a batch keeps, in one process and in several."""

from pathlib import Path

import pytest

from kuzushiji.classify.main import main
from kuzushiji.classify.targets import share_of_targets, targets_kept
from kuzushiji.errors import UsageError


@pytest.mark.parametrize(
    ("count", "max_targets", "kept"),
    [
        (300, 256, 256),
        (256, 256, 256),
        (255, 256, 224),  # rounded down to a multiple of 32
        (32, 256, 32),
        (31, 256, 31),  # fewer than 32: all, a batch needs boxes
        (2, 256, 2),
        (300, 0, 300),  # no limit, no rounding
        (300, 100, 96),  # the limit itself need not be a multiple
        (300, 20, 20),
    ],
)
def test_targets_kept(count: int, max_targets: int, kept: int) -> None:
    assert targets_kept(count, max_targets) == kept


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> int:
    """Say that this is the first of so many processes."""
    monkeypatch.setenv("WORLD_SIZE", str(request.param))
    monkeypatch.setenv("RANK", "0")
    return int(request.param)


@pytest.mark.parametrize(
    ("max_targets", "world", "share"),
    [(384, 1, 384), (100, 1, 100), (384, 4, 96), (256, 8, 32), (0, 8, 0), (512, 8, 64)],
    indirect=["world"],
)
def test_the_share_of_a_process(max_targets: int, world: int, share: int) -> None:
    assert share_of_targets(max_targets) == share
    assert targets_kept(1000, share) * world == targets_kept(1000, max_targets) or max_targets == 0


@pytest.mark.parametrize(
    ("max_targets", "world", "fits"),
    [
        (384, 8, "256 or 512"),  # 48 each, of which 32 would be left: a third of the boxes lost
        (5, 8, "256"),  # none each, which would mean all
        (100, 2, "64 or 128"),
    ],
    indirect=["world"],
)
def test_boxes_that_the_processes_cannot_divide(
    tiny_root: Path, tmp_path: Path, max_targets: int, world: int, fits: str
) -> None:
    words = [str(tiny_root / "train.csv"), "--output-dir", str(tmp_path / "run"), "--data-root", str(tiny_root)]
    expected = f"--max-targets {max_targets}: is divided .* such as {fits} for {world} processes"
    with pytest.raises(UsageError, match=expected):
        main([*words, "--batch-size", "8", "--max-targets", str(max_targets)])
    assert not (tmp_path / "run").exists()
