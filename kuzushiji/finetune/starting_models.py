"""The models that a fine-tuning starts from, and the settings that their training and reading had."""

import dataclasses
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kuzushiji.bundle.members import ClassifierSpec, DetectorSpec
from kuzushiji.bundle.model_files import ModelFiles, find_models, params_of
from kuzushiji.bundle.stored import read_classifier, read_detector, write_bundle
from kuzushiji.data.vocabulary import Vocabulary
from kuzushiji.files import atomic_folder
from kuzushiji.named_models import models_folder
from kuzushiji.record import package_versions
from kuzushiji.run_folder import BUNDLE_FILE

logger = logging.getLogger(__name__)

_DETECTOR_CROP = (0.4, 0.3125, 0.4625)
"""Width and height of the network's input, least and greatest height of a crop, as shares of a page's long side: those
of the models that come with the package. At these, characters are as large in training as in reading."""

_CLASSIFIER_CROP = 0.42
"""Width and height of a crop as a share of a page's height: likewise."""

_MULTIPLE = 32


@dataclasses.dataclass(frozen=True)
class StartingModels:
    """The first detector and the first classifier of a folder.

    Attributes:
        files: The two, and the language.
        detector: What the detector is, and how it is applied.
        classifier: Likewise of the classifier.
        vocabulary: Its classes.
        seen: Pages that the models were trained on, as far as that is known.
        detector_sizes: Options of `segment` for the sizes of pages and crops.
        classifier_sizes: Likewise of `classify`.
    """

    files: ModelFiles
    detector: DetectorSpec
    classifier: ClassifierSpec
    vocabulary: Vocabulary
    seen: frozenset[str]
    detector_sizes: Mapping[str, Any]
    classifier_sizes: Mapping[str, Any]

    def exported(self, folder: Path) -> "StartingModels":
        """Return the source as exported models, for `--start`; those of a run are written into a folder.

        Raises:
            InputError: a file is damaged, or the folder cannot be written to.
        """
        if self.files.description is not None:
            return self
        with atomic_folder(folder, last=BUNDLE_FILE) as temporary:
            write_bundle(self.files, temporary, half=False, facts={"versions": package_versions()})
        return dataclasses.replace(self, files=find_models(folder))


def read_source(name: str) -> StartingModels:
    """Return the models that `--from` names.

    Raises:
        InputError: there are no such models, or they are damaged.
    """
    files = find_models(models_folder(name))
    if len(files.detectors) + len(files.classifiers) > 2:
        logger.warning("%s: of its models the first detector and the first classifier are trained further", name)
    if files.level2 is not None:
        logger.warning("%s: its second level does not fit models that are trained further, and is left out", name)
    files = dataclasses.replace(
        files, detectors=files.detectors[:1], classifiers=files.classifiers[:1], level2=None
    )  # fmt: skip
    seen, detector_params, classifier_params = _known_of_run(files)
    detector, classifier = read_detector(files, files.detectors[0]), read_classifier(files, files.classifiers[0])
    return StartingModels(
        files, detector.spec, classifier.spec, classifier.vocabulary, seen,
        _detector_sizes(detector.spec, detector_params), _classifier_sizes(classifier.spec, classifier_params),
    )  # fmt: skip


def _known_of_run(files: ModelFiles) -> tuple[frozenset[str], dict[str, Any], dict[str, Any]]:
    """Return the training pages and the parameters of both trainings; nothing of exported models."""
    if files.description is not None:
        return frozenset(), {}, {}
    from kuzushiji.segment.detector import read_model

    stored = read_model(files.detectors[0])
    return stored.train_pages, dict(stored.config), params_of(files.classifiers[0].path.parent)


def _detector_sizes(spec: DetectorSpec, params: Mapping[str, Any]) -> dict[str, Any]:
    side = spec.long_sides[0]
    crop, least, greatest = (_rounded(side * share) for share in _DETECTOR_CROP)
    sizes: dict[str, Any] = {
        "long_side": side, "crop_width": crop, "crop_height": crop, "crop_min_height": least,
        "crop_max_height": greatest,
    }  # fmt: skip
    known = {name: params[name] for name in sizes if name in params}
    return {
        **(known if len(known) == len(sizes) else sizes),
        "test_long_side": side, "test_scales": [long_side / side for long_side in spec.long_sides],
        "rois_per_image": min(spec.config.rois_per_image, 192),
        "anchors_per_image": spec.config.anchors_per_image,
        "proposals_train": min(spec.config.proposals_train, 400),
        "proposals_test": spec.config.proposals_test, "max_detections": spec.config.max_detections,
        "score_threshold": spec.config.score_threshold, "nms_threshold": spec.config.nms_threshold,
        "rpn_smooth_l1_beta": spec.config.rpn_smooth_l1_beta, "box_smooth_l1_beta": spec.config.box_smooth_l1_beta,
    }  # fmt: skip


def _classifier_sizes(spec: ClassifierSpec, params: Mapping[str, Any]) -> dict[str, Any]:
    crop = _rounded(spec.test_height * _CLASSIFIER_CROP)
    return {
        "crop_width": params.get("crop_width", crop), "crop_height": params.get("crop_height", crop),
        "test_height": spec.test_height, "tta_heights": list(spec.heights), "top_k": spec.top_k,
        "head_dropout": spec.config.head_dropout, "scale_aug": params.get("scale_aug", 0.2),
        "box_jitter": params.get("box_jitter", 0.04), "frozen_start": int(params.get("frozen_start", True)),
    }  # fmt: skip


def _rounded(pixels: float) -> int:
    return max(round(pixels / _MULTIPLE), 2) * _MULTIPLE
