"""How many boxes a batch keeps (`--max-targets`). Knows no torch."""

from kuzushiji.engine.processes import world_size
from kuzushiji.errors import UsageError

MULTIPLE = 32
"""With a limit of boxes, their number in a batch is a multiple of this: few shapes, so that cuDNN's benchmark pays."""


def targets_kept(count: int, max_targets: int) -> int:
    """Return how many of `count` boxes a batch keeps; see `collate.Collate`."""
    if not max_targets:
        return count
    kept = min(count, max_targets)
    return kept // MULTIPLE * MULTIPLE or kept


def share_of_targets(max_targets: int) -> int:
    """Return the limit of this process's part of a batch: it is divided evenly among all processes, 0 stays no limit.

    Raises:
        UsageError: what each would have is no multiple of 32: rounded down, boxes would be lost without a word.
    """
    world = world_size()
    if world > 1 and max_targets % (MULTIPLE * world):
        below = max_targets // (MULTIPLE * world) * MULTIPLE * world
        fits = [str(number) for number in (below, below + MULTIPLE * world) if number]
        raise UsageError(
            f"--max-targets {max_targets}: is divided among all processes, a multiple of {MULTIPLE} for each, "
            f"expected such as {' or '.join(fits)} for {world} processes, or 0 for no limit"
        )
    return max_targets // world
