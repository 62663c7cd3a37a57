"""Processor time of a training crop: our method, the reference's, and others that were tried.

    PYTHONPATH=. python benchmarks/dataloader.py DATA_ROOT [--rounds 7] [--output benchmarks/results/dataloader.json]

The reference's method: a worker decodes the whole JPEG (libjpeg-turbo), cuts the crop, scales it, changes its colours
and normalises it to float32 with channels first (Albumentations; once with its own choice of scaling,
`cv2.INTER_LINEAR`, which skips pixels, and once with the average over areas). Ours is the data set of each stage with
`--strips`, as the training uses it, and its collate function: bytes that are normalised on the device. All pages of
both folders of a data root are used, with the crops of the reference's recipe and a grid of boxes in place of labels.

Prints milliseconds of processor time per crop: the median over rounds, in which all methods alternate; one thread.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"

import albumentations
import cv2
import numpy as np
import simplejpeg
import torch
from albumentations.pytorch import ToTensorV2
from measure import machine, pages_in

from kuzushiji.classify.dataset import Collate, CropDataset
from kuzushiji.classify.inputs import BoxedPage
from kuzushiji.classify.transforms import CropRecipe, draw_crop
from kuzushiji.data.labels import PageLabels
from kuzushiji.data.pages import page_size, read_page
from kuzushiji.engine.loader import SampleKey, generator_of
from kuzushiji.imaging.colours import ColourAugmentation
from kuzushiji.imaging.store import PageStore
from kuzushiji.imaging.window import Window, cut, resize
from kuzushiji.segment.dataset import TrainCrops, collate_crops
from kuzushiji.segment.transforms import CropSpec, random_window

RECIPE = CropRecipe()
SPEC = CropSpec(long_side=2048, min_height=400, max_height=533, out_width=512, out_height=384)
COLOURS = {"segment": (7, 10, 10), "classify": (7, 30, 30)}
BATCH = {"segment": 16, "classify": 10}
SIZE = {"segment": (SPEC.out_width, SPEC.out_height), "classify": (RECIPE.width, RECIPE.height)}
DRAWS = {"segment": 2, "classify": 6}
"""Crops of a page in an epoch of the reference."""

Batch = Callable[[Sequence[SampleKey]], object]


def grid(path: Path) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return boxes (n, 4) xywh all over a page, about as many as a page has characters."""
    width, height = page_size(path)
    x, y = np.meshgrid(np.arange(100, width - 200, 160), np.arange(100, height - 200, 160))
    return np.stack([x.ravel(), y.ravel(), np.full(x.size, 110), np.full(x.size, 110)], axis=1).astype(np.float64)


def our_batches(paths: Sequence[Path], strips: Path | None) -> dict[str, Batch]:
    """Return for each stage what makes a batch of keys; without `strips` each crop decodes its page."""
    boxes = [grid(path) for path in paths]
    pages = [
        BoxedPage(path.stem, path, np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], axis=1).astype(np.float32),
             np.zeros(len(xywh), np.int64))
        for path, xywh in zip(paths, boxes, strict=True)
    ]  # fmt: skip
    number = np.repeat(np.arange(len(paths)), [len(each) for each in boxes])
    labels = PageLabels.from_arrays(
        [path.stem for path in paths], number, ["U+3042"] * len(number), np.concatenate(boxes)
    )  # fmt: skip
    images = {path.stem: path for path in paths}
    segment = TrainCrops(
        labels, images, PageStore(paths, strips=strips), SPEC, ColourAugmentation(*COLOURS["segment"]), 0
    )  # fmt: skip
    classify = CropDataset(pages, RECIPE, colour_aug=COLOURS["classify"], strips=strips)
    collate = Collate(256, 0)
    return {
        "segment": lambda keys: collate_crops([segment[key] for key in keys]),
        "classify": lambda keys: collate([classify[key] for key in keys]),
    }


def window_of(stage: str, path: Path, key: SampleKey) -> Window:
    """Return the window that ours draws for a key."""
    rng, (width, height) = generator_of(0, key), page_size(path)
    if stage == "segment":
        return random_window(rng, width, height, SPEC)
    xywh = grid(path)
    xyxy = np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], axis=1).astype(np.float32)
    return draw_crop(rng, xyxy, width, height, RECIPE)[0]


def reference_batch(stage: str, paths: Sequence[Path], interpolation: int) -> Batch:
    """Return the reference's way."""
    change = albumentations.Compose(
        [
            albumentations.HueSaturationValue(*COLOURS[stage], p=0.5),
            albumentations.RandomBrightnessContrast(p=0.5),
            albumentations.RandomGamma(p=0.5),
            albumentations.Normalize(),
            ToTensorV2(),
        ]
    )

    def sample(key: SampleKey, window: Window) -> torch.Tensor:
        part = cut(read_page(paths[key.sample]), window)
        scaled = cv2.resize(part, SIZE[stage], interpolation=interpolation)
        result: torch.Tensor = change(image=scaled)["image"]
        return result

    windows: dict[SampleKey, Window] = {}

    def batch(keys: Sequence[SampleKey]) -> torch.Tensor:
        return torch.stack([sample(key, windows[key]) for key in keys])

    def prepared(keys: Sequence[SampleKey]) -> Callable[[], object]:
        windows.update({key: window_of(stage, paths[key.sample], key) for key in keys})  # ours is timed with its draws
        return lambda: batch(keys)

    return prepared


def other_ways(stage: str, paths: Sequence[Path], raw: Path) -> dict[str, Batch]:
    """Return ways that were tried: what each takes to have the scaled crop, without colours and collating."""
    shapes = {}
    for path in paths:
        page = read_page(path)
        shapes[path] = page.shape
        page.tofile(raw / path.stem)

    def decoded_once(key: SampleKey, path: Path, window: Window) -> object:
        """Several crops of a page while it is decoded: the decoding is shared by the draws of an epoch."""
        page = read_page(path) if key.draw == 0 else last[path]
        last[path] = page
        return resize(cut(page, window), *SIZE[stage])

    def half(key: SampleKey, path: Path, window: Window) -> object:
        """The page decoded in half its size (by the discrete cosine transform): other pixels, and too few for some."""
        page = simplejpeg.decode_jpeg(path.read_bytes(), "RGB", min_height=1, min_width=1, min_factor=2)
        part = cut(page, Window(window.x0 // 2, window.y0 // 2, window.x1 // 2, window.y1 // 2))
        return resize(part, *SIZE[stage])

    def mapped(key: SampleKey, path: Path, window: Window) -> object:
        """Decoded pages on disk, mapped into memory."""
        page = np.memmap(raw / path.stem, np.uint8, "r", shape=shapes[path])
        return resize(cut(page, window), *SIZE[stage])

    last: dict[Path, Any] = {}

    def batch_of(way: Callable[[SampleKey, Path, Window], object], draws: int) -> Batch:
        def prepared(keys: Sequence[SampleKey]) -> Callable[[], object]:
            items = [(key, paths[key.sample]) for key in keys]
            if draws > 1:
                items = [(SampleKey(key.epoch, draw, key.sample), path) for key, path in items for draw in range(draws)]
            whole = [(key, path, window_of(stage, path, key)) for key, path in items]
            return lambda: [way(*item) for item in whole]

        return prepared

    return {
        "several crops of a decoded page": batch_of(decoded_once, DRAWS[stage]),
        "page decoded in half size": batch_of(half, 1),
        "decoded pages mapped into memory": batch_of(mapped, 1),
    }


def processor_ms(run: Callable[[], object]) -> float:
    """Return the milliseconds of processor time of a call."""
    started = time.process_time()
    run()
    return (time.process_time() - started) * 1000


def measure_stage(
    stage: str, paths: Sequence[Path], strips: Path, raw: Path, rounds: int
) -> dict[str, Any]:  # fmt: skip
    """Return the milliseconds a crop of all ways, and what ours is of the reference's."""
    with_strips, without = our_batches(paths, strips)[stage], our_batches(paths, None)[stage]
    ways: dict[str, Callable[[Sequence[SampleKey]], Callable[[], object]]] = {
        "ours": lambda keys: lambda: with_strips(keys),
        "ours without strips": lambda keys: lambda: without(keys),
        "reference": reference_batch(stage, paths, cv2.INTER_LINEAR),  # type: ignore[dict-item]
        "reference, areas averaged": reference_batch(stage, paths, cv2.INTER_AREA),  # type: ignore[dict-item]
        **other_ways(stage, paths, raw),  # type: ignore[dict-item]
    }
    taken: dict[str, list[float]] = {name: [] for name in ways}
    size = BATCH[stage]
    for epoch in range(rounds + 1):
        keys = [SampleKey(epoch, 0, int(n)) for n in np.random.default_rng(epoch).permutation(len(paths))]
        parts = [keys[start : start + size] for start in range(0, len(keys), size)]
        for name, way in ways.items():
            draws = DRAWS[stage] if name.startswith("several") else 1
            ms = sum(processor_ms(way(part)) for part in parts) / len(keys) / draws
            if epoch:  # the first round warms up
                taken[name].append(ms)
    result: dict[str, Any] = {name: round(statistics.median(values), 2) for name, values in taken.items()}
    result["ours / reference"] = round(result["ours"] / result["reference"], 3)
    result["ours / reference, areas averaged"] = round(result["ours"] / result["reference, areas averaged"], 3)
    return result


def size_of(paths: Sequence[Path]) -> int:
    """Return the bytes of files."""
    return sum(path.stat().st_size for path in paths)


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data_root", type=Path)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--output", type=Path, help="JSON file to write as well")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, and write; return the exit code."""
    args = get_parser().parse_args(argv)
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
    paths = pages_in(args.data_root)
    with tempfile.TemporaryDirectory() as folder:
        strips, raw = Path(folder, "strips"), Path(folder, "raw")
        raw.mkdir()
        cutting = processor_ms(lambda: PageStore(paths, strips=strips)) / len(paths)
        report: dict[str, Any] = {
            "machine": machine(),
            "pages": len(paths),
            "megapixels of a page": round(sum(w * h for w, h in map(page_size, paths)) / len(paths) / 1e6, 1),
            "unit": "ms of processor time a crop, median",
            **{stage: measure_stage(stage, paths, strips, raw, args.rounds) for stage in BATCH},
            "cutting a page into strips, ms": round(cutting, 1),
            "disk": {
                "JPEGs": 1,
                "JPEGs and strips": round(1 + size_of(list(strips.rglob("*.strips"))) / size_of(paths), 2),
                "JPEGs and decoded pages": round(1 + size_of(list(raw.iterdir())) / size_of(paths), 2),
            },
        }
    text = json.dumps(report, indent=2)
    print(text)
    if args.output is not None:
        args.output.write_text(text + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
