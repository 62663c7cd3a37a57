"""How far a share may be off that comes from few observations."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Z = 1.96
"""Of the normal distribution, for 95 %."""


def wilson(share: ArrayLike, n: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the lower and upper ends of Wilson's 95 % interval (Wilson 1927, "Probable inference").

    For F1 it is an approximation: F1 is taken as a share of the mean of true and read characters.

    Args:
        share: (k,) shares, 0 to 1.
        n: (k,) observations of each; 0 gives the interval from 0 to 1.
    """
    p, count = np.asarray(share, np.float64), np.maximum(np.asarray(n, np.float64), 1e-9)
    middle = p + Z**2 / (2 * count)
    half = Z * np.sqrt(p * (1 - p) / count + Z**2 / (4 * count**2))
    scale = 1 + Z**2 / count
    return np.clip((middle - half) / scale, 0, 1), np.clip((middle + half) / scale, 0, 1)
