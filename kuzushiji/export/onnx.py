"""A detector and a classifier as ONNX graphs, compared with what they are made from.

Both take pages of any size: the detector a picture (3, h, w) uint8 RGB, already scaled, and gives boxes (n, 4) xyxy and
scores (n,); the classifier pictures (1, h, w, 3) uint8 RGB and rois (n, 5), and gives logits (n, classes).
"""

import copy
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torchvision.models.detection.image_list import ImageList

from kuzushiji.bundle.models import Classifier, Detector
from kuzushiji.classify.models import RowsLinear
from kuzushiji.errors import InputError
from kuzushiji.export.sample import sample_page
from kuzushiji.files import atomic_path

OPSET = 17
"""The oldest set of operators with all that the two networks need (RoI align with half pixels came with 16)."""

_STRIDE = 64
_COMPARED_BOXES = 40


class InexpressibleError(Exception):
    """ONNX has no operator for something that a network does."""


@dataclass(frozen=True)
class Comparison:
    """An ONNX graph beside the network that it was made from, both in float32 on the CPU.

    Attributes:
        file: The graph's file name.
        model: Name of the network.
        compared: What was compared.
        max_difference: Largest absolute difference by output; empty where the outputs do not correspond.
    """

    file: str
    model: str
    compared: str
    max_difference: dict[str, float]

    def as_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return asdict(self)


def require_onnx() -> None:
    """Check that the optional packages are there.

    Raises:
        InputError: one is missing.
    """
    import importlib.util

    for name in ("onnx", "onnxruntime"):
        if importlib.util.find_spec(name) is None:
            raise InputError(
                f"--onnx 1: expected the package {name}, it is not installed: pip install onnx onnxruntime"
            )


def export_detector(detector: Detector, path: Path) -> Comparison:
    """Write a detector as ONNX and compare both on a page.

    Raises:
        InexpressibleError: ONNX lacks an operator.
        InputError: the file cannot be written.
    """
    model = copy.deepcopy(detector.model).to(memory_format=torch.contiguous_format)
    model.transform = _PadTraced(model.transform)
    whole = _OnePicture(model).eval()
    picture = torch.from_numpy(np.ascontiguousarray(sample_page(detector.spec.long_sides[0]).transpose(2, 0, 1)))
    axes = {"picture": {1: "height", 2: "width"}, "boxes": {0: "n"}, "scores": {0: "n"}}
    _export(whole, (picture,), path, ["picture"], ["boxes", "scores"], axes)
    other = picture[:, : -picture.shape[1] // 4]  # not the size that the graph was made with
    found = _run(path, {"picture": other.numpy()})
    with torch.inference_mode():
        (expected,) = detector.model([other])
    return _compare(
        path, detector.spec.name, "boxes", ("boxes", "scores"), [expected["boxes"], expected["scores"]], found
    )


def export_classifier(classifier: Classifier, path: Path) -> Comparison:
    """Write a classifier as ONNX and compare both on a page.

    Raises:
        InexpressibleError: ONNX lacks an operator.
        InputError: the file cannot be written.
    """
    model = copy.deepcopy(classifier.model).to(memory_format=torch.contiguous_format)
    model.head = nn.Sequential(*map(_any_rows, model.head))
    picture = torch.from_numpy(sample_page(classifier.spec.heights[0]))[None]
    axes = {"pictures": {1: "height", 2: "width"}, "rois": {0: "n"}, "logits": {0: "n"}}
    names = ["pictures", "rois"]
    _export(model.eval(), (picture, _rois(picture, 3)), path, names, ["logits"], axes)
    other = picture[:, : -picture.shape[1] // 4].contiguous()
    rois = _rois(other, _COMPARED_BOXES)
    found = _run(path, {"pictures": other.numpy(), "rois": rois.numpy()})
    with torch.inference_mode():
        expected = classifier.model(other, rois)
    return _compare(path, classifier.spec.name, "boxes", ("logits",), [expected], found)


class _OnePicture(nn.Module):
    """A detector whose input and outputs are tensors."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, picture: Tensor) -> tuple[Tensor, Tensor]:
        (found,) = self.model([picture])
        return found["boxes"], found["scores"]


class _PadTraced(nn.Module):
    """`detection.faster_rcnn.PadAndNormalize` for a single picture whose size the graph may vary."""

    def __init__(self, transform: Any) -> None:
        super().__init__()
        self.transform = transform

    def forward(self, pictures: list[Tensor], targets: None = None) -> tuple[ImageList, None]:
        (picture,) = pictures
        values = (picture.float() / 255 - self.transform.mean) / self.transform.std
        height, width = picture.shape[-2:]
        padded = nn.functional.pad(values, (0, -width % _STRIDE, 0, -height % _STRIDE))
        size = torch._shape_as_tensor(picture)[-2:]
        return ImageList(padded[None], [(size[0], size[1])]), targets

    def postprocess(self, detections: Any, _batch_sizes: Any, _picture_sizes: Any) -> Any:
        return detections


def _any_rows(layer: nn.Module) -> nn.Module:
    """Return a layer for any number of rows: `RowsLinear` pads to a number that a graph would keep."""
    if not isinstance(layer, RowsLinear):
        return layer
    plain = nn.Linear(layer.in_features, layer.out_features)
    plain.load_state_dict(layer.state_dict())
    return plain


def _rois(pictures: Tensor, n: int) -> Tensor:
    """Return n boxes of some sizes within the picture (1, h, w, 3)."""
    height, width = pictures.shape[1:3]
    rng = np.random.default_rng(0)
    size = rng.uniform(0.02, 0.1, (n, 1)) * height
    start = rng.uniform(0, 0.85, (n, 2)) * np.array([width, height])
    rois = np.concatenate([np.zeros((n, 1)), start, start + size], axis=1)
    return torch.from_numpy(rois.astype(np.float32))


def _export(
    model: nn.Module,
    inputs: tuple[Tensor, ...],
    path: Path,
    input_names: Sequence[str],
    output_names: Sequence[str],
    dynamic_axes: dict[str, dict[int, str]],
) -> None:
    with atomic_path(path) as temporary, _quiet():
        try:
            with torch.no_grad():
                # The exporter by tracing: the other one has no rules for what depends on the number of boxes found.
                torch.onnx.export(
                    model, inputs, str(temporary), dynamo=False, opset_version=OPSET, input_names=list(input_names),
                    output_names=list(output_names), dynamic_axes=dynamic_axes,
                )  # fmt: skip
        except (RuntimeError, torch.onnx.errors.OnnxExporterError) as error:
            reason = " ".join(str(error).split())[:160]
            raise InexpressibleError(f"{path.name}: not written, ONNX cannot express the network ({reason})") from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep back what the exporter says of itself and of traced Python values: the comparison is what counts."""
    level = logging.getLogger("torch.onnx").level
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.getLogger("torch.onnx").setLevel(level)


def _run(path: Path, inputs: dict[str, NDArray[Any]]) -> list[NDArray[Any]]:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return list(session.run(None, inputs))


def _compare(
    path: Path, model: str, unit: str, names: Sequence[str], expected: Sequence[Tensor], found: Sequence[NDArray[Any]]
) -> Comparison:
    pairs = [(name, value.numpy(), other) for name, value, other in zip(names, expected, found, strict=True)]
    if any(value.shape != other.shape for _, value, other in pairs):
        counts = f"{len(pairs[0][1])} {unit} by PyTorch, {len(pairs[0][2])} by onnxruntime"
        return Comparison(path.name, model, counts, {})
    difference = {name: float(np.abs(value - other).max(initial=0)) for name, value, other in pairs}
    return Comparison(path.name, model, f"{len(pairs[0][1])} {unit}", difference)
