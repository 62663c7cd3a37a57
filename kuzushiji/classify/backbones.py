"""Backbones by name: two feature maps, at stride 8 and 16, of networks pretrained on other pictures.

A backbone is a module with `channels`, the widths of its two feature maps, and `start`, the names of its modules up to
stride 4; `forward` takes (n, 3, h, w) floats and returns the maps (n, channels[0], h/8, w/8) and
(n, channels[1], h/16, w/16). What comes after stride 16 is not built.
"""

import difflib
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from kuzushiji.errors import InputError

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
_STRIDES = (8, 16)


@dataclass(frozen=True)
class BackboneInfo:
    """What a backbone's name stands for.

    Attributes:
        name: The name as given to `--base`.
        weights: The pretrained weights that `--pretrained 1` means.
        licence: Their licence.
        mean: Mean of the colours, 0 to 1, that the weights were trained with.
        std: Their standard deviation.
        build: Returns the network; with True, with the pretrained weights.
    """

    name: str
    weights: str
    licence: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    build: Callable[[bool], "Backbone"]


class Backbone(nn.Module):
    """A network that ends at stride 16 and gives two feature maps.

    Attributes:
        channels: Widths of the maps at stride 8 and 16.
        start: Names of the modules up to stride 4, which `--frozen-start` keeps as they are.
        cut_off: Beginnings of names, in weights files of the whole network, of what comes after stride 16.
    """

    channels: tuple[int, int]
    start: tuple[str, ...]
    cut_off: tuple[str, ...]

    @property
    def named_as_published(self) -> nn.Module:
        """The module whose names of weights are those of published files, but for `own_name`."""
        return self

    def own_name(self, name: str) -> str:
        """Return this network's name for a weight of that name in a published file."""
        return name

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return the feature maps at stride 8 and 16 of (n, 3, h, w) floats."""
        raise NotImplementedError


class ResNet(Backbone):
    """torchvision's ResNet up to layer3, with torchvision's names of modules."""

    start = ("conv1", "bn1", "layer1")
    cut_off = ("layer4.",)

    def __init__(self, whole: Any) -> None:
        """Take the parts of `whole`, a `torchvision.models.ResNet`."""
        super().__init__()
        self.conv1, self.bn1, self.relu, self.maxpool = whole.conv1, whole.bn1, whole.relu, whole.maxpool
        self.layer1, self.layer2, self.layer3 = whole.layer1, whole.layer2, whole.layer3
        width = whole.fc.in_features
        self.channels = (width // 4, width // 2)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """See `Backbone.forward`."""
        stride4 = self.layer1(self.maxpool(self.relu(self.bn1(self.conv1(images)))))
        stride8 = self.layer2(stride4)
        return stride8, self.layer3(stride8)


class TimmFeatures(Backbone):
    """The feature maps of a timm model, with timm's names of modules."""

    def __init__(self, name: str, *, pretrained: bool) -> None:
        """Build `name` as far as stride 16.

        Raises:
            InputError: the model has no feature maps at stride 8 and 16.
        """
        super().__init__()
        import timm

        with torch.device("meta"):
            sketch = _feature_maps(name)
        strides = list(sketch.feature_info.reduction())
        if any(stride not in strides for stride in _STRIDES):
            raise InputError(f"--base {name}: expected a model with feature maps at stride 8 and 16, it has {strides}")
        taps = [strides.index(stride) for stride in _STRIDES]
        self.body = timm.create_model(name, pretrained=pretrained, features_only=True, out_indices=taps)
        _end_at_last_map(self.body)
        self.channels = tuple(self.body.feature_info.channels())
        self.start = tuple(f"body.{module}" for module in _modules_until_stride_4(sketch))
        self._flattened = tuple(f"{child}." for child, _ in sketch.named_children() if "_" in child)
        with torch.device("meta"):
            whole = timm.create_model(name)
        mine = self.body.state_dict()
        self.cut_off = tuple(weight for weight in map(self.own_name, whole.state_dict()) if weight not in mine)
        self.register_load_state_dict_pre_hook(_without_cut_off)  # type: ignore[no-untyped-call]

    @property
    def named_as_published(self) -> nn.Module:
        """See `Backbone.named_as_published`."""
        body: nn.Module = self.body
        return body

    def own_name(self, name: str) -> str:
        """Return timm's name of a weight among feature maps, where `stages.0` is called `stages_0`."""
        joined = name.replace(".", "_", 1)
        return joined if joined.startswith(self._flattened) else name

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """See `Backbone.forward`."""
        stride8, stride16 = self.body(images)
        return stride8, stride16


def backbone_info(name: str) -> BackboneInfo:
    """Return what `name` stands for: a name of the table below, or any timm model with feature maps.

    Raises:
        InputError: there is no such backbone; the message names a near one.
    """
    if name in _NAMED:
        return _NAMED[name]()
    import timm

    architecture, _, tag = name.partition(".")
    tags = [model.partition(".")[2] for model in timm.list_pretrained(f"{architecture}.*")]
    if not timm.is_model(architecture) or (tag and tag not in tags):
        known = {*_NAMED, *timm.list_models(), *timm.list_pretrained(f"{architecture}.*")}
        near = difflib.get_close_matches(name, sorted(known), n=3, cutoff=0.5)
        suggestion = f"; did you mean {' or '.join(near)}?" if near else ""
        raise InputError(f"--base {name}: expected a backbone, one of {', '.join(_NAMED)} or of timm's{suggestion}")
    return _timm(name, name)


def build_backbone(name: str, *, pretrained: bool, weights: Path | None = None) -> Backbone:
    """Return the backbone called `name`.

    Args:
        name: A name that `backbone_info` knows.
        pretrained: Whether it starts from the weights of its name, downloaded or from the download cache.
        weights: A file (safetensors, pth) to start from in their place: of the whole network as it is published, or
            of what this module builds.

    Raises:
        InputError: unknown name; the weights cannot be downloaded, or are another network's.
    """
    info = backbone_info(name)
    if weights is not None:
        from kuzushiji.engine.weights import load_weights

        backbone = info.build(False)
        load_weights(
            backbone.named_as_published, weights, architecture=name,
            cut_off=backbone.cut_off, rename=backbone.own_name,
        )  # fmt: skip
        return backbone
    if pretrained:
        from kuzushiji.engine.weights import pretrained_or_explain

        # Without a network its client tells of each of its twelve tries; the one line that follows says it all.
        logging.getLogger("huggingface_hub").setLevel(logging.CRITICAL)
        return pretrained_or_explain(lambda: info.build(True), info.weights)
    return info.build(False)


def _resnet(name: str) -> BackboneInfo:
    def build(pretrained: bool) -> Backbone:
        import torchvision

        weights = torchvision.models.get_model_weights(name).IMAGENET1K_V1 if pretrained else None
        return ResNet(torchvision.models.get_model(name, weights=weights))

    return BackboneInfo(
        name, f"torchvision {name} IMAGENET1K_V1 (timm: {name}.tv_in1k)", "BSD-3-Clause", IMAGENET_MEAN, IMAGENET_STD,
        build,
    )  # fmt: skip


def _timm(name: str, timm_name: str) -> BackboneInfo:
    import timm

    given = timm.models.get_pretrained_cfg(timm_name)
    mean, std = (tuple(given.mean), tuple(given.std)) if given else (IMAGENET_MEAN, IMAGENET_STD)
    weights = f"timm {timm_name.partition('.')[0]}.{given.tag}" if given and given.tag else f"timm {timm_name}"
    licence = (given and given.license) or "not stated: see the model's page"
    return BackboneInfo(
        name, weights, licence, mean, std, lambda pretrained: TimmFeatures(timm_name, pretrained=pretrained)
    )


def _wsl() -> BackboneInfo:
    """ResNeXt trained on Instagram's hashtags: Mahajan et al., 2018, arXiv:1805.00932; not for commercial use."""
    info = _timm("resnext101_32x8d_wsl", "resnext101_32x8d.fb_wsl_ig1b_ft_in1k")
    return replace(info, licence="CC BY-NC 4.0 (no commercial use)")


_NAMED: dict[str, Callable[[], BackboneInfo]] = {
    **{name: partial(_resnet, name) for name in ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152")},
    "resnext101_32x8d_wsl": _wsl,
}


def _feature_maps(name: str) -> Any:
    import timm

    try:
        return timm.create_model(name, pretrained=False, features_only=True)
    except (RuntimeError, AttributeError, AssertionError, TypeError) as error:
        raise InputError(f"--base {name}: expected a model with feature maps, timm offers none ({error})") from error


def _end_at_last_map(body: Any) -> None:
    """Leave nothing in a timm network that learns and has no part in its maps; most end at the last one already.

    DistributedDataParallel waits for the gradient of every weight that requires one.
    """
    from timm.models._features import FeatureListNet
    from timm.models.efficientnet import EfficientNetFeatures
    from timm.models.mobilenetv3 import MobileNetV3Features

    if isinstance(body, EfficientNetFeatures | MobileNetV3Features):
        last = int(body.feature_info.module_name()[-1].split(".")[1])  # such as blocks.4
        body.blocks = body.blocks[: last + 1]
    elif not isinstance(body, FeatureListNet):
        for parameter in _without_gradient(body):
            parameter.requires_grad_(False)


def _without_gradient(body: nn.Module) -> list[nn.Parameter]:
    """Return the parameters on which the maps do not depend, found on tensors without values."""
    named = {**dict(body.named_parameters()), **dict(body.named_buffers())}
    sketch = {
        name: torch.empty_like(each, device="meta").requires_grad_(each.requires_grad) for name, each in named.items()
    }
    maps = torch.func.functional_call(body, sketch, (torch.zeros(2, 3, 64, 64, device="meta"),))
    names = [name for name, parameter in body.named_parameters() if parameter.requires_grad]
    total = torch.stack([each.sum() for each in maps]).sum()
    gradients = torch.autograd.grad(total, [sketch[name] for name in names], allow_unused=True)
    return [body.get_parameter(name) for name, gradient in zip(names, gradients, strict=True) if gradient is None]


def _without_cut_off(backbone: Any, state: dict[str, Any], prefix: str, *_: Any) -> None:
    """Drop weights of what comes after the last map: checkpoints of before it was cut off hold them."""
    for name in backbone.cut_off:
        state.pop(f"{prefix}body.{name}", None)


def _modules_until_stride_4(sketch: Any) -> list[str]:
    """Return the first modules of a `FeatureListNet`, to the one whose map has stride 4; none where it has none."""
    stride4 = [info["module"] for info in sketch.feature_info.get_dicts() if info["reduction"] == 4]
    names = [name for name, _ in sketch.named_children()]
    ends = [i for i, name in enumerate(names) if stride4 and name == stride4[0].replace(".", "_")]
    return names[: ends[0] + 1] if ends else []
