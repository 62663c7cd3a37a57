"""What the models of a folder are: their descriptions, and the models on their device."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from detection.faster_rcnn import DetectorConfig
from kuzushiji.classify.level2.model import Level2Model
from kuzushiji.classify.level2.pairs import Pairs
from kuzushiji.classify.network import ModelConfig, RoIClassifier
from kuzushiji.data.vocabulary import Vocabulary
from kuzushiji.engine.precision import Precision
from kuzushiji.errors import InputError
from kuzushiji.segment.joining import Fusion


@dataclass(frozen=True)
class DetectorSpec:
    """What rebuilds a detector beside its weights.

    Attributes:
        name: Such as `segment-fold0`.
        config: What it is made of, with its thresholds.
        long_sides: To which a page is scaled, pixels; the boxes of several sizes are fused.
        opt_level: Number format of its run.
        f1: On the pages of its fold; None if unknown.
    """

    name: str
    config: DetectorConfig
    long_sides: tuple[int, ...]
    opt_level: str
    f1: float | None


@dataclass(frozen=True)
class ClassifierSpec:
    """What rebuilds a classifier beside its weights.

    Attributes:
        name: Such as `clf-fold0-resnet10t`.
        kind: Of model, such as `clf-resnet10t`.
        fold: That it has not seen.
        config: What it is made of.
        test_height: Nominal page height of its training, pixels.
        heights: Page heights over which logits are averaged, pixels.
        top_k: Best classes of a box that are kept.
        opt_level: Number format of its run.
        f1: On the pages of its fold; None if unknown.
    """

    name: str
    kind: str
    fold: int
    config: ModelConfig
    test_height: int
    heights: tuple[int, ...]
    top_k: int
    opt_level: str
    f1: float | None


@dataclass(frozen=True)
class StoredDetector:
    """A detector's description and weights, as they lie in a file."""

    spec: DetectorSpec
    state: Mapping[str, Tensor]
    path: Path


@dataclass(frozen=True)
class StoredClassifier:
    """A classifier's description, classes and weights, as they lie in a file."""

    spec: ClassifierSpec
    vocabulary: Vocabulary
    state: Mapping[str, Tensor]
    path: Path


@dataclass(frozen=True)
class ReadyDetector:
    """A detector in evaluation mode, on its device."""

    spec: DetectorSpec
    model: nn.Module
    precision: Precision


@dataclass(frozen=True)
class ReadyClassifier:
    """A classifier in evaluation mode, on its device."""

    spec: ClassifierSpec
    model: RoIClassifier
    precision: Precision


@dataclass(frozen=True)
class Bundle:
    """Everything that reads a page.

    Attributes:
        detectors: At least one.
        fusion: How their boxes become one set.
        classifiers: At least one, by kind and fold.
        vocabulary: Of all of them.
        level2: The second level; None where there is none.
        language: Which characters follow each other: with it boxes are read together where there is no second level.
        digest: Differs where the models do.
        character_size: Side of the median character of a page, by the page's longer side, for which the models were
            made: pages with smaller ones are read enlarged. None: all pages are read alike, as the run's stages do.
    """

    detectors: tuple[ReadyDetector, ...]
    fusion: Fusion
    classifiers: tuple[ReadyClassifier, ...]
    vocabulary: Vocabulary
    level2: Level2Model | None
    language: Pairs | None
    digest: str
    character_size: float | None = None

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kinds of classifiers, in order."""
        return tuple(dict.fromkeys(item.spec.kind for item in self.classifiers))

    @property
    def folds(self) -> tuple[int, ...]:
        """Folds of the classifiers."""
        return tuple(sorted({item.spec.fold for item in self.classifiers}))

    def of_kind(self, kind: str) -> list[ReadyClassifier]:
        """Return the classifiers of a kind, by fold."""
        return [item for item in self.classifiers if item.spec.kind == kind]


def check_level2(model: Level2Model, bundle: Bundle, folder: Path) -> None:
    """Check that a second level was trained on what these classifiers say.

    Raises:
        InputError: another vocabulary; kinds or folds of classifiers are missing or too many.
    """
    way_out = "--level2 0 reads without it"
    if model.vocabulary.codes != bundle.vocabulary.codes:
        raise InputError(
            f"{folder}: expected the classifiers' {len(bundle.vocabulary)} classes, got {len(model.vocabulary)} "
            f"others; {way_out}"
        )
    if model.extra:
        raise InputError(
            f"{folder}: expected a second level of the classifiers alone, got one with columns of optional stages "
            f"({', '.join(model.extra)}), which new pages do not have; {way_out}"
        )
    if model.n_groups != len(bundle.kinds):
        raise InputError(
            f"{folder}: expected {model.n_groups} kinds of classifiers, as it was trained with, got "
            f"{len(bundle.kinds)} ({', '.join(bundle.kinds)}); {way_out}"
        )
    if model.kinds and model.kinds != bundle.kinds:
        raise InputError(
            f"{folder}: expected classifiers of the kinds {', '.join(model.kinds)}, as it was trained with, got "
            f"{', '.join(bundle.kinds)}; {way_out}"
        )
    for kind in bundle.kinds:
        missing = sorted(set(bundle.folds) - {item.spec.fold for item in bundle.of_kind(kind)})
        if missing:
            raise InputError(f"{folder}: expected a classifier {kind} of fold {missing[0]}, got none; {way_out}")
