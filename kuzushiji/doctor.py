# PYTHON_ARGCOMPLETE_OK
"""What this machine has of what kuzushiji uses: `python -m kuzushiji.doctor`."""

import os
import platform
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from kuzushiji import __version__, cli
from kuzushiji.disks import free_bytes
from kuzushiji.errors import InputError
from kuzushiji.options import json_option
from kuzushiji.stage import Command
from kuzushiji.terminal import format_table, print_result

OK, LACKING, BROKEN = "ok", "lacking", "broken"
_OPTIONAL = {"tensorboard": "--tensorboard is not possible: pip install tensorboard"}
_LITTLE_DISK = 5.0
"""Gigabytes: less than this is too little for a run of any profile but the smallest."""
_JAPANESE = ("cjk", "gothic", "mincho", "hiragino", "ipa", "takao", "noto serif jp", "noto sans jp")
"""Parts of names of fonts that have Japanese characters."""


@dataclass(frozen=True)
class DoctorConfig:
    """What the command line asks for."""

    json: bool = json_option()


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        what: Its name.
        state: `OK`; `LACKING` where something works less well or not at all without it; `BROKEN` where nothing does.
        found: What is there.
        cost: What is not possible or slower; "" where nothing is.
    """

    what: str
    state: str
    found: str
    cost: str = ""


class Doctor(Command):
    """Look at what this machine has: interpreter, packages, device, decoder, fonts, disk, weights.

    What is missing stands there with what it costs. The exit code is 1 where something is broken without which nothing
    works.
    """

    config: DoctorConfig

    def execute(self) -> int:
        """Print a row for each thing."""
        findings = list(look())
        if self.config.json:
            print_result({"findings": [asdict(item) for item in findings]}, as_json=True)
        else:
            rows = [(item.what, item.state, item.found, item.cost) for item in findings]
            print(format_table(("what", "state", "found", "what that costs"), rows))
        return cli.EXIT_FAILED if any(item.state == BROKEN for item in findings) else 0


def look() -> Iterator[Finding]:
    """Yield what is found, one thing after the other; what raises is broken and does not stop the others."""
    yield Finding("kuzushiji", OK, f"{__version__} in {Path(__file__).parent}")
    yield Finding("Python", OK, f"{platform.python_version()}, {sys.executable}")
    looks: dict[str, Callable[[], Finding]] = {
        "packages": _packages, "device": _device, "decoder": _decoder, "fonts": _fonts, "disk": _disk,
        "models": _models, "published weights": _caches,
    }  # fmt: skip
    for what, find in looks.items():
        try:
            yield find()
        except (ImportError, OSError, RuntimeError, InputError) as error:
            yield Finding(what, BROKEN, " ".join(str(error).split())[:120], "expected it to work, it does not")
    for name, cost in _OPTIONAL.items():
        there = find_spec(name) is not None
        yield Finding(name, OK if there else LACKING, metadata.version(name) if there else "", "" if there else cost)


def _packages() -> Finding:
    """Return whether the packages that are always needed are there."""
    needed = (
        "torch", "torchvision", "ignite", "timm", "albumentations", "cv2", "lightgbm", "xgboost", "pandas", "pyarrow",
        "safetensors", "matplotlib", "PIL",
    )  # fmt: skip
    missing = [name for name in needed if find_spec(name) is None]
    if missing:
        return Finding("packages", BROKEN, f"without {', '.join(missing)}", "pip install -r requirements.txt")
    return Finding("packages", OK, f"{len(needed)} of {len(needed)}")


def _device() -> Finding:
    import torch

    from kuzushiji.engine.device import resolve_device
    from kuzushiji.engine.precision import Precision

    device = resolve_device("auto")
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{os.cpu_count()} cores"
    precision = Precision.from_level("auto", device).name
    found = f"torch {torch.__version__}, {device} ({name}), --opt-level auto is {precision}"
    if device.type == "cpu":
        return Finding("device", LACKING, found, "no GPU: the profiles kaggle and modern are out of reach")
    return Finding("device", OK, found)


def _decoder() -> Finding:
    try:
        import jpeg4py

        jpeg4py.JPEG  # noqa: B018
    except (ImportError, OSError):
        return Finding("decoder", OK, "simplejpeg (the system has no libturbojpeg, or jpeg4py is not there)")
    return Finding("decoder", OK, "jpeg4py, with the system's libturbojpeg")


def _fonts() -> Finding:
    from matplotlib import font_manager

    names = sorted({font.name for font in font_manager.fontManager.ttflist})
    found = [name for name in names if any(part in name.lower() for part in _JAPANESE)]
    if found:
        return Finding("fonts", OK, found[0])
    cost = "the viewer shows empty squares unless the browser has a Japanese font; overlays are drawn without fonts"
    return Finding("fonts", LACKING, "none with Japanese characters", cost)


def _disk() -> Finding:
    free = free_bytes(Path())
    if free is None:
        return Finding("disk", OK, f"{Path.cwd()} does not say how much is free")
    found = f"{free / 1e9:.0f} GB free in {Path.cwd()}"
    if free < _LITTLE_DISK * 1e9:
        return Finding("disk", LACKING, found, "a run may not fit: --dry-run of run-all.sh says what it needs")
    return Finding("disk", OK, found)


def _models() -> Finding:
    from kuzushiji.named_models import READER, packaged_models

    names = list(packaged_models())
    if READER in names:
        return Finding("models", OK, ", ".join(names))
    cost = "no reader comes with this package: predict needs --models"
    return Finding("models", LACKING, ", ".join(names) or "none", cost)


def _caches() -> Finding:
    """Return the published weights that lie in the caches of torchvision and timm."""
    import torch

    hub = Path(torch.hub.get_dir()) / "checkpoints"
    cache = Path(os.environ.get("HF_HOME") or "~/.cache/huggingface").expanduser() / "hub"
    found = [path.name for path in sorted(hub.glob("*.pth"))]
    found += [path.name.removeprefix("models--").replace("--", "/") for path in sorted(cache.glob("models--timm--*"))]
    if found:
        return Finding("published weights", OK, ", ".join(found))
    cost = "profiles kaggle and modern fetch them when they begin; without a network: docs/kaggle.rst"
    return Finding("published weights", LACKING, f"none in {hub} and {cache}", cost)


main = Doctor.main

if __name__ == "__main__":
    cli.run(main)
