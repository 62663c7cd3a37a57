"""Pages from which trees learn to choose among boxes."""

import numpy as np

from kuzushiji.segment.selection import LabelledBoxes, Rule, Selection, train_selection

WIDTH, HEIGHT = 600, 900


def page_of(seed: int) -> LabelledBoxes:
    """Return three columns of characters, of which a third have low scores, and boxes between the columns."""
    rng = np.random.default_rng(seed)
    true = np.array([[100 + 150 * column, 50 + 60 * row, 40, 50] for column in range(3) for row in range(13)])
    score = np.where(rng.random(len(true)) < 0.33, 0.1, 0.9)
    false = np.array([[180 + 150 * column, 60 + 110 * row, 30, 20] for column in range(2) for row in range(6)])
    halves = true[::4] + [0, 0, 0, -25]  # the upper half of a character, with the higher score
    boxes = np.concatenate([true, false, halves])
    scores = np.concatenate([score, np.full(len(false), 0.15), np.full(len(halves), 0.3)])
    return LabelledBoxes(boxes + rng.integers(-3, 4, boxes.shape), scores, WIDTH, HEIGHT, true)


def selection_of(rule: Rule | None = None) -> Selection:
    """Return trees that learned from twelve such pages."""
    return train_selection([page_of(seed) for seed in range(12)], rule or Rule())
