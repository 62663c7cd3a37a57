"""Both stages on a device, as small as possible: trained, stopped, resumed, and applied.

    PYTHONPATH=. python benchmarks/gpu_smoke.py DATA_ROOT [--device cuda]

DATA_ROOT contains books of `kuzushiji.demo`. Each stage is stopped by SIGTERM after its second update. Prints JSON:
which stages succeeded, with which number format, or the error that ended one.
"""

import argparse
import contextlib
import io
import json
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

from kuzushiji.classify.main import main as classify
from kuzushiji.engine.signals import Stopped
from kuzushiji.engine.update import WeightUpdate
from kuzushiji.files import read_json
from kuzushiji.segment.main import main as segment

SEGMENT = """--n-folds 2 --model fasterrcnn_resnet18_fpn --pretrained 0 --long-side 512 --crop-width 128
    --crop-height 128 --crop-min-height 128 --crop-max-height 128 --epochs 2 --repeat-train-step 1 --batch-size 2
    --warmup-steps 2 --score-threshold 0.05 --ema 0.9 --clip-grad 1 --with-test 1 --workers 2 --benchmark 1"""
CLASSIFY = """--n-folds 2 --base resnet10t --pretrained 0 --head-size 16 --test-height 512 --crop-width 128
    --crop-height 128 --epochs 2 --repeat-train 2 --batch-size 2 --n-tta 2 --ema 0.9 --clip-grad 1 --optimizer adamw
    --head-start-epochs 1 --with-test 1 --save-features 1 --workers 2 --benchmark 1"""


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data_root", type=Path)
    parser.add_argument("--device", default="auto")
    return parser


def interrupted(main: Callable[[Sequence[str]], int], words: Sequence[str]) -> None:
    """Run a stage, stop it after its second update, and go on."""
    finish, numbers = WeightUpdate.finish, iter(range(1, 1 << 30))

    def stopping(update: WeightUpdate) -> None:
        finish(update)
        if next(numbers) == 2:
            signal.raise_signal(signal.SIGTERM)

    with contextlib.suppress(Stopped), mock.patch.object(WeightUpdate, "finish", stopping):
        main(words)
        raise SystemExit("expected the run to be stopped, it went on")
    main(words)


def run(args: argparse.Namespace, folder: Path, level: str) -> dict[str, Any]:
    """Run both stages with a level of precision; return what each did."""
    result: dict[str, Any] = {}
    root = args.data_root
    machine = ["--device", args.device, "--opt-level", level, "--data-root", str(root)]
    boxes = [str(root / "train.csv"), "--test-boxes", str(root / "solution.csv")]
    for name, main, words in (
        ("segment", segment, SEGMENT.split()),
        ("classify", classify, [*boxes, *CLASSIFY.split()]),
    ):
        output = folder / f"{name}-{level}"
        started = time.monotonic()
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                interrupted(main, [*words, *machine, "--output-dir", str(output)])
            metrics = read_json(output / "metrics-oof.json")
            result[name] = {"precision": metrics["precision"], "f1": metrics["f1"]}
        except Exception as error:  # the other stage and level are still worth a run
            result[name] = {"failed": f"{type(error).__name__}: {error}".splitlines()[0]}
        result[name]["seconds"] = round(time.monotonic() - started, 1)
    return result


def main(argv: Sequence[str] | None = None) -> int:
    """Run and print; return 1 where a stage failed."""
    args = get_parser().parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        results = {level: run(args, Path(folder), level) for level in ("O1", "O0")}
    print(json.dumps(results))
    return int(any("failed" in stage for stages in results.values() for stage in stages.values()))


if __name__ == "__main__":
    sys.exit(main())
