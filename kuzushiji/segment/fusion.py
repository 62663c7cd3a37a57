"""The rule by which the boxes of several detectors become one set; `fusing` applies it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Fusion:
    """The rule, of `kuzushiji.segment.fuse` and of an exported folder.

    Attributes:
        min_votes: Detectors that must have found a box; 0: more than half of them.
        iou_threshold: Boxes with a greater IoU are the same.
        score_threshold: Least mean score of a box over all detectors, those that lack it counted as 0.
        nms_threshold: Of two fused boxes with a greater IoU only the better stays; 1: both.
    """

    min_votes: int = 0
    iou_threshold: float = 0.55
    score_threshold: float = 0.0
    nms_threshold: float = 1.0

    def votes(self, n_detectors: int) -> int:
        """Return the least number of detectors, at most all of them."""
        return min(self.min_votes or n_detectors // 2 + 1, n_detectors)
