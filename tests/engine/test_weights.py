"""Weights from files made here: all layers that should be filled are, or the message names those that are not."""

import urllib.error
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torchvision.models import resnet18

from kuzushiji.engine.weights import from_8_bits, in_8_bits, load_weights, pretrained_or_explain, read_state
from kuzushiji.errors import InputError


def net() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))


def write(path, state):
    if path.suffix == ".safetensors":
        save_file({name: value.contiguous() for name, value in state.items()}, path)
    else:
        torch.save(state, path)
    return path


@pytest.mark.parametrize("name", ["w.safetensors", "w.pth", "w.pt"])
@pytest.mark.parametrize("prefix", ["", "module.", "body.", "backbone.body.", "module.backbone."])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_fills_everything(tmp_path, name, prefix, dtype):
    torch.manual_seed(0)
    source, target = net().to(dtype), net()
    state = {prefix + key: value for key, value in source.state_dict().items()} | {"fc.weight": torch.ones(2, 2)}
    load_weights(target, write(tmp_path / name, state), architecture="net")
    for key, value in target.state_dict().items():
        torch.testing.assert_close(value, source.state_dict()[key].to(value.dtype))
    assert target[0].weight.dtype == torch.float32


@pytest.mark.parametrize("container", ["model", "state_dict"])
def test_a_state_within_a_checkpoint(tmp_path, container):
    source, target = net(), net()
    torch.save({container: source.state_dict(), "epoch": 3}, tmp_path / "w.pth")
    load_weights(target, tmp_path / "w.pth", architecture="net")
    torch.testing.assert_close(target.state_dict(), source.state_dict())


def test_a_whole_resnet_into_one_without_its_last_layer(tmp_path):
    whole = resnet18()
    cut = nn.Sequential()
    for name in ("conv1", "bn1", "layer1", "layer2", "layer3"):
        cut.add_module(name, getattr(resnet18(), name))
    path = write(tmp_path / "w.safetensors", whole.state_dict())
    load_weights(cut, path, architecture="resnet18", cut_off=("layer4.",))
    torch.testing.assert_close(cut.layer3.state_dict(), whole.layer3.state_dict())


def test_names_can_be_translated(tmp_path):
    state = {f"stem{key}": value for key, value in net().state_dict().items()}
    path = write(tmp_path / "w.pth", state)
    load_weights(net(), path, architecture="net", rename=lambda name: name.removeprefix("stem"))


def test_files_from_before_batch_norm_counted(tmp_path):
    source, target = net(), net()
    state = {key: value for key, value in source.state_dict().items() if "num_batches" not in key}
    load_weights(target, write(tmp_path / "w.pth", state), architecture="net")
    torch.testing.assert_close(target.state_dict(), source.state_dict())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: {k: v for k, v in s.items() if k != "1.bias"}, "expected weights of net, got a file without 1.bias"),
        (lambda s: {"x": torch.ones(1)}, r"a file without 0.weight, 0.bias, 1.weight and 3 more"),
        (lambda s: s | {"0.bias": torch.ones(5)}, r"other shapes for 0.bias \(\(5,\) instead of \(4,\)\)"),
        (lambda s: s | {"layer4.x": torch.ones(1)}, r"layers that it does not have: layer4.x"),
        (lambda s: s | {"0.bias": 3}, r"expected named tensors, got something else under '0.bias'"),
        (lambda s: [1, 2], r"expected named tensors, got list"),
        (lambda s: {}, r"expected named tensors, got dict"),
    ],
)
def test_refuses_weights_of_another_architecture(tmp_path, change, message):
    target = net()
    before = {key: value.clone() for key, value in target.state_dict().items()}
    torch.save(change(net().state_dict()), tmp_path / "w.pth")
    with pytest.raises(InputError, match=f"w.pth: .*{message}"):
        load_weights(target, tmp_path / "w.pth", architecture="net")
    torch.testing.assert_close(target.state_dict(), before)  # nothing was half filled


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("w.safetensors", b"\x00" * 20, "expected a safetensors file, got a damaged or foreign one"),
        ("w.safetensors", b"", "expected a safetensors file, got a damaged or foreign one"),
        ("w.safetensors", None, "cannot be read"),
        ("w.pth", b"junk", "damaged"),
        ("w.pth", None, "cannot be read"),
    ],
)
def test_damaged_and_missing_files(tmp_path, name, content, message):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=f"{name}: .*{message}"):
        read_state(path)


class _HttpError(Exception):
    """As the client of huggingface_hub raises: not an OSError."""


_HttpError.__module__ = "httpx2._exceptions"


@pytest.mark.parametrize(
    "error",
    [
        urllib.error.URLError("no route to host"),  # torch.hub
        FileNotFoundError("not in the local cache"),  # huggingface_hub, offline
        ConnectionError("refused"),
        TimeoutError("slow"),
        _HttpError("proxy"),
        RuntimeError('invalid hash value (expected "abc", got "def")'),  # torch.hub, a broken download
    ],
)
def test_failed_downloads_name_the_weights_and_the_way_round(error):
    def load():
        raise error

    with pytest.raises(InputError, match=r"weights resnet152.tv_in1k: .*--weights FILE.*--pretrained 0"):
        pretrained_or_explain(load, "resnet152.tv_in1k")


def test_faults_of_the_program_keep_their_traceback():
    def load():
        raise RuntimeError("size mismatch")

    with pytest.raises(RuntimeError, match="size mismatch"):
        pretrained_or_explain(load, "x")
    assert pretrained_or_explain(lambda: 3, "x") == 3


def test_what_a_download_tells_is_no_result(capsys):
    """torch.hub writes `Downloading: "..."` on standard output, which is that of results."""
    assert pretrained_or_explain(lambda: print("Downloading: x") or 3, "x") == 3
    assert capsys.readouterr() == ("", "Downloading: x\n")


def test_8_bits_keep_each_row_to_a_hundredth_of_its_largest_value() -> None:
    torch.manual_seed(0)
    state = {
        "kernel": torch.randn(4, 3, 2, 2) * torch.tensor([1e-3, 1.0, 50.0, 0.0]).reshape(4, 1, 1, 1),
        "bias": torch.randn(4), "count": torch.tensor(7),
    }  # fmt: skip
    packed = in_8_bits(state)
    assert packed["kernel"].dtype == torch.int8
    back = from_8_bits(packed)
    assert list(back) == list(state)
    assert torch.equal(back["bias"], state["bias"]) and torch.equal(back["count"], state["count"])
    error = (back["kernel"] - state["kernel"]).flatten(1).abs().amax(dim=1)
    assert (error <= state["kernel"].flatten(1).abs().amax(dim=1) / 200).all()


def test_8_bits_in_a_file_are_read_as_weights(tmp_path: Path) -> None:
    state = {"kernel": torch.tensor([[1.0, -0.5], [0.25, 0.125]])}
    save_file(in_8_bits(state), tmp_path / "w.safetensors")
    assert torch.allclose(read_state(tmp_path / "w.safetensors")["kernel"], state["kernel"], atol=0.005)
