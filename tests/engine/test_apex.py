"""NVIDIA apex, a recorder in its place: what is called when, and what is refused."""

import sys
import types
from contextlib import contextmanager

import pytest
import torch
from torch import nn

from detection.faster_rcnn import DetectorConfig, build_detector
from kuzushiji.classify import network
from kuzushiji.classify.network import ModelConfig, build_model
from kuzushiji.engine.assembly import assemble
from kuzushiji.engine.checkpoint import load_checkpoint, save_checkpoint
from kuzushiji.engine.optim import build_optimizer
from kuzushiji.engine.precision import ApexPrecision, Precision
from kuzushiji.engine.update import WeightUpdate
from kuzushiji.errors import InputError

CPU = torch.device("cpu")


class Recorder(types.ModuleType):
    """Does to a model what apex does, as far as the CPU can, and notes the calls."""

    def __init__(self) -> None:
        super().__init__("apex.amp")
        self.calls: list[object] = []
        self.scale = 8.0

    def initialize(self, model, optimizer, *, opt_level, verbosity):
        self.calls.append(("initialize", opt_level))
        if opt_level in ("O2", "O3"):
            for module in model.modules():
                if opt_level == "O3" or not isinstance(module, nn.modules.batchnorm._BatchNorm):
                    for tensor in (*module.parameters(recurse=False), *module.buffers(recurse=False)):
                        tensor.data = to_half(tensor.data)
            forward, zero_grad = model.forward, optimizer.zero_grad
            model.forward = lambda *arguments: forward(*(cast(argument, to_half) for argument in arguments))
            optimizer.zero_grad = lambda: zero_grad()  # master weights have one that takes no arguments
        return model, optimizer

    @contextmanager
    def scale_loss(self, loss, optimizer):
        self.calls.append("scale_loss")
        parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        before = [parameter.grad for parameter in parameters]  # as apex does: what is there already is not unscaled
        for parameter in parameters:
            parameter.grad = None
        yield loss * self.scale
        for parameter, kept in zip(parameters, before, strict=True):
            if parameter.grad is not None:
                parameter.grad = parameter.grad / self.scale + (0 if kept is None else kept)

    def state_dict(self):
        return {"loss_scaler0": {"loss_scale": self.scale, "unskipped": 3}}

    def load_state_dict(self, state):
        self.scale = state["loss_scaler0"]["loss_scale"]


def to_half(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.half() if tensor.is_floating_point() else tensor


def cast(value, function):
    """As `applier` of apex does: through lists and dicts."""
    if isinstance(value, torch.Tensor):
        return function(value)
    if isinstance(value, dict):
        return {key: cast(each, function) for key, each in value.items()}
    return [cast(each, function) for each in value] if isinstance(value, list) else value


@pytest.fixture
def amp(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    recorder = Recorder()
    package = types.ModuleType("apex")
    package.__path__ = []  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "apex", package)
    monkeypatch.setitem(sys.modules, "apex.amp", recorder)
    return recorder


def test_calls_of_an_update(amp):
    torch.manual_seed(0)
    model, expected = nn.Linear(2, 1), nn.Linear(2, 1)
    expected.load_state_dict(model.state_dict())
    x = torch.tensor([[1.0, 2.0], [3.0, -1.0]])
    for net, precision in ((model, ApexPrecision("O1", CPU)), (expected, Precision(CPU))):
        optimizer = build_optimizer(net.parameters(), "sgd", 0.1)
        net, optimizer = assemble(net, optimizer, precision)
        update = WeightUpdate(optimizer, precision, max_grad_norm=1.0)
        for row in x:
            with precision.autocast():
                update.add(net(row).square().sum(), 1)
        update.finish()
    assert amp.calls == [("initialize", "O1"), "scale_loss", "scale_loss"]
    torch.testing.assert_close(model.state_dict(), expected.state_dict())


def test_its_scale_is_a_part_of_the_checkpoint(amp, tmp_path):
    amp.scale = 32.0
    save_checkpoint(tmp_path / "c.pth", {"scaler": ApexPrecision("O1", CPU).scaler}, {})
    amp.scale = 1.0
    ApexPrecision("O1", CPU).scaler.load_state_dict(load_checkpoint(tmp_path / "c.pth")["scaler"])
    assert amp.scale == 32.0


@pytest.mark.parametrize("level", ["O2", "O3"])
def test_models_whose_weights_are_float16(amp, level):
    """Where coordinates and losses are computed numbers stay float32, whatever the weights are."""
    classifier = build_model(ModelConfig("resnet18", head_size=8), 5, pretrained=False)
    precision = ApexPrecision(level, CPU)
    classifier, _ = precision.prepare(classifier, build_optimizer(classifier.parameters(), "sgd", 0.1))
    rois = torch.tensor([[0.0, 5, 5, 40, 40], [0.0, 20, 20, 60, 60]])
    logits = classifier(torch.zeros(1, 64, 64, 3, dtype=torch.uint8), rois)
    assert logits.dtype == torch.float32 and torch.isfinite(logits).all()
    detector = build_detector(DetectorConfig("resnet18", fpn_channels=8, box_head_size=8, norm="batch"))
    detector, _ = precision.prepare(detector, build_optimizer(detector.parameters(), "sgd", 0.1))
    targets = [{"boxes": torch.tensor([[8.0, 8, 30, 30]]), "labels": torch.ones(1, dtype=torch.int64)}]
    losses = detector([torch.zeros(3, 64, 64, dtype=torch.uint8)], targets)
    assert all(loss.dtype == torch.float32 and torch.isfinite(loss) for loss in losses.values())


@pytest.mark.parametrize("level", ["O2", "O3"])
def test_an_update_of_weights_that_are_float16(amp, level):
    model = nn.Linear(2, 1)
    precision = ApexPrecision(level, CPU)
    model, optimizer = assemble(model, build_optimizer(model.parameters(), "sgd", 0.1), precision)
    before = model.weight.detach().clone()
    update = WeightUpdate(optimizer, precision)
    for _ in range(2):
        update.add(model(torch.ones(1, 2, dtype=torch.float16)).float().sum(), 1)
        update.finish()
    assert model.weight.dtype == torch.float16 and not torch.equal(model.weight, before)


@pytest.mark.parametrize("level", ["O2", "O3"])
def test_boxes_are_not_cast_with_the_pictures(amp, level, monkeypatch):
    """In float16 1000.3 is 1000.5."""
    precision, seen = ApexPrecision(level, CPU), []
    classifier = build_model(ModelConfig("resnet18", head_size=8), 5, pretrained=False)
    classifier, _ = precision.prepare(classifier, build_optimizer(classifier.parameters(), "sgd", 0.1))
    align = network.roi_align
    monkeypatch.setattr(network, "roi_align", lambda maps, rois, **how: seen.append(rois) or align(maps, rois, **how))
    rois = torch.tensor([[0.0, 5, 1000.3, 40, 1020.1], [0.0, 20, 20.7, 60, 60]])
    classifier(torch.zeros(1, 1024, 64, 3, dtype=torch.uint8), rois)
    detector = build_detector(DetectorConfig("resnet18", fpn_channels=8, box_head_size=8, norm="batch"))
    detector, _ = precision.prepare(detector, build_optimizer(detector.parameters(), "sgd", 0.1))
    detector.roi_heads.register_forward_pre_hook(lambda _, arguments: seen.append(arguments[3][0]["boxes"]))
    boxes = torch.tensor([[8.0, 1000.3, 30, 1020.1]])
    targets = [{"boxes": boxes, "labels": torch.ones(1, dtype=torch.int64)}]
    detector([torch.zeros(3, 1024, 64, dtype=torch.uint8)], targets)
    assert len(seen) == 3
    assert all(torch.equal(each, expected) for each, expected in zip(seen, (rois, rois, boxes), strict=True))


def unrelated_package() -> types.ModuleType:
    """The one that PyPI gives to whoever asks it for apex: no `amp` in it."""
    package = types.ModuleType("apex")
    package.__path__ = []  # type: ignore[attr-defined]
    package.__spec__ = types.SimpleNamespace(loader=None)  # type: ignore[assignment]
    return package


def test_an_unrelated_package_of_that_name(monkeypatch):
    monkeypatch.setitem(sys.modules, "apex", unrelated_package())
    with pytest.raises(InputError, match="expected NVIDIA apex .* got an unrelated package of that name"):
        ApexPrecision("O1", CPU)


def test_a_module_without_what_is_needed(monkeypatch):
    monkeypatch.setitem(sys.modules, "apex", unrelated_package())
    monkeypatch.setitem(sys.modules, "apex.amp", types.ModuleType("apex.amp"))
    with pytest.raises(InputError, match="got a module without initialize, scale_loss"):
        ApexPrecision("O1", CPU)


def test_none_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "apex", None)
    with pytest.raises(InputError, match="expected NVIDIA apex .* use --amp-backend torch"):
        ApexPrecision("O1", CPU)


@pytest.mark.parametrize(
    ("level", "backend", "message"),
    [
        ("O1", "apex", "--amp-backend apex: expected a CUDA device, got cpu"),
        ("O2", "torch", "--opt-level O2: weights in float16 are apex's alone"),
        ("O3", "torch", "expected --amp-backend apex, or O1"),
        ("O1", "tensorflow", "--amp-backend: expected one of torch, apex, got 'tensorflow'"),
    ],
)
def test_refused(level, backend, message):
    with pytest.raises(InputError, match=message):
        Precision.from_level(level, CPU, backend)


def test_float32_needs_no_apex():
    assert type(Precision.from_level("O0", CPU, "apex")) is Precision
