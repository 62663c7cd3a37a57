"""What doctor finds, and what it says of what is missing."""

import json
import shutil
from collections import namedtuple
from pathlib import Path

import pytest

from kuzushiji import doctor, named_models
from kuzushiji.doctor import BROKEN, LACKING, OK, Finding, look, main


def by_name() -> dict[str, Finding]:
    return {item.what: item for item in look()}


def test_this_machine(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--json"]) == 0
    findings = json.loads(capsys.readouterr().out)["findings"]
    names = [item["what"] for item in findings]
    assert names[:8] == [
        "kuzushiji", "Python", "packages", "device", "decoder", "fonts", "disk", "models",
    ]  # fmt: skip
    assert all(item["state"] in (OK, LACKING) for item in findings)
    assert all(bool(item["cost"]) == (item["state"] != OK) for item in findings)


def test_what_is_missing_says_what_it_costs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    find = doctor.find_spec
    monkeypatch.setattr(doctor, "find_spec", lambda name: None if name in ("timm", "tensorboard") else find(name))
    monkeypatch.setattr(named_models, "FOLDER", tmp_path)
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10e9, 9e9, 1e9))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("HF_HOME", str(tmp_path))

    def broken() -> Finding:
        raise OSError("libtorch.so: cannot open shared object file")

    monkeypatch.setattr(doctor, "_device", broken)
    found = by_name()
    assert (found["packages"].state, found["packages"].cost) == (BROKEN, "pip install -r requirements.txt")
    assert found["packages"].found == "without timm"
    assert found["device"].state == BROKEN and "libtorch.so" in found["device"].found
    assert found["models"].state == LACKING and "--models" in found["models"].cost
    assert found["disk"].state == LACKING and found["tensorboard"].state == LACKING
    assert found["published weights"].state == LACKING
    assert main([]) == 1
    assert "pip install -r requirements.txt" in capsys.readouterr().out
