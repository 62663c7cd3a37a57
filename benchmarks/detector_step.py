"""The training step of the detector at the reference's crop and batch, on any device.

    PYTHONPATH=. python benchmarks/detector_step.py --model fasterrcnn_resnet152_fpn [--opt-level O1] [--device cuda]

The stage's own step, on random crops with a grid of boxes: forward, losses, backward, update. Weights are random, the
norms are frozen as with published weights. Prints JSON.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Sequence
from typing import Any

import torch
from measure import machine

from kuzushiji.engine.device import peak_memory, resolve_device, set_benchmark
from kuzushiji.engine.optim import build_optimizer
from kuzushiji.engine.precision import Precision, place
from kuzushiji.engine.update import WeightUpdate
from kuzushiji.segment.dataset import Crop, CropBatch, collate_crops
from kuzushiji.segment.detector import build_model
from kuzushiji.segment.main import Segment
from kuzushiji.segment.train import build_step

WARM_UP = 2


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="fasterrcnn_resnet152_fpn")
    parser.add_argument("--crop", type=int, nargs=2, default=(512, 384), metavar=("WIDTH", "HEIGHT"))
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--seconds", type=float, default=600, help="end after so many seconds")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--opt-level", default="O1")
    return parser


def draw_batch(args: argparse.Namespace) -> CropBatch:
    """Return random crops, each with a box of 24 pixels every 48."""
    width, height = args.crop
    x, y = torch.meshgrid(torch.arange(4, width - 28, 48), torch.arange(4, height - 28, 48), indexing="xy")
    corner = torch.stack([x.flatten(), y.flatten()], dim=1).float()
    boxes_xyxy = torch.cat([corner, corner + 24], dim=1)
    images = torch.randint(0, 256, (args.batch_size, 3, height, width), dtype=torch.uint8)
    return collate_crops([Crop(image, boxes_xyxy, "drawn", seed) for seed, image in enumerate(images)])


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Return how fast steps are."""
    device = resolve_device(args.device)
    set_benchmark(True)
    precision = Precision.from_level(args.opt_level, device)
    words = ["--output-dir", "none", "--model", args.model, "--pretrained", "0", "--norm", "frozen"]
    torch.manual_seed(0)
    model = place(build_model(Segment.parse_args(words)), device).train()
    update = WeightUpdate(build_optimizer(model.parameters(), "sgd", 1e-4), precision)
    step, batch = build_step(model, device), draw_batch(args)
    seconds, used = [], []
    started = time.perf_counter()
    for _ in range(args.steps + WARM_UP):
        before, processor = time.perf_counter(), time.process_time()
        with precision.autocast():
            output = step(batch)
        update.add(output.loss, output.weight)
        update.finish()
        if device.type == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - before)
        used.append(time.process_time() - processor)
        if len(seconds) > WARM_UP and time.perf_counter() - started > args.seconds:
            break
    return {
        "model": args.model,
        "crop": list(args.crop),
        "batch_size": args.batch_size,
        "opt_level": args.opt_level,
        "precision": precision.name,
        "device": torch.cuda.get_device_name() if device.type == "cuda" else machine(),
        "steps": len(seconds) - WARM_UP,
        "seconds_per_step": round(statistics.median(seconds[WARM_UP:]), 4),
        "processor_seconds_per_step": round(statistics.median(used[WARM_UP:]), 4),
        **peak_memory(device),
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print; return the exit code."""
    print(json.dumps(measure(get_parser().parse_args(argv))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
