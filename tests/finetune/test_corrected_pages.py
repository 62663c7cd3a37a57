"""Which corrected pages are held out, which are refused, and what the classifier learns from."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from kuzushiji.data.labels import SEG_FP, PageLabels, read_page_labels
from kuzushiji.data.paths import DataRoot
from kuzushiji.errors import InputError
from kuzushiji.finetune.corrected_pages import boxes_to_learn, divide, read_new_pages


def labels_of(pages: dict[str, int]) -> PageLabels:
    """Return the labels of pages with so many boxes."""
    number = np.repeat(np.arange(len(pages)), list(pages.values()))
    return PageLabels.from_arrays(list(pages), number, ["U+3042"] * len(number), np.ones((len(number), 4)))


FIVE = {f"B1_{number}": 1 for number in range(5)}


@pytest.mark.parametrize(
    ("pages", "seen", "share", "held_out"),
    [
        (FIVE, (), 0.2, ["B1_2"]),
        (FIVE, (), 0.4, ["B1_1", "B1_3"]),
        (FIVE, (), 0.0, []),
        ({"B1_1": 1}, (), 0.2, []),  # the only page is to learn from
        ({"B1_1": 1, "B1_2": 1}, (), 0.2, ["B1_2"]),
        ({"B1_1": 1, "B2_1": 1}, (), 0.5, []),  # of each book one page is to learn from
        ({"B1_1": 1, "B1_2": 1, "B2_1": 1, "B2_2": 1}, (), 0.5, ["B1_2", "B2_2"]),
        ({"B1_1": 1, "B1_2": 0, "B1_3": 1}, (), 0.3, ["B1_3"]),  # a page without a box measures nothing
        (FIVE, ("B1_2", "B1_3"), 0.3, ["B1_1"]),  # what the models have seen measures nothing either
    ],
)
def test_division(pages: dict[str, int], seen: tuple[str, ...], share: float, held_out: list[str]) -> None:
    train, out = divide(labels_of(pages), seen, share)
    assert list(out) == held_out and sorted((*train, *out)) == sorted(pages)


def test_pages_that_are_refused(tiny_root: Path, tmp_path: Path) -> None:
    data = DataRoot(shutil.copytree(tiny_root, tmp_path / "data"))
    names = read_page_labels(data.train_csv).image_ids
    assert read_new_pages(data, names[:3]).image_ids == (*names[3:], *names[:3])
    with pytest.raises(InputError, match="expected pages that the models have not seen, got 13 that they were trained"):
        read_new_pages(data, names)
    data.train_csv.write_text("image_id,labels\n")
    with pytest.raises(InputError, match="expected pages that the models have not seen, got none"):
        read_new_pages(data, ())
    data.train_csv.write_text("image_id,labels\np_1,\np_2,\n")
    with pytest.raises(InputError, match="expected boxes on the new pages, got none .such as p_1"):
        read_new_pages(data, ())


def test_boxes_that_are_found_where_nothing_is(tiny_root: Path) -> None:
    data = DataRoot(tiny_root)
    labels = read_page_labels(data.train_csv).of_pages(read_page_labels(data.train_csv).image_ids[:2])
    true = labels.boxes[labels.boxes["image_id"] == labels.image_ids[0]][["x", "y", "w", "h"]].to_numpy()[0]
    found = np.array([true + [1, 0, 0, 0], [0, 0, 5, 5]], np.int64)
    learned = boxes_to_learn(labels, data.train_image, lambda path: (found, np.ones(2, np.float32)))
    first = learned.boxes[learned.boxes["image_id"] == labels.image_ids[0]]
    n = (labels.boxes["image_id"] == labels.image_ids[0]).sum()
    assert first["code"].tolist() == [*labels.boxes["code"][:n], labels.boxes["code"].iloc[0], SEG_FP]
    assert learned.image_ids == labels.image_ids
