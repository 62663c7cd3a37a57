"""Published weights before training begins: found in the cache, fetched, or given as files; faults are told at once."""

import json
from pathlib import Path
from urllib.error import URLError

import pytest
import torch
from torchvision.models import resnet18

from kuzushiji.pretrained import main, published_file

BOTH = ["fasterrcnn_resnet18_fpn", "resnet18"]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and no network."""

    def no_network(*_: object, **__: object) -> None:
        raise URLError("no route to host")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("torch.hub.download_url_to_file", no_network)
    return tmp_path / "cache" / "hub" / "checkpoints"


def write(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(resnet18(weights=None).state_dict(), path)
    return path


@pytest.mark.parametrize(
    ("name", "file"),
    [  # those of the profile kaggle, as docs/kaggle.rst names them
        ("fasterrcnn_resnet152_fpn", "resnet152-394f9c45.pth"),
        ("resnet152", "resnet152-394f9c45.pth"),
        ("resnext101_32x8d_wsl", "timm/resnext101_32x8d.fb_wsl_ig1b_ft_in1k/model.safetensors"),
    ],
)
def test_the_file_of_a_network_is_named_as_the_document_names_it(name: str, file: str) -> None:
    assert published_file(name) == file
    document = (Path(__file__).parents[1] / "docs" / "kaggle.rst").read_text(encoding="utf-8")
    assert all(part in document for part in (file.rpartition("/")[0], file.rpartition("/")[2]))


def test_weights_in_the_cache_will_do(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(cache / published_file("resnet18"))
    assert main([*BOTH, "--json"]) == 0
    name = "resnet18-f37072fd.pth"
    assert json.loads(capsys.readouterr().out) == {"weights": dict.fromkeys(BOTH, name), "faults": []}


def test_files_are_looked_into_with_the_stages_own_networks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write(tmp_path / "w.pth")
    assert main([f"{name}={file}" for name in BOTH]) == 0
    assert capsys.readouterr().out.count(str(file)) == 2


def test_every_fault_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing in the cache, another network's file, no file, no such network."""
    file = write(tmp_path / "w.pth")
    assert main(["resnet18", f"resnet34={file}", "resnet50=nowhere.pth", "resnett18"]) == 1
    faults = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert len(faults) == 4
    assert "expected them in the cache or on the network, got neither" in faults[0]
    assert f"{file}: expected weights of resnet34" in faults[1]
    assert faults[2] == "nowhere.pth: expected a file with weights of resnet50, got none"
    assert "--base resnett18: expected a backbone" in faults[3]


def test_what_is_to_be_fetched_is_named(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "kuzushiji")
    assert main(BOTH) == 1
    assert caplog.messages[-1].startswith(
        "published as resnet18-f37072fd.pth; run-all.sh takes files as SEGMENT_WEIGHTS"
    )
