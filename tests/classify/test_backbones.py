"""Backbones: names, strides, and weights from files made here."""

import re
from pathlib import Path

import pytest
import timm
import torch
import torchvision
from safetensors.torch import save_file

from kuzushiji.classify.backbones import backbone_info, build_backbone
from kuzushiji.classify.network import ModelConfig, build_model
from kuzushiji.engine.checkpoint import save_checkpoint
from kuzushiji.errors import InputError
from tests.published import assert_filled, without_random_start, write_published


@pytest.mark.parametrize(
    ("name", "channels"),
    [
        ("resnet18", (128, 256)),
        ("resnet50", (512, 1024)),
        ("resnet10t", (128, 256)),  # timm, with its norms between
        ("hgnetv2_b0", (256, 512)),  # timm, whose stages are flattened: stages_0 for stages.0
        ("convnext_atto", (80, 160)),  # timm, whose maps begin at stride 4
    ],
)
def test_maps_have_stride_8_and_16(name: str, channels: tuple[int, int]) -> None:
    with torch.device("meta"):
        backbone = build_backbone(name, pretrained=False).eval()
        stride8, stride16 = backbone(torch.zeros(1, 3, 64, 96))
    assert backbone.channels == channels
    assert stride8.shape == (1, channels[0], 8, 12)
    assert stride16.shape == (1, channels[1], 4, 6)
    assert all(backbone.get_submodule(start) for start in backbone.start)


NAMED = [
    *("resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "resnext101_32x8d_wsl"),
    *("resnet10t", "convnext_small.fb_in22k_ft_in1k", "tf_efficientnetv2_m.in21k_ft_in1k"),  # of profiles
    *("mobilenetv4_conv_small", "hrnet_w18_small", "vovnet39a"),  # timm's other ways to make feature maps
]


@pytest.mark.parametrize("name", NAMED)
def test_every_weight_that_learns_has_a_gradient(name: str) -> None:
    """Else several processes fail in their second step, and what comes after the last map is computed in vain."""
    with torch.device("meta"):
        backbone = build_backbone(name, pretrained=False)
    stride8, stride16 = backbone(torch.zeros(2, 3, 64, 64, device="meta"))
    (stride8.sum() + stride16.sum()).backward()
    without = [key for key, each in backbone.named_parameters() if each.requires_grad and each.grad is None]
    assert not without


def test_all_backbones_of_profiles_are_among_them() -> None:
    root = Path(__file__).parents[2]
    used = set(re.findall(r"--base (\S+?)[\s)]", "".join(path.read_text() for path in root.glob("profiles/*.env"))))
    assert used and used <= set(NAMED)


def test_checkpoints_of_before_the_last_stages_were_cut_off() -> None:
    backbone = build_backbone("mobilenetv4_conv_small", pretrained=False)
    whole = timm.create_model("mobilenetv4_conv_small", features_only=True).state_dict()
    state = {f"body.{key}": value for key, value in whole.items()}
    assert set(state) > set(backbone.state_dict())
    backbone.load_state_dict(state)
    with pytest.raises(RuntimeError, match=r"body\.foreign"):
        backbone.load_state_dict({**state, "body.foreign": torch.zeros(1)})


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("resnt18", "did you mean resnet18"),
        ("resnet152.tv_in2k", "did you mean resnet152"),  # a tag that timm has not
        ("vit_base_patch16_224", "feature maps at stride 8 and 16"),
        ("", "expected a backbone"),
    ],
)
def test_unknown_backbones(name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        build_backbone(name, pretrained=False)


def test_what_the_reference_s_names_mean() -> None:
    wsl = backbone_info("resnext101_32x8d_wsl")
    assert "resnext101_32x8d.fb_wsl_ig1b_ft_in1k" in wsl.weights
    assert "CC BY-NC 4.0" in wsl.licence
    resnet = backbone_info("resnet152")
    assert "IMAGENET1K_V1" in resnet.weights and "resnet152.tv_in1k" in resnet.weights
    assert resnet.mean == (0.485, 0.456, 0.406)
    assert backbone_info("convnext_small.fb_in22k_ft_in1k").licence == "apache-2.0"


@pytest.mark.parametrize("name", ["resnet18", "resnet10t", "hgnetv2_b0", "mobilenetv4_conv_small"])
def test_a_published_file_fills_every_layer(tmp_path: Path, name: str) -> None:
    """The file is the whole network's, with its last stage and head; every value of the backbone comes from it."""
    torch.manual_seed(1)
    whole = torchvision.models.resnet18() if name == "resnet18" else timm.create_model(name)
    published = {key: value for key, value in whole.state_dict().items() if not key.endswith("num_batches_tracked")}
    published = {key: torch.rand_like(value) for key, value in published.items()}
    torch.save(published, tmp_path / "weights.pth")
    backbone = build_backbone(name, pretrained=False, weights=tmp_path / "weights.pth")
    from_file = {value.sum().item() for value in published.values()}
    filled = [value for key, value in backbone.state_dict().items() if not key.endswith("num_batches_tracked")]
    assert filled and all(value.sum().item() in from_file for value in filled)


@pytest.mark.parametrize(
    ("name", "published"),
    [
        *((name, name) for name in ("resnet34", "resnet50", "resnet101", "resnet152")),
        ("resnext101_32x8d_wsl", "resnext101_32x8d"),  # under which names of layers Facebook published it
    ],
)
def test_each_of_the_reference_s_backbones_is_filled_to_the_last_layer(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, published: str
) -> None:
    numbers = write_published(tmp_path / "weights.pth", published)
    without_random_start(monkeypatch)
    backbone = build_backbone(name, pretrained=False, weights=tmp_path / "weights.pth")
    assert_filled(backbone.named_as_published, numbers)
    used = set(backbone.named_as_published.state_dict())
    assert {key.split(".")[0] for key in numbers if key not in used} == {"layer4", "fc"}


@pytest.mark.parametrize("name", ["resnet18", "hgnetv2_b0"])
def test_our_own_half_precision_file_fills_every_layer(tmp_path: Path, name: str) -> None:
    source = build_backbone(name, pretrained=False)
    half = {key: value.half() if value.is_floating_point() else value for key, value in source.state_dict().items()}
    save_file(half, tmp_path / "small.safetensors")
    backbone = build_backbone(name, pretrained=False, weights=tmp_path / "small.safetensors")
    for key, value in source.state_dict().items():
        torch.testing.assert_close(backbone.state_dict()[key], value, atol=1e-3, rtol=1e-3)


def test_a_classifier_s_checkpoint_gives_its_backbone(tmp_path: Path) -> None:
    """`--weights model_best.pth`: the backbone of a run on other classes, such as on machine-written books."""
    source = build_model(ModelConfig("resnet18", head_size=8), 3, pretrained=False)
    save_checkpoint(tmp_path / "model_best.pth", {"model": source}, {"stage": "classify.train"})
    backbone = build_backbone("resnet18", pretrained=False, weights=tmp_path / "model_best.pth")
    for key, value in source.backbone.state_dict().items():
        assert torch.equal(backbone.state_dict()[key], value)


def test_weights_of_another_architecture(tmp_path: Path) -> None:
    torch.save(build_backbone("resnet34", pretrained=False).state_dict(), tmp_path / "resnet34.pth")
    with pytest.raises(InputError, match=r"resnet34\.pth: expected weights of resnet18"):
        build_backbone("resnet18", pretrained=False, weights=tmp_path / "resnet34.pth")
    with pytest.raises(InputError, match=r"expected weights of resnet50, got a file without .*conv3"):
        build_backbone("resnet50", pretrained=False, weights=tmp_path / "resnet34.pth")


@pytest.mark.parametrize(
    ("name", "place", "weights"),
    [
        ("resnet18", "torchvision.models.get_model", "resnet18 IMAGENET1K_V1"),
        ("resnet10t", "timm.create_model", "resnet10t.c3_in1k"),
    ],
)
def test_weights_that_cannot_be_downloaded(
    monkeypatch: pytest.MonkeyPatch, name: str, place: str, weights: str
) -> None:
    original = timm.create_model

    def refuse(*args: object, **options: object) -> object:
        if options.get("weights") or options.get("pretrained"):
            raise OSError("Name or service not known")
        return original(*args, **options)

    monkeypatch.setattr(place, refuse)
    with pytest.raises(InputError, match=f"{weights}.*--weights FILE") as caught:
        build_backbone(name, pretrained=True)
    assert "\n" not in str(caught.value)
