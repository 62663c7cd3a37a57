"""Under which terms exported weights stand, as far as the runs tell."""

from pathlib import Path

from kuzushiji.bundle.model_files import ModelFiles, params_of
from kuzushiji.classify.backbones import backbone_info
from kuzushiji.packaged import BOOKS
from kuzushiji.segment.config import MODELS

CODE = "MIT"
_BOOKS = "packaged weights, trained on machine-written books; their strokes are KanjiVG's, CC BY-SA 3.0"
_IMAGENET = "torchvision ImageNet weights: BSD-3-Clause"
_RANDOM = "trained from random weights"


def licences_of(files: ModelFiles) -> dict[str, str]:
    """Return what each model's weights started from and under which licence that stands, by the model's name.

    The pages that a model was trained on have terms of their own, which no run knows.
    """
    if files.description is not None:
        return dict(files.description.get("licences", {}))
    paths = [*files.detectors, *(item.path for item in files.classifiers)]
    return {path.parent.name: _start_of(path.parent) for path in paths}


def _start_of(folder: Path) -> str:
    params = params_of(folder)
    if params.get("resume"):
        return f"fine-tuned from {Path(params['resume']).parent.name}"
    if params.get("weights") == BOOKS:
        return _BOOKS
    if params.get("weights"):
        return f"started from {Path(params['weights']).name}: see where that comes from"
    if not params.get("pretrained"):
        return _RANDOM if params else "unknown: the run left no params.json"
    if params.get("model") in MODELS:
        return _IMAGENET
    info = backbone_info(str(params.get("base")))
    return f"{info.weights}: {info.licence}"
