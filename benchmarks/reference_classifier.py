"""What the reference's classifier does otherwise than ours, one by one: F1 of a fold of the demo's books.

    PYTHONPATH=. python benchmarks/reference_classifier.py RUNS [--seeds 1 2] [--only NAME...] [--output FILE]

The demo's books of seed 1 are written into RUNS/books, unless they are there. A classifier from a packaged backbone
learns the true boxes of fold 0 of 3 with the reference's recipe (SGD, cosine, head of 1,024, no head start; `RECIPE`
below), as it is and with one difference each (`VARIANTS`), and reads the boxes of the held-out pages. Models are kept:
the same call continues where an earlier one was stopped.

Prints JSON: for each variant F1 of each seed, their mean, and how much it is ahead of ours.
"""

import argparse
import json
import statistics
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest import mock

from measure import machine, measured
from torch import Tensor
from torchvision.ops import roi_align as torchvision_roi_align

from detection.roi_align import roi_align
from kuzushiji.classify import network
from kuzushiji.classify.main import main as classify
from kuzushiji.engine import optim, training_run
from kuzushiji.engine.loader import build_loader
from kuzushiji.files import atomic_write_json, read_json

BOOKS = "--seed 1 --books 36 --pages 200 --test-books 3 --test-pages 20 --classes 500"
RECIPE = """--fold 0 --n-folds 3 --workers 0 --threads 1 --device cpu --opt-level auto --evaluate-every 0 --n-tta 1
    --base resnet10t --weights books --frozen-start 1 --head-size 1024 --head-dropout 0.5 --test-height 640
    --crop-width 320 --crop-height 320 --scale-aug 0.15 --optimizer sgd --lr 14e-3 --momentum 0.9 --wd 1e-4 --cosine 1
    --batch-size 4 --repeat-train 1 --epochs 5"""


def not_aligned(maps: Tensor, rois: Tensor, **how: Any) -> Tensor:
    """RoI align as torchvision's default: the centre of the first place of a map is the picture's edge."""
    return roi_align(maps, rois, **{**how, "aligned": False})


def adaptive(maps: Tensor, rois: Tensor, *, size: int, scale: float, ratio: int, aligned: bool) -> Tensor:
    """RoI align with as many points in a cell as the cell has places, torchvision's default."""
    del ratio
    return torchvision_roi_align(maps.float(), rois, size, spatial_scale=scale, sampling_ratio=-1, aligned=aligned)  # type: ignore[no-any-return]


def one_point(maps: Tensor, rois: Tensor, **how: Any) -> Tensor:
    """RoI align with one point in a cell."""
    return roi_align(maps, rois, **{**how, "ratio": 1})


def neither(maps: Tensor, rois: Tensor, **how: Any) -> Tensor:
    """RoI align with both of torchvision's defaults."""
    return adaptive(maps, rois, **{**how, "aligned": False})


def by_epoch(options: Any, batches: int) -> optim.Factor:
    """The cosine in steps of an epoch."""
    updates = optim.updates_per_epoch(batches, options.accumulation_steps)
    return lambda step: optim.cosine(step // updates, options.epochs)


def last_batch_kept(*args: Any, **further: Any) -> Any:
    """A loader that also gives the last batch, which is not full."""
    return build_loader(*args, **{**further, "drop_last": False})


Change = tuple[Any, str, Any]
COSINE: Change = (training_run, "factor_of", by_epoch)
LAST: Change = (training_run, "build_loader", last_batch_kept)
VARIANTS: dict[str, list[Change]] = {
    "ours": [],
    "aligned=False": [(network, "roi_align", not_aligned)],
    "adaptive points": [(network, "roi_align", adaptive)],
    "one point": [(network, "roi_align", one_point)],
    "cosine by epoch": [COSINE],
    "last batch kept": [LAST],
    "as the reference": [(network, "roi_align", neither), COSINE, LAST],
}


def f1_of(runs: Path, seed: int, name: str) -> float:
    """Train a variant, unless that is done, and return F1 of the held-out pages."""
    books, output = runs / "books", runs / f"{name.replace(' ', '-')}-seed{seed}"
    if not (books / "train.csv").exists():
        measured(["-m", "kuzushiji.demo", str(books), *BOOKS.split()])
    words = [str(books / "train.csv"), "--data-root", str(books), "--output-dir", str(output), "--seed", str(seed)]
    with ExitStack() as changes:
        for change in VARIANTS[name]:
            changes.enter_context(mock.patch.object(*change))
        if code := classify([*words, *RECIPE.split()]):
            raise SystemExit(code)
    return round(float(read_json(output / "metrics-oof.json")["f1"]), 4)


def compared(found: dict[str, dict[str, float]]) -> dict[str, Any]:
    """Return F1 of each seed, its mean, and how much it is ahead of ours, by variant."""
    ours = found.get("ours", {})
    return {
        name: {
            "f1": by_seed,
            "mean_f1": round(statistics.mean(by_seed.values()), 4),
            "ahead": {seed: round(f1 - ours[seed], 4) for seed, f1 in by_seed.items() if seed in ours},
        }
        for name, by_seed in found.items()
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Train what is missing and print; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--only", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--output", type=Path, help="file for the JSON, instead of standard output")
    args = parser.parse_args(argv)
    found: dict[str, dict[str, float]] = {}
    for seed in args.seeds:
        for name in args.only:
            found.setdefault(name, {})[str(seed)] = f1_of(args.runs, seed, name)
    result = {"machine": machine(), "recipe": " ".join(RECIPE.split()), "variants": compared(found)}
    if args.output:
        atomic_write_json(args.output, result)
    else:
        print(json.dumps(result, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
