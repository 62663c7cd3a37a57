"""The stages that a fine-tuning runs, on its own division of the pages."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kuzushiji.classify import main as classify
from kuzushiji.classify.inputs import Split
from kuzushiji.content import Input
from kuzushiji.data.labels import PageLabels, read_page_labels
from kuzushiji.data.paths import DataRoot
from kuzushiji.data.vocabulary import Vocabulary
from kuzushiji.run_folder import CLF_GT, MODEL_BEST
from kuzushiji.segment import main as segment
from kuzushiji.segment.fold_pages import FoldPages, existing_images


@dataclass(frozen=True)
class Pages:
    """What the stages are given.

    Attributes:
        data: The data root.
        train: Labels of the pages to learn from.
        held_out: Labels of the others.
        file: File that describes the division.
    """

    data: DataRoot
    train: PageLabels
    held_out: PageLabels
    file: Path

    def for_detector(self) -> FoldPages:
        """Return the pages as the detector's training wants them."""
        images = [
            existing_images(labels.image_ids, self.data.train_image, self.data.train_csv)
            for labels in (self.train, self.held_out)
        ]
        return FoldPages(self.train, self.held_out, images[0], images[1])


class TuneDetector(segment.TrainDetector):
    """Train a detector further."""

    division: Pages

    def inputs(self) -> list[Input]:
        """Return those of the training, and the division."""
        return [*super().inputs(), self.division.file]

    def pages(self) -> FoldPages:
        """Return the pages."""
        return self.division.for_detector()


class FindHeldOut(segment.FindHeldOutBoxes):
    """Find the boxes of the held-out pages."""

    division: Pages

    def inputs(self) -> list[Input]:
        """Return those of the stage, and the division."""
        return [*super().inputs(), self.division.file]

    def pages(self) -> FoldPages:
        """Return the pages."""
        return self.division.for_detector()


class _OwnSplit(classify.ClassifierPart):
    """A part of the classifier's stage on the division.

    Attributes:
        division: The pages.
        vocabulary: The classes.
        boxes: Table of the boxes found on the held-out pages, with the codes of the truth; None where none is held out.
    """

    division: Pages
    vocabulary: Vocabulary
    boxes: Path | None

    def further_inputs(self) -> list[Input]:
        """Return the division, and the boxes of the held-out pages."""
        return [self.division.file, *([self.boxes] if self.boxes else [])]

    def split(self) -> Split:
        """Return the tables."""
        valid = read_page_labels(self.boxes) if self.boxes else self.division.held_out
        return Split(self.vocabulary, self.division.held_out, read_page_labels(self.config.clf_gt), valid)


class TuneClassifier(_OwnSplit, classify.TrainClassifier):
    """Train a classifier further."""

    def inputs(self) -> list[Input]:
        """Return those of the training, and further ones."""
        return [*classify.TrainClassifier.inputs(self), *self.further_inputs()]


class ReadHeldOut(_OwnSplit, classify.ReadHeldOutPages):
    """Classify the boxes of the held-out pages."""

    def inputs(self) -> list[Input]:
        """Return those of the stage, and further ones."""
        return [*classify.ReadHeldOutPages.inputs(self), *self.further_inputs()]


def detector_parts(words: Sequence[str], pages: Pages) -> "Mapping[str, TuneDetector | FindHeldOut]":
    """Return the training of a detector and, where pages are held out, the finding of their boxes.

    Args:
        words: Command line of `segment`.
        pages: What it is given.
    """
    config = segment.Segment.parse_args(words)
    weights = config.output_dir / MODEL_BEST
    parts: dict[str, TuneDetector | FindHeldOut] = {"detector": TuneDetector(config, pages.data, weights)}
    if pages.held_out.image_ids:
        parts["boxes"] = FindHeldOut(config, pages.data, weights)
    for part in parts.values():
        part.division = pages
    return parts


def classifier_parts(
    words: Sequence[str], pages: Pages, vocabulary: Vocabulary, detector: Path
) -> "Mapping[str, TuneClassifier | ReadHeldOut]":
    """Return the training of a classifier and, where pages are held out, the reading of their boxes.

    Args:
        words: Command line of `classify`.
        pages: What it is given.
        vocabulary: The classes.
        detector: Folder of the detector.
    """
    config = classify.Classify.parse_args(words)
    weights = config.output_dir / MODEL_BEST
    boxes = detector / CLF_GT if pages.held_out.image_ids else None
    parts: dict[str, TuneClassifier | ReadHeldOut] = {"classifier": TuneClassifier(config, pages.data, weights)}
    if boxes:
        parts["reading"] = ReadHeldOut(config, pages.data, weights)
    for part in parts.values():
        part.division, part.vocabulary, part.boxes = pages, vocabulary, boxes
    return parts
