"""Random changes of a crop's colours."""

import os
import random
from typing import Any

import numpy as np

from kuzushiji.imaging.window import Image

_MAX_SEED = 1 << 31


class ColourAugmentation:
    """Random shifts of hue, saturation and value, of brightness and contrast, and of gamma; each half of the time.

    Args:
        hue: Largest shift, on OpenCV's 8-bit scale; 0 for none, as the other two.
        saturation: Largest shift.
        value: Largest shift.
    """

    def __init__(self, hue: int, saturation: int, value: int) -> None:
        # On import the library would ask a server for a newer version of itself.
        os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
        import albumentations

        self._transforms: list[Any] = [
            albumentations.HueSaturationValue(
                hue_shift_limit=hue, sat_shift_limit=saturation, val_shift_limit=value, p=0.5
            ),
            albumentations.RandomBrightnessContrast(p=0.5),
            albumentations.RandomGamma(p=0.5),
        ]
        self._compose = albumentations.Compose(self._transforms)

    @classmethod
    def of(cls, hue: int, saturation: int, value: int) -> "ColourAugmentation | None":
        """Return the change with these largest shifts; None, no change at all, where all three are 0."""
        return cls(hue, saturation, value) if hue or saturation or value else None

    def __call__(self, image: Image, rng: np.random.Generator) -> Image:
        """Return the image (h, w, 3) in other colours; what is done depends on the state of `rng` alone."""
        # Compose.set_random_seed would give all transforms the same seed, so that all happen or none.
        python = random.Random(int(rng.integers(_MAX_SEED)))
        for transform in self._transforms:
            transform.set_random_state(rng, python)
        result: Image = self._compose(image=image)["image"]
        return result
