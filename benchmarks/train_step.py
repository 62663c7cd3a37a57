"""Steps per second, peak memory and loss curve of classifier training, compared with a plain loop, on any device.

    PYTHONPATH=. python benchmarks/train_step.py [--model resnet152] [--crop 512 768] [--batch-size 10] [--steps 50]

The plain loop is float32 in NCHW: pictures are normalised before they come to the device, torchvision's RoI align reads
the boxes, SGD updates weight by weight, the loss is read at each step. Ours is the engine's: uint8 pictures normalised
on the device, channels last, autocast (`--opt-level O1`), RoI align by rows on the CPU, fused SGD, losses kept on the
device. Same network, weights at the start, crops, boxes, schedule.

Crops are drawn here: paper with noise, on it symbols to tell apart, so that there is something to learn and both losses
can be compared. Each loop runs in a process of its own, in turn, `--rounds` times; the curves are of the first. Prints
JSON (kept in benchmarks/results/). On the CPU of a shared machine, processor seconds
(median over steps) are more reliable than wall time;
`gpu_busy` is the share of time in which a CUDA device computed.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from measure import ROOT, child_environment, machine
from torch import Tensor, nn
from torchvision.ops import roi_align

from kuzushiji.classify.backbones import backbone_info
from kuzushiji.classify.network import ROI_SIZE, SAMPLING_RATIO, ModelConfig, RoIClassifier, build_model
from kuzushiji.engine.assembly import assemble
from kuzushiji.engine.device import peak_memory, resolve_device, set_benchmark
from kuzushiji.engine.optim import build_optimizer
from kuzushiji.engine.precision import Precision, place
from kuzushiji.engine.progress import Losses, Progress, StepOutput
from kuzushiji.engine.update import WeightUpdate

MOMENTUM, WEIGHT_DECAY = 0.9, 1e-4
N_SYMBOLS = 40
SYMBOL = 44
WARM_UP = 3
READ_EVERY = 10


@dataclass(frozen=True)
class Batch:
    """(n, h, w, 3) uint8 pictures, or (n, 3, h, w) floats for the plain loop; (k, 5) rois; (k,) classes."""

    images: Tensor
    rois: Tensor
    classes: Tensor


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="resnet152")
    parser.add_argument("--crop", type=int, nargs=2, default=(512, 768), metavar=("WIDTH", "HEIGHT"))
    parser.add_argument("--batch-size", type=int, default=10)
    parser.add_argument("--boxes", type=int, default=256, help="boxes in a batch")
    parser.add_argument("--classes", type=int, default=4213)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--lr", type=float, default=0.005)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=600, help="end a loop after so many seconds, at a read")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--opt-level", default="O1")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--loop", choices=("plain", "ours"), help=argparse.SUPPRESS)
    return parser


def draw_batches(args: argparse.Namespace) -> list[Batch]:
    """Return ten batches: each box is one of a few symbols on a page with noise."""
    random = np.random.default_rng(0)
    symbols = random.integers(0, 2, (N_SYMBOLS, 4, 4)).repeat(SYMBOL // 4, axis=1).repeat(SYMBOL // 4, axis=2)
    width, height = args.crop
    batches = []
    for _ in range(10):
        images = random.integers(170, 230, (args.batch_size, height, width, 3)).astype(np.uint8)
        picture = random.integers(0, args.batch_size, args.boxes)
        x, y = (random.integers(0, side - SYMBOL, args.boxes) for side in (width, height))
        classes = random.integers(0, min(N_SYMBOLS, args.classes), args.boxes)
        for number, left, top, symbol in zip(picture, x, y, classes, strict=True):
            images[number, top : top + SYMBOL, left : left + SYMBOL][symbols[symbol] == 1] = 40
        rois = np.stack([picture, x, y, x + SYMBOL, y + SYMBOL], axis=1).astype(np.float32)
        batches.append(Batch(*map(torch.from_numpy, (images, rois, classes))))
    return batches


def start(args: argparse.Namespace, device: torch.device) -> RoIClassifier:
    """Return the network with the weights that both loops start from."""
    torch.manual_seed(0)
    config = ModelConfig(args.model, head_dropout=0.0)  # what is dropped would differ by number format
    return build_model(config, args.classes, pretrained=False).to(device)


def normalised(batch: Batch, model: str) -> Batch:
    """Return the batch as the plain loop gets it: normalising is the loader's work there, and is not counted."""
    info = backbone_info(model)
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (info.mean, info.std))
    images = (batch.images.permute(0, 3, 1, 2).float() / 255 - mean) / std
    return Batch(images.contiguous(), batch.rois, batch.classes)


class PlainNetwork(nn.Module):
    """The classifier for pictures that are normalised already."""

    def __init__(self, model: RoIClassifier) -> None:
        """Take the classifier, and lay its convolutions out as PyTorch does by itself."""
        super().__init__()
        self.model = model.to(memory_format=torch.contiguous_format)

    def forward(self, images: Tensor, rois: Tensor) -> Tensor:
        """Return the logits of (n, 3, h, w) floats and rois."""
        cells = [
            roi_align(maps, rois, ROI_SIZE, spatial_scale=1 / stride, sampling_ratio=SAMPLING_RATIO, aligned=True)
            for maps, stride in zip(self.model.backbone(images), (8, 16), strict=True)
        ]
        logits: Tensor = self.model.head(torch.cat(cells, dim=1).flatten(1))
        return logits


Step = Callable[[Batch], None]


def plain_loop(args: argparse.Namespace, device: torch.device, losses: list[float]) -> tuple[Step, Callable[[], None]]:
    """Return the step of the plain loop, and what brings all losses into `losses`: they are there already."""
    model = start(args, device)
    network = PlainNetwork(model).train()
    optimizer = torch.optim.SGD(network.parameters(), lr=args.lr, momentum=MOMENTUM, weight_decay=WEIGHT_DECAY)

    def step(batch: Batch) -> None:
        logits = network(batch.images.to(device), batch.rois.to(device))
        loss = nn.functional.cross_entropy(logits, batch.classes.to(device))
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(loss.item())

    return step, lambda: None


def our_loop(args: argparse.Namespace, device: torch.device, losses: list[float]) -> tuple[Step, Callable[[], None]]:
    """Return the step of the engine's loop, and what reads the losses that wait on the device."""
    precision = Precision.from_level(args.opt_level, device)
    model = place(start(args, device), device)
    optimizer = build_optimizer(
        model.parameters(), "sgd", args.lr, momentum=MOMENTUM, weight_decay=WEIGHT_DECAY
    )  # fmt: skip
    network, optimizer = assemble(model, optimizer, precision, compiled=args.compile)
    network.train()
    update = WeightUpdate(optimizer, precision)
    waiting = Losses("benchmark", Progress())

    def step(batch: Batch) -> None:
        images, rois, classes = (
            item.to(device, non_blocking=True) for item in (batch.images, batch.rois, batch.classes)
        )
        with precision.autocast():
            loss = nn.functional.cross_entropy(network(images, rois), classes)
        waiting.add(StepOutput(loss, len(classes)), len(losses), args.lr)
        update.add(loss, len(classes))
        update.finish()

    def read() -> None:
        losses.extend(waiting.values())
        waiting.read()

    return step, read


def run_loop(args: argparse.Namespace) -> dict[str, Any]:
    """Return what one loop takes, and its losses."""
    device = resolve_device(args.device)
    set_benchmark(True)
    batches = draw_batches(args)
    losses: list[float] = []
    if args.loop == "plain":
        step, read = plain_loop(args, device, losses)
        batches = [normalised(batch, args.model) for batch in batches]
    else:
        step, read = our_loop(args, device, losses)
    if device.type == "cuda":
        batches = [Batch(*(item.pin_memory() for item in (b.images, b.rois, b.classes))) for b in batches]
    started = 0.0
    used: list[float] = []
    for number in range(args.steps + WARM_UP):
        if number % READ_EVERY == WARM_UP:
            read()
            if number > WARM_UP and time.perf_counter() - started > args.seconds:
                break
        if number == WARM_UP:
            started, used = time.perf_counter(), []
        before = time.process_time()
        step(batches[number % len(batches)])
        used.append(time.process_time() - before)
    read()
    done = len(losses) - WARM_UP
    seconds = time.perf_counter() - started
    result = {
        "steps": done,
        "steps_per_second": round(done / seconds, 3),
        "processor_seconds_per_step": round(statistics.median(used), 4),
        **peak_memory(device),
    }
    if device.type == "cuda":
        result["gpu_busy"] = gpu_busy(step, batches)
    return {**result, "losses": [round(loss, 4) for loss in losses]}


def gpu_busy(step: Step, batches: Sequence[Batch]) -> float:
    """Return the share of time in which the device computes."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        started = time.perf_counter()
        for batch in batches:
            step(batch)
        torch.cuda.synchronize()
        seconds = time.perf_counter() - started
    busy = sum(float(event.self_device_time_total) for event in profile.key_averages()) / 1e6
    return round(busy / seconds, 3)


def compare(args: argparse.Namespace, argv: Sequence[str]) -> dict[str, Any]:
    """Run both loops in turn, each in processes of their own, and return what they took."""
    results: dict[str, list[dict[str, Any]]] = {"plain": [], "ours": []}
    for _ in range(args.rounds):
        for loop, runs in results.items():
            command = [sys.executable, str(Path(__file__)), *argv, "--loop", loop]
            done = subprocess.run(command, env=child_environment(), stdout=subprocess.PIPE, check=True, cwd=ROOT)
            runs.append(json.loads(done.stdout))
    curves = {loop: runs[0]["losses"] for loop, runs in results.items()}
    best = {loop: summary(runs) for loop, runs in results.items()}
    on_cpu = resolve_device(args.device).type == "cpu"
    key = "processor_seconds_per_step" if on_cpu else "steps_per_second"
    ratio = best["plain"][key] / best["ours"][key] if on_cpu else best["ours"][key] / best["plain"][key]
    return {
        "model": args.model,
        "crop": list(args.crop),
        "batch_size": args.batch_size,
        "boxes": args.boxes,
        "opt_level": args.opt_level,
        "compile": args.compile,
        "device": machine() if on_cpu else torch.cuda.get_device_name(),
        **best,
        "faster_by": {"by": key, "times": round(ratio, 2)},
        "losses": curves,
    }


def summary(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the best of several rounds: what else the machine did only adds."""
    best = dict(max(runs, key=lambda run: -run["processor_seconds_per_step"]))
    best.pop("losses")
    best["steps_per_second"] = max(run["steps_per_second"] for run in runs)
    return best


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print; return the exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    args = get_parser().parse_args(words)
    print(json.dumps(run_loop(args) if args.loop else compare(args, words)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
