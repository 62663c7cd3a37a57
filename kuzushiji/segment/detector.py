"""The detector of a run: built anew, or again from a checkpoint."""

import dataclasses
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from torchvision.models import get_weight

from detection.faster_rcnn import DetectorConfig, build_detector
from kuzushiji.engine.checkpoint import load_checkpoint
from kuzushiji.engine.weights import load_weights, pretrained_or_explain, read_state
from kuzushiji.errors import InputError
from kuzushiji.named_models import StartModel
from kuzushiji.options import PREDICTIONS, WEIGHTS, all_parameters, as_flag, from_checkpoint
from kuzushiji.packaged import BOOKS, LACKING
from kuzushiji.segment.config import STAGE, SegmentConfig

logger = logging.getLogger(__name__)


def detector_config(config: SegmentConfig) -> DetectorConfig:
    """Return what the detector is made of."""
    pretrained = config.pretrained or config.weights is not None
    trainable = config.trainable_layers
    return DetectorConfig(
        backbone=config.backbone,
        anchor_sizes=config.anchor_sizes,
        max_detections=config.max_detections,
        nms_threshold=config.nms_threshold,
        score_threshold=config.score_threshold,
        box_head_size=config.box_head_size,
        rois_per_image=config.rois_per_image,
        anchors_per_image=config.anchors_per_image,
        proposals_train=config.proposals_train,
        proposals_test=config.proposals_test,
        fpn_channels=config.fpn_channels,
        norm=config.norm if config.norm != "auto" else "frozen" if pretrained else "batch",
        rpn_smooth_l1_beta=config.rpn_smooth_l1_beta,
        box_smooth_l1_beta=config.box_smooth_l1_beta,
        trainable_layers=trainable if trainable is not None else 3 if pretrained else 5,
    )


def build_model(config: SegmentConfig) -> nn.Module:
    """Return a new detector, its backbone filled with the weights that the config asks for.

    Raises:
        InputError: the weights are of another network, damaged, or cannot be downloaded.
    """
    model: nn.Module = build_detector(detector_config(config))
    body = model.get_submodule("backbone.body")
    if config.weights_file is not None:
        lacking = LACKING if config.weights == BOOKS else ()
        load_weights(body, config.weights_file, architecture=config.backbone, lacking=lacking)
    elif config.pretrained:
        body.load_state_dict(_imagenet_state(config.backbone))
    return model


@dataclasses.dataclass(frozen=True)
class StoredModel:
    """A detector in a checkpoint.

    Attributes:
        path: The checkpoint.
        detector: What it is made of.
        config: Parameters of its training, as in params.json.
        train_pages: The pages it has learned from.
        state: Its weights.
        epoch: The epoch they are of, from 0.
        metrics: What that epoch's evaluation gave.
    """

    path: Path
    detector: DetectorConfig
    config: Mapping[str, Any]
    train_pages: frozenset[str]
    state: Mapping[str, Tensor]
    epoch: int
    metrics: Mapping[str, float]

    def adopt(self, config: SegmentConfig) -> SegmentConfig:
        """Return `config` with this detector's architecture.

        Raises:
            InputError: a flag that was given contradicts it.
        """
        own: dict[str, Any] = {
            "model": f"fasterrcnn_{self.detector.backbone}_fpn",
            "anchor_sizes": self.detector.anchor_sizes,
            "fpn_channels": self.detector.fpn_channels,
            "box_head_size": self.detector.box_head_size,
            "norm": self.detector.norm,
        }
        for name, value in own.items():
            wanted = getattr(config, name)
            if name in config.given and wanted not in (value, "auto"):
                flag = f"--{name.replace('_', '-')}"
                raise InputError(f"{self.path}: expected a model with {flag} {wanted}, got one with {value}")
        if "trainable_layers" not in config.given:
            own["trainable_layers"] = self.detector.trainable_layers
        return dataclasses.replace(config, **own)

    def adopt_for_inference(self, config: SegmentConfig) -> SegmentConfig:
        """As `adopt`; all else that decides the boxes becomes as in this detector's training, unless a flag was given.

        Raises:
            InputError: as `adopt`.
        """
        own = {name: self.config[name] for name in from_checkpoint(config, PREDICTIONS) if name in self.config}
        return dataclasses.replace(self.adopt(config), **own)

    def adopt_for_training(self, config: SegmentConfig) -> SegmentConfig:
        """As `adopt`; sizes, thresholds and losses become as in this detector's training too, unless a flag was given.

        What differs from the defaults is logged.

        Raises:
            InputError: as `adopt`.
        """
        own = {name: self.config[name] for name in from_checkpoint(config, WEIGHTS) if name in self.config}
        own = {name: tuple(value) if isinstance(value, list) else value for name, value in own.items()}
        taken = [f"{as_flag(name)} {value}" for name, value in own.items() if value != getattr(config, name)]
        if taken:
            logger.info("%s: taken from it: %s", self.path, ", ".join(taken))
        return self.adopt(dataclasses.replace(config, **own))

    def build(self, config: SegmentConfig) -> nn.Module:
        """Return the detector that an adopted config describes, with this one's weights.

        Raises:
            InputError: the weights are not those of the detector that the checkpoint names.
        """
        model: nn.Module = build_detector(detector_config(config))
        try:
            model.load_state_dict(self.state)
        except (RuntimeError, TypeError) as error:
            reason = " ".join(str(error).split())[:200]
            raise InputError(f"{self.path}: expected the weights of {self.detector}, got others ({reason})") from error
        return model

    def check_unseen(self, image_ids: Sequence[str]) -> None:
        """Check that the model has not learned from the pages on which it is to be judged.

        Raises:
            InputError: it has.
        """
        seen = [image_id for image_id in image_ids if image_id in self.train_pages]
        if seen:
            trained = f"--fold {self.config['fold']} --n-folds {self.config['n_folds']}"
            raise InputError(
                f"{self.path}: expected a model that has not seen the held-out pages, it was trained on {len(seen)} of "
                f"{len(image_ids)} (page {seen[0]}) with {trained}"
            )


def checkpoint_meta(config: SegmentConfig, train_pages: Sequence[str]) -> dict[str, Any]:
    """Return what a checkpoint must hold beside the weights for `read_model`."""
    return {
        "detector": dataclasses.asdict(detector_config(config)),
        "config": all_parameters(config),
        "train_pages": list(train_pages),
    }


def read_model(path: Path) -> StoredModel:
    """Read a checkpoint of this stage; where it holds averaged weights beside the last ones, the averaged.

    Raises:
        InputError: it is missing, damaged, or of another stage.
    """
    content = load_checkpoint(path)
    meta = content["meta"]
    if meta.get("stage") != STAGE:
        raise InputError(f"{path}: expected a checkpoint of {STAGE}, got one of {meta.get('stage')}")
    try:
        return StoredModel(
            path=path,
            detector=DetectorConfig.from_json(meta["detector"]),
            config=meta["config"],
            train_pages=frozenset(meta["train_pages"]),
            state=content["ema"]["model"] if "ema" in content else content["model"],
            epoch=meta["epoch"],
            metrics=meta["metrics"],
        )
    except (AttributeError, KeyError, TypeError) as error:
        raise InputError(f"{path}: expected a checkpoint with detector, parameters and weights ({error})") from error


def read_start(start: StartModel) -> StoredModel:
    """Return a detector of an exported folder as one of a checkpoint whose training pages are not known.

    Raises:
        InputError: its description or its file is damaged.
    """
    try:
        made_of = DetectorConfig.from_json(start.facts["config"])
    except (AttributeError, KeyError, TypeError) as error:
        raise InputError(f"{start.path}: expected a description of it, got a damaged one ({error})") from error
    return StoredModel(start.path, made_of, {}, frozenset(), read_state(start.path), epoch=0, metrics={})


def _imagenet_state(backbone: str) -> dict[str, Tensor]:
    """Return the ImageNet weights with which the reference's numbers were reached, without the classifier head."""
    name = f"ResNet{backbone.removeprefix('resnet')}_Weights.IMAGENET1K_V1"
    state = pretrained_or_explain(
        lambda: get_weight(name).get_state_dict(progress=False, check_hash=True, weights_only=True), name
    )
    return {key: value for key, value in state.items() if not key.startswith("fc.")}
