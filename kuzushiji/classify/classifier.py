"""A classifier with its vocabulary and page height: new, from a checkpoint, and into a checkpoint."""

import dataclasses
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from kuzushiji.classify.config import ClassifyConfig
from kuzushiji.classify.network import ModelConfig, RoIClassifier, build_model
from kuzushiji.data.vocabulary import Vocabulary, read_vocabulary
from kuzushiji.engine.checkpoint import load_checkpoint
from kuzushiji.engine.precision import Precision, place
from kuzushiji.engine.weights import read_state
from kuzushiji.errors import InputError
from kuzushiji.named_models import StartModel
from kuzushiji.options import as_flag

logger = logging.getLogger(__name__)

_KIND = "classifier"
_ARCHITECTURE = ("base", "head_size")
_ROWS = ("head.5.weight", "head.5.bias")
"""The head's last layer, a row a class."""


@dataclasses.dataclass(frozen=True)
class Classifier:
    """A model with what it takes to use it.

    Attributes:
        model: On its device.
        config: What rebuilds it.
        vocabulary: What its classes mean.
        test_height: Nominal page height that it is trained with, pixels.
    """

    model: RoIClassifier
    config: ModelConfig
    vocabulary: Vocabulary
    test_height: int


def build_classifier(config: ClassifyConfig, vocabulary: Vocabulary, precision: Precision) -> Classifier:
    """Return the classifier to train: a new one, that of `config.resume` to fine-tune, or one from `config.start`.

    Raises:
        InputError: unknown backbone, no or wrong weights; a checkpoint that is damaged, of other classes, or that a
            flag contradicts; as `start_classifier`.
    """
    if config.resume is not None:
        return load_classifier(config.resume, precision, config, vocabulary)
    start = config.start_model
    if start is not None:
        return start_classifier(start, config, vocabulary, precision)
    model_config = ModelConfig(config.base, config.head_size, config.head_dropout)
    model = build_model(
        model_config, len(vocabulary), pretrained=config.pretrained, weights=config.weights_file,
        frozen_start=config.frozen_start,
    )  # fmt: skip
    place(model, precision.device)
    return Classifier(model, model_config, vocabulary, config.test_height)


def start_classifier(
    start: StartModel, config: ClassifyConfig, vocabulary: Vocabulary, precision: Precision
) -> Classifier:
    """Return a classifier of the data's classes with the weights of an exported one.

    The rows of the head's last layer go by the classes' codes; classes that the exported one lacks begin at random.

    Raises:
        InputError: the exported files are damaged, or `--head-size` is given and another.
    """
    theirs, state = read_vocabulary(start.vocabulary), read_state(start.path)
    try:
        head_size = int(start.facts["config"]["head_size"])
        wide = {name: value.float() for name, value in state.items()}
        if any(len(wide[name]) != len(theirs) for name in _ROWS):
            raise ValueError(f"{len(theirs)} classes in {start.vocabulary.name}, others in the weights")
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{start.path}: expected an exported classifier, got a damaged one ({error})") from error
    if "head_size" in config.given and config.head_size != head_size:
        raise InputError(f"--head-size {config.head_size}: {start.path} was trained with {head_size}")
    model_config = ModelConfig(config.base, head_size, config.head_dropout)
    model = build_model(model_config, len(vocabulary), pretrained=False, frozen_start=config.frozen_start)
    _fill(model, wide, theirs, vocabulary, start.path)
    place(model, precision.device)
    return Classifier(model, model_config, vocabulary, config.test_height)


def _fill(model: RoIClassifier, state: Mapping[str, Tensor], theirs: Vocabulary, ours: Vocabulary, path: Path) -> None:
    """Fill a model of our classes with the weights of one of theirs: the rows of the head's last layer go by code.

    Rows of classes that theirs lacks stay as they are, at random.

    Raises:
        InputError: the weights are of another model.
    """
    number = {code: place for place, code in enumerate(theirs.codes)}
    known = [(place, number[code]) for place, code in enumerate(ours.codes) if code in number]
    into, out_of = (torch.tensor(places) for places in zip(*known, strict=True))
    own, filled = model.state_dict(), dict(state)
    try:
        if ours.codes != theirs.codes:
            for name in _ROWS:
                filled[name] = own[name].clone()
                filled[name][into] = state[name][out_of].to(own[name].dtype)
            logger.info("%s: of %d classes it has %d; their rows of the head are taken", path, len(ours), len(known))
        model.load_state_dict(filled)
    except (IndexError, KeyError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:160]
        raise InputError(f"{path}: expected the weights of such a model, got others ({reason})") from error


def load_classifier(
    path: Path, precision: Precision, config: ClassifyConfig | None = None, vocabulary: Vocabulary | None = None
) -> Classifier:
    """Rebuild a classifier from a checkpoint alone.

    Args:
        path: `model_best.pth` or `checkpoint.pth`.
        precision: Tells the device.
        config: Flags that may say otherwise: the architecture may not differ, dropout and page height may.
        vocabulary: Classes to train on in place of the checkpoint's; rows of the head go by code.

    Raises:
        InputError: the checkpoint is missing, damaged or another stage's; a given flag contradicts it.
    """
    model_config, theirs, test_height, weights = read_classifier_state(path)
    given = {name: getattr(config, name) for name in config.given} if config is not None else {}
    for name in _ARCHITECTURE:
        stored = getattr(model_config, name)
        if given.get(name, stored) != stored:
            raise InputError(f"--{name.replace('_', '-')} {given[name]}: {path} was trained with {stored}")
    model_config = dataclasses.replace(
        model_config, head_dropout=given.get("head_dropout", model_config.head_dropout)
    )  # fmt: skip
    frozen_start = config is not None and config.frozen_start
    ours = vocabulary or theirs
    model = build_model(model_config, len(ours), pretrained=False, frozen_start=frozen_start)
    _fill(model, weights, theirs, ours, path)
    if vocabulary is not None:
        taken = {**dataclasses.asdict(model_config), "test_height": test_height}
        said = [f"{as_flag(name)} {value}" for name, value in taken.items() if name not in given]
        logger.info("%s: training starts from its weights; taken from it: %s", path, ", ".join(said))
    place(model, precision.device)
    return Classifier(model, model_config, ours, given.get("test_height", test_height))


def read_classifier_state(path: Path) -> tuple[ModelConfig, Vocabulary, int, Mapping[str, Tensor]]:
    """Return what a checkpoint holds: the model's config, its vocabulary, its page height in pixels, its weights.

    Raises:
        InputError: the checkpoint is missing, damaged or another stage's.
    """
    state = load_checkpoint(path)
    meta = _read_meta(path, state["meta"])
    try:
        return *meta, state["ema"]["model"] if "ema" in state else state["model"]
    except KeyError as error:
        raise InputError(f"{path}: expected a checkpoint with the weights of a model, it has none") from error


def meta_of(classifier: Classifier) -> dict[str, Any]:
    """Return what a checkpoint must hold beside the weights for `load_classifier`."""
    return {
        "kind": _KIND,
        "model": dataclasses.asdict(classifier.config),
        "vocabulary": list(classifier.vocabulary.codes),
        "test_height": classifier.test_height,
    }


def _read_meta(path: Path, meta: dict[str, Any]) -> tuple[ModelConfig, Vocabulary, int]:
    if meta.get("kind") != _KIND:
        raise InputError(f"{path}: expected a checkpoint of classify, got one of {meta.get('stage', 'another kind')}")
    try:
        return ModelConfig(**meta["model"]), Vocabulary(tuple(meta["vocabulary"])), int(meta["test_height"])
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: expected a checkpoint with model, vocabulary and height ({error})") from error
