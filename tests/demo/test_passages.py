import numpy as np

from kuzushiji.data.strokes import known_characters
from kuzushiji.demo.text import passage, words


def test_passages_are_of_words_that_can_be_drawn_and_leave_no_slot_open() -> None:
    written = "".join(words())
    assert set(written) <= set(known_characters())
    assert not set("<>_") & set(written)
    for seed in range(50):
        text = passage(np.random.default_rng(seed))
        assert 10 < len(text) < 150
        assert set(text) <= set(written)


def test_a_seed_gives_the_same_passages_and_hardly_one_twice() -> None:
    def some(seed: int) -> list[str]:
        rng = np.random.default_rng(seed)
        return [passage(rng) for _ in range(500)]

    assert some(1) == some(1)
    assert len(set(some(1) + some(2))) > 990
