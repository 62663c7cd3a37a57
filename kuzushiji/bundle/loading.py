"""The models of a folder, loaded and ready to read."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from detection.faster_rcnn import build_detector
from kuzushiji.bundle.members import (
    Bundle,
    ReadyClassifier,
    ReadyDetector,
    StoredClassifier,
    StoredDetector,
    check_level2,
)
from kuzushiji.bundle.model_files import ModelFiles, digest_of
from kuzushiji.bundle.stored import read_classifiers, read_detector
from kuzushiji.classify.config import heights_of
from kuzushiji.classify.level2.pairs import read_language
from kuzushiji.classify.level2.saving import load_model
from kuzushiji.classify.network import build_model
from kuzushiji.engine.precision import Precision, place
from kuzushiji.errors import InputError


def load_bundle(
    files: ModelFiles,
    device: torch.device,
    *,
    level2: bool = True,
    opt_level: str | None = None,
    n_tta: int | None = None,
) -> Bundle:
    """Load all models of a folder.

    Args:
        files: What `find_models` found.
        device: Where they run.
        level2: Whether the second level or the counts of pairs are used, if they are there.
        opt_level: Number format, in place of each run's own.
        n_tta: Sizes of a page for the classifiers, in place of each run's own.

    Raises:
        InputError: a file is damaged or of another stage; classifiers of different vocabularies; a second level that
            does not fit the classifiers.
    """
    detectors = [ready_detector(read_detector(files, path), device, opt_level) for path in files.detectors]
    classifiers = []
    for stored in read_classifiers(files):
        vocabulary = stored.vocabulary  # the same of all, and there is at least one
        classifiers.append(ready_classifier(stored, device, opt_level, n_tta))
    language = read_language(files.language, len(vocabulary)) if level2 and files.language else None
    digest = digest_of(files.paths())
    bundle = Bundle(
        tuple(detectors), files.fusion, tuple(classifiers), vocabulary, None, language, digest, files.character_size
    )
    if not (level2 and files.level2):
        return bundle
    model = load_model(files.level2)
    check_level2(model, bundle, files.level2)
    return replace(bundle, level2=model)


def ready_detector(stored: StoredDetector, device: torch.device, opt_level: str | None = None) -> ReadyDetector:
    """Return a detector on its device, in evaluation mode; `opt_level` as in `load_bundle`."""
    spec = stored.spec
    with _Unfilled():
        model: nn.Module = build_detector(spec.config)
    _fill(model, stored)
    return ReadyDetector(spec, place(model, device).eval(), Precision.from_level(opt_level or spec.opt_level, device))


def ready_classifier(
    stored: StoredClassifier, device: torch.device, opt_level: str | None = None, n_tta: int | None = None
) -> ReadyClassifier:
    """Return a classifier on its device, in evaluation mode; `opt_level` and `n_tta` as in `load_bundle`."""
    spec = stored.spec
    if n_tta is not None:
        spec = replace(spec, heights=heights_of(spec.test_height, n_tta))
    with _Unfilled():
        model = build_model(spec.config, len(stored.vocabulary), pretrained=False)
    _fill(model, stored)
    place(model, device)
    return ReadyClassifier(spec, model.eval(), Precision.from_level(opt_level or spec.opt_level, device))


class _Unfilled(TorchFunctionMode):
    """Leaves out the random numbers for weights that come from a file: half of the time of loading."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        named = dict(kwargs or {})
        if func in (torch.Tensor.normal_, torch.Tensor.uniform_):
            return args[0]
        if getattr(func, "__module__", None) == nn.init.__name__ and "tensor" in named:
            return named["tensor"]
        return func(*args, **named)


def _fill(model: nn.Module, stored: StoredDetector | StoredClassifier) -> None:
    try:
        model.load_state_dict(stored.state)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:160]
        raise InputError(f"{stored.path}: expected the weights of {stored.spec.name}, got others ({reason})") from error
