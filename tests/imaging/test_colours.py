"""Changes of colours depend on the generator alone, and happen independently of each other."""

import numpy as np
import pytest

from kuzushiji.imaging.colours import ColourAugmentation


def test_colours_depend_on_the_generator_alone() -> None:
    image = np.random.default_rng(0).integers(0, 256, (24, 32, 3)).astype(np.uint8)
    change = ColourAugmentation(7, 10, 10)
    first = [change(image, np.random.default_rng(seed)) for seed in range(8)]
    again = [ColourAugmentation(7, 10, 10)(image, np.random.default_rng(seed)) for seed in reversed(range(8))]
    assert all((a == b).all() for a, b in zip(first, reversed(again), strict=True))
    assert len({result.tobytes() for result in first}) > 4


def test_the_three_changes_happen_independently(monkeypatch: pytest.MonkeyPatch) -> None:
    """One seed for all of them would make all happen, or none."""
    image = np.full((8, 8, 3), (90, 120, 150), dtype=np.uint8)
    change = ColourAugmentation(7, 10, 10)
    happened: set[int] = set()
    for number, transform in enumerate(change._transforms):

        def apply(params: object, number: int = number, **data: object) -> dict[str, object]:
            happened.add(number)
            return data

        monkeypatch.setattr(transform, "apply_with_params", apply)
    seen = set()
    for seed in range(60):
        happened.clear()
        change(image, np.random.default_rng(seed))
        seen.add(frozenset(happened))
    assert len(seen) == 8


@pytest.mark.parametrize(("shifts", "changes"), [((0, 0, 0), False), ((7, 0, 0), True), ((0, 0, 10), True)])
def test_no_change_where_all_shifts_are_0(shifts: tuple[int, int, int], changes: bool) -> None:
    assert (ColourAugmentation.of(*shifts) is not None) is changes
