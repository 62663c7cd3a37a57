"""Which pages a run works on: read and checked before anything slow begins. Knows no torch."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from kuzushiji.data.folds import split_pages, spread
from kuzushiji.data.labels import PageLabels, read_page_labels
from kuzushiji.data.paths import DataRoot
from kuzushiji.errors import InputError
from kuzushiji.segment.config import SegmentConfig
from kuzushiji.submission import read_sample

Images = Mapping[str, Path]
"""Path of each page's image, in the order of the pages."""


@dataclass(frozen=True)
class FoldPages:
    """The training pages, divided.

    Attributes:
        train: Labels of the pages to learn from.
        held_out: Labels of the pages to judge by, those without text too.
        train_images: Images of the former.
        held_out_images: Images of the latter.
    """

    train: PageLabels
    held_out: PageLabels
    train_images: Images
    held_out_images: Images


def read_fold(config: SegmentConfig, data: DataRoot) -> FoldPages:
    """Read train.csv and divide its pages.

    Raises:
        InputError: the table is missing or malformed; there are fewer books than folds; an image is missing.
    """
    labels = read_page_labels(data.train_csv)
    train, held_out = split_pages(labels.image_ids, config.fold, config.n_folds, config.split)
    train, held_out = spread(train, config.train_limit), spread(held_out, config.test_limit)
    return FoldPages(
        train=labels.of_pages(train),
        held_out=labels.of_pages(held_out),
        train_images=existing_images(train, data.train_image, data.train_csv),
        held_out_images=existing_images(held_out, data.train_image, data.train_csv),
    )


def read_test_images(config: SegmentConfig, data: DataRoot) -> Images:
    """Return the images of the sample's pages.

    Raises:
        InputError: the sample is missing or malformed, or one of its images is missing.
    """
    sample = spread(read_sample(data.sample_submission_csv), config.test_limit)
    return existing_images(sample, data.test_image, data.sample_submission_csv)


def existing_images(image_ids: Iterable[str], path_of: Callable[[str], Path], table: Path) -> Images:
    """Return the image of each page.

    Raises:
        InputError: one is missing; the message says which table names its page.
    """
    images = {image_id: path_of(image_id) for image_id in image_ids}
    missing = [image_id for image_id, path in images.items() if not path.is_file()]
    if missing:
        more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
        raise InputError(f"{table}, page {missing[0]}: expected its image {images[missing[0]]}, it is missing{more}")
    return images
