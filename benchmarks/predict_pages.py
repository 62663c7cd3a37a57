"""Pages per second of a detector or a classifier at real size, on any device.

    PYTHONPATH=. python benchmarks/predict_pages.py --model fasterrcnn_resnet152_fpn [--device cuda] [--output FILE]
    PYTHONPATH=. python benchmarks/predict_pages.py --model resnet152 --n-tta 4 --opt-level O1

This measures the inference of the stage: workers read pages, which are scaled and go through the network, whose weights
are random. That does not change the time of a classifier. A detector keeps every box of any score, so that all its
parts have their full load. Without `--data-root` pages of the competition's usual size are drawn; with it,
its pages are read as often as is needed. The first pages warm up and do not count. Prints JSON; `--output` keeps it.
"""

import argparse
import itertools
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from measure import machine, pages_in

from kuzushiji.classify.inputs import BoxedPage
from kuzushiji.classify.network import ModelConfig
from kuzushiji.classify.network import build_model as build_classifier
from kuzushiji.classify.predict import Predictor
from kuzushiji.engine.device import peak_memory, resolve_device
from kuzushiji.engine.machine import use_threads
from kuzushiji.engine.precision import Precision, place
from kuzushiji.imaging.store import PageStore
from kuzushiji.segment.config import MODELS
from kuzushiji.segment.detector import build_model as build_detector
from kuzushiji.segment.main import Segment
from kuzushiji.segment.predict import find_boxes, page_loader

PAGE_HEIGHT = 3400
PAGE_WIDTHS = (1700, 2700)
"""Pixels of a drawn page: in the middle of the competition's; each has a width of its own, as those have."""

DRAWN = 12
"""Pages that are drawn; they come in turn."""

WARM_UP = 2
N_CLASSES = 4213


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="resnet152", help="fasterrcnn_..._fpn, or a backbone of the classifier")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--opt-level", default="O1")
    parser.add_argument("--pages", type=int, default=20, help="pages that count")
    parser.add_argument("--boxes", type=int, default=190, help="boxes of a page for a classifier; 190 is the mean")
    parser.add_argument("--n-tta", type=int, default=1, help="sizes of a page for a classifier, from 2528 pixels on")
    parser.add_argument("--test-scales", type=float, nargs="+", default=[1.0], help="sizes of a page for a detector")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--threads", type=int, default=0, help="of the network on the CPU; 0: one a core")
    parser.add_argument("--data-root", type=Path)
    parser.add_argument("--output", type=Path)
    return parser


def draw_page(path: Path, random: np.random.Generator) -> None:
    """Write a page of paper with noise and strokes."""
    width = int(random.integers(*PAGE_WIDTHS))
    page = random.integers(190, 225, (PAGE_HEIGHT // 4, width // 4, 3)).astype(np.uint8)
    page = cv2.resize(page, (width, PAGE_HEIGHT))
    for _ in range(1500):
        start = random.integers(0, [width, PAGE_HEIGHT])
        end = start + random.integers(-60, 60, 2)
        cv2.line(page, start.tolist(), end.tolist(), (40, 40, 50), 8)
    cv2.imwrite(str(path), page)


def page_files(args: argparse.Namespace, folder: Path) -> list[Path]:
    """Return the files of all pages that are read; the same page may come more than once."""
    if args.data_root is not None:
        found = pages_in(args.data_root)
    else:
        random = np.random.default_rng(0)
        found = [folder / f"page{number}.jpg" for number in range(min(DRAWN, args.pages))]
        for path in found:
            draw_page(path, random)
    return list(itertools.islice(itertools.cycle(found), args.pages + WARM_UP))


def detected(args: argparse.Namespace, paths: Sequence[Path], precision: Precision) -> Iterator[object]:
    """Yield the boxes of page after page."""
    words = ["--output-dir", "none", "--model", args.model, "--pretrained", "0", "--score-threshold", "0"]
    scales = [str(scale) for scale in args.test_scales]
    config = Segment.parse_args([*words, "--workers", str(args.workers), "--test-scales", *scales])
    model = place(build_detector(config), precision.device).eval()
    for sizes in page_loader(paths, PageStore(), config.inference_long_sides, args.workers, precision.device):
        yield find_boxes(model, sizes, precision)


def classified(args: argparse.Namespace, paths: Sequence[Path], precision: Precision) -> Iterator[object]:
    """Yield the logits of page after page."""
    model = place(build_classifier(ModelConfig(args.model), N_CLASSES, pretrained=False), precision.device).eval()
    random = np.random.default_rng(0)
    start = random.integers(0, [1500, 2200], (args.boxes, 2))
    boxes = np.concatenate([start, start + 110], axis=1).astype(np.float32)
    pages = [BoxedPage(path.stem, path, boxes, np.zeros(args.boxes, np.int64)) for path in paths]
    heights = tuple(round(2528 * (1 + size / 10)) for size in range(args.n_tta))
    for _, logits in Predictor(precision, args.workers).page_logits(model, pages, heights):
        yield logits.argmax(dim=1).cpu()


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Return how fast pages are read."""
    device = resolve_device(args.device)
    use_threads(args.threads)
    precision = Precision.for_inference(args.opt_level, device)
    way = detected if args.model in MODELS else classified
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        paths = page_files(args, Path(folder))
        started = processor = 0.0
        for number, _ in enumerate(way(args, paths, precision), start=1):
            if number == WARM_UP:
                started, processor = time.perf_counter(), time.process_time()
        seconds, processor = time.perf_counter() - started, time.process_time() - processor
    sizes: dict[str, Any] = {"test_scales": args.test_scales}
    if way is classified:
        sizes = {"n_tta": args.n_tta, "boxes_of_a_page": args.boxes}
    return {
        "model": args.model,
        "device": torch.cuda.get_device_name() if device.type == "cuda" else machine(),
        "opt_level": args.opt_level,
        **sizes,
        "pages": args.pages,
        "workers": args.workers,
        "pages_per_second": round(args.pages / seconds, 3),
        "processor_seconds_per_page": round(processor / args.pages, 3),  # of the process with the network
        **peak_memory(device),
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, and write; return the exit code."""
    args = get_parser().parse_args(argv)
    text = json.dumps(measure(args), indent=2)
    print(text)
    if args.output is not None:
        args.output.parent.mkdir(parents=True, exist_ok=True)
        args.output.write_text(text + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
