"""Probabilities and whether they mean what they say."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

N_BINS = 15
"""As in Guo et al. 2017, "On Calibration of Modern Neural Networks", where the measure is from."""


@dataclass(frozen=True)
class Calibration:
    """How often predictions of about the same probability are right.

    Attributes:
        error: Expected calibration error: mean over predictions of |share that is right - mean probability| of the
            bin, 0 to 1; 0 without predictions.
        count: (bins,) predictions in each bin of equal width from 0 to 1.
        probability: (bins,) their mean probability, NaN where there are none.
        right: (bins,) share that is right, NaN where there are none.
    """

    error: float
    count: NDArray[np.int64]
    probability: NDArray[np.float64]
    right: NDArray[np.float64]

    def as_dict(self) -> dict[str, object]:
        """Return JSON values; bins without predictions have none."""
        bins = [
            {"count": int(count), "probability": round(float(p), 4), "right": round(float(r), 4)}
            for count, p, r in zip(self.count, self.probability, self.right, strict=True)
            if count
        ]
        return {"expected_calibration_error": round(self.error, 5), "bins": bins}


def calibration(probability: NDArray[np.floating], right: NDArray[np.bool_], n_bins: int = N_BINS) -> Calibration:
    """Return the calibration of predictions with these probabilities (n,), of which some are right (n,)."""
    bins = np.clip((probability * n_bins).astype(np.int64), 0, n_bins - 1)
    count = np.bincount(bins, minlength=n_bins)
    sums = [np.bincount(bins, weights=values, minlength=n_bins) for values in (probability, right)]
    mean = [np.divide(total, count, out=np.full(n_bins, np.nan), where=count > 0) for total in sums]
    gaps = np.abs(sums[0] - sums[1])
    error = float(gaps.sum() / len(probability)) if len(probability) else 0.0
    return Calibration(error, count, *mean)


def softmax(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the softmax over the classes that a table keeps of a box, the best first: (n, k)."""
    powers = _powers(logits)
    probabilities: NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
    return probabilities


def best_probability(logits: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return the first column of `softmax`; 1 for a single class."""
    total: NDArray[np.float64] = _powers(logits).sum(axis=1)
    return (1 / total).astype(np.float32)


def _powers(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the exponentials (n, k), 1 for the first, which is the largest."""
    values = logits.astype(np.float64)
    return np.exp(values - values[:, :1])
