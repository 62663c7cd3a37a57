import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from detection.faster_rcnn import DetectorConfig, build_detector
from kuzushiji import cli
from kuzushiji.classify.classifier import Classifier, meta_of
from kuzushiji.classify.extract_backbone import main
from kuzushiji.classify.network import ModelConfig, build_model
from kuzushiji.data.vocabulary import Vocabulary
from kuzushiji.engine.checkpoint import save_checkpoint
from kuzushiji.engine.weights import load_weights


def save_classifier(folder: Path, base: str) -> tuple[Path, torch.nn.Module]:
    torch.manual_seed(0)
    config = ModelConfig(base=base, head_size=8)
    vocabulary = Vocabulary.from_codes(["U+3042", "U+3044"])
    model = build_model(config, len(vocabulary), pretrained=False)
    path = folder / "model_best.pth"
    save_checkpoint(path, {"model": model}, meta_of(Classifier(model, config, vocabulary, 640)))
    return path, model


@pytest.mark.parametrize("base", ["resnet18", "resnet10t"])  # of torchvision, of timm
def test_a_classifier_starts_from_what_was_taken_out(
    base: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint, trained = save_classifier(tmp_path, base)
    out = tmp_path / "backbone.safetensors"
    assert main([str(checkpoint), str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"backbone": base, "tensors": len(load_file(out))}
    torch.manual_seed(1)
    started = build_model(ModelConfig(base=base, head_size=8), 3, pretrained=False, weights=out)
    expected = {name: value for name, value in trained.state_dict().items() if name.startswith("backbone.")}
    found = started.state_dict()
    assert expected
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-3, atol=1e-6)  # float16 in between


def test_a_detector_starts_from_it_with_its_last_layer_at_random(tmp_path: Path) -> None:
    checkpoint, trained = save_classifier(tmp_path, "resnet18")
    out = tmp_path / "resnet18.safetensors"
    main([str(checkpoint), str(out)])
    body = build_detector(DetectorConfig(backbone="resnet18", norm="batch")).backbone.body
    last = body.layer4[0].conv1.weight.clone()
    load_weights(body, out, architecture="resnet18", lacking=("layer4.",))
    torch.testing.assert_close(
        body.layer3[0].conv1.weight, trained.get_submodule("backbone.layer3.0.conv1").weight, rtol=1e-3, atol=1e-6
    )
    torch.testing.assert_close(body.layer4[0].conv1.weight, last)


def test_another_ending_is_bad_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        cli.run(main, ["model_best.pth", "weights.pth"])
    assert stop.value.code == 2
    assert "ends in .safetensors" in capsys.readouterr().err
