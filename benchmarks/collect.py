"""Joins the results of `gpu.sh`: PIECE.json and PIECE.failed of a folder into benchmarks/results/DEVICE.json."""

import argparse
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from measure import ROOT, machine

from kuzushiji.files import atomic_write_json


def collect(folder: Path) -> dict[str, Any]:
    """Return what each piece printed, or why it failed; `predict_pages.resnet152` becomes a part of `predict_pages`."""
    results: dict[str, Any] = {}
    for path in sorted(folder.glob("*.json")):
        reason = path.with_suffix(".failed")
        text = path.read_text(encoding="utf-8").strip()
        if reason.exists():
            value: Any = {"failed": reason.read_text(encoding="utf-8").strip()}
        elif text.startswith("{"):
            value = json.loads(text)
        else:
            continue  # a piece that only prepares something
        put(results, path.stem.split(".", 1), value)
    for reason in folder.glob("*.failed"):
        if not reason.with_suffix(".json").exists():
            put(results, reason.stem.split(".", 1), {"failed": reason.read_text(encoding="utf-8").strip()})
    return results


def put(results: dict[str, Any], names: Sequence[str], value: Any) -> None:
    """Put a value where its one or two names say."""
    if len(names) == 1:
        results[names[0]] = value
    else:
        results.setdefault(names[0], {})[names[1]] = value


def device_name() -> str:
    """Return the name of the CUDA device, or of the CPU."""
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else f"cpu, {machine()}"


def main(argv: Sequence[str] | None = None) -> int:
    """Join and write; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--name", help="of the device; without it torch is asked")
    args = parser.parse_args(argv)
    name = args.name or device_name()
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    output = args.output or ROOT / "benchmarks" / "results" / f"{slug}.json"
    atomic_write_json(output, {"device": name, **collect(args.folder)})
    print(output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
