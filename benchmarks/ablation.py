"""The effect of each part of the recipe on machine-written books: F1 on held-out pages, several seeds.

    PYTHONPATH=. python benchmarks/ablation.py RUNS [--seeds 1 2 3] [--only NAME...] [--minutes 9] [--output FILE]

For each seed the demo's books are written into RUNS/seed{n}/books, and detectors and classifiers are trained as the
demo trains them, with one difference: number format, averaged weights, shifted boxes, recipe. A variant's stages
are `python -m` commands that skip what is done: the same call continues where an earlier one ran out of `--minutes`.

- Detectors (`segment-...`): F1 of the boxes on the pages of fold 0.
- `boxes-fold0`, `boxes-fold1`, `boxes-fold2`, `boxes-fused`: F1 of the boxes on the test pages, of each fold's detector
  and fused.
- Classifiers (`classify-...`): F1 on the pages of fold 0, on boxes that the detectors found there.
- `recipe-modern`, `recipe-reference`: that of `profiles/modern.env` (AdamW, averaged weights, clipped gradients,
  bfloat16) and the reference's (SGD, float32), both from the packaged backbone, without training the head alone first.
  A step in float32 takes longer, so the latter has 5 epochs and the former 8. The processor seconds of both are
  printed.

Prints JSON: for each variant F1 of each seed, and processor seconds.
"""

import argparse
import json
import shlex
import statistics
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from measure import machine, measured

from kuzushiji.data.labels import read_page_labels
from kuzushiji.files import atomic_write_json, read_json
from kuzushiji.scoring import score_boxes

FOLDS = (0, 1, 2)
BOOKS = "--books 36 --pages {pages} --test-books 3 --test-pages 20"
HERE = f"--n-folds {len(FOLDS)} --workers 0 --threads 1 --device cpu --evaluate-every 0"
SEGMENT = """--model fasterrcnn_resnet18_fpn --weights books --norm batch --trainable-layers 5
    --long-side 448 --crop-width 288 --crop-height 224 --crop-min-height 200 --crop-max-height 248 --test-long-side 448
    --anchor-sizes 6 10 14 20 32 --fpn-channels 64 --box-head-size 128 --rois-per-image 192
    --proposals-train 300 --proposals-test 600 --max-detections 500 --score-threshold 0.15 --match-iou 0.25
    --color-hue-aug 0 --color-sat-aug 0 --epochs 3 --repeat-train-step 1 --batch-size 4
    --optimizer adamw --lr 1.5e-3 --wd 0.01 --cosine 1 --warmup-steps 10"""
PAGES = """--base resnet18 --weights books --test-height 640 --crop-width 320 --crop-height 320 --scale-aug 0.15
    --n-tta 1 --batch-size 4 --repeat-train 1 --cosine 1 --frozen-start 1"""
DEMO = "--head-size 256 --head-dropout 0.2 --optimizer adamw --lr 5e-4 --wd 0.02 --warmup-steps 10"
SHORT = f"{DEMO} --head-start-epochs 5 --epochs 2"

DETECTORS = {
    "segment-bfloat16": "--opt-level O1",
    "segment-float32": "--opt-level O0",
    "segment-ema": "--opt-level O1 --ema 0.98",
}
CLASSIFIERS = {
    "classify-bfloat16": f"{SHORT} --opt-level O1",
    "classify-float32": f"{SHORT} --opt-level O0",
    "classify-ema": f"{SHORT} --opt-level O1 --ema 0.98",
    "classify-jitter": f"{SHORT} --opt-level O1 --box-jitter 0.03",
    "recipe-modern": f"{DEMO} --head-size 1024 --head-dropout 0.5 --opt-level O1 --ema 0.98 --clip-grad 5 --epochs 8",
    "recipe-reference": "--head-size 1024 --head-dropout 0.5 --opt-level O0 --optimizer sgd --lr 14e-3 --momentum 0.9 "
    "--wd 1e-4 --epochs 5",
}
TRAINED = (*DETECTORS, *CLASSIFIERS)
BOXES = (*(f"boxes-fold{fold}" for fold in FOLDS), "boxes-fused")


@dataclass(frozen=True)
class Seed:
    """One seed's books and runs.

    Attributes:
        number: The seed.
        folder: Where all of it is.
        pages: Training pages.
    """

    number: int
    folder: Path
    pages: int

    def run(self, module: str, *words: str) -> float:
        """Run a stage, unless it is done, and return its processor seconds; as before, where it is done."""
        return float(measured(["-m", module, *words])["processor_seconds"])

    def prepare(self) -> None:
        """Write the books."""
        self.run("kuzushiji.demo", str(self.books), "--seed", str(self.number), *BOOKS.format(pages=self.pages).split())

    @property
    def books(self) -> Path:
        """The data root."""
        return self.folder / "books"

    def detect(self, name: str, fold: int) -> float:
        """Train a detector, and return F1 of its boxes on the held-out pages."""
        output = self.folder / f"{name}-fold{fold}"
        words = shlex.split(f"{HERE} {SEGMENT} {DETECTORS[name]} --fold {fold} --with-test 1 --seed {self.number}")
        self.timed(name, fold, "kuzushiji.segment.main", ["--output-dir", str(output), *self.data, *words])
        return float(read_json(output / "metrics-oof.json")["f1"])

    def boxes(self) -> Path:
        """Return the boxes of all training pages, from the detectors of all folds."""
        for fold in FOLDS:
            self.detect("segment-bfloat16", fold)
        folders = [self.folder / f"segment-bfloat16-fold{fold}" for fold in FOLDS]
        table = self.folder / "segment_clf_gt.csv"
        tables = [str(folder / "clf_gt.csv") for folder in folders]
        self.run("kuzushiji.segment.merge", *tables, str(table), *self.data)
        fused = str(self.folder / "segment_test_predictions.csv")
        self.run("kuzushiji.segment.fuse", *map(str, folders), fused)
        return table

    def classify(self, name: str) -> float:
        """Train a classifier, and return its F1 on the held-out pages."""
        table, output = self.boxes(), self.folder / name
        words = shlex.split(f"{HERE} {PAGES} {CLASSIFIERS[name]} --fold 0 --seed {self.number}")
        self.timed(name, 0, "kuzushiji.classify.main", [str(table), "--output-dir", str(output), *self.data, *words])
        return float(read_json(output / "metrics-oof.json")["f1"])

    def timed(self, name: str, fold: int, module: str, words: Sequence[str]) -> None:
        """Run a stage, and keep the processor seconds that it took when it was not done yet."""
        place = self.folder / "seconds.json"
        seconds = read_json(place) if place.exists() else {}
        taken = self.run(module, *words)
        key = f"{name}-fold{fold}"
        seconds[key] = max(taken, seconds.get(key, 0.0))
        atomic_write_json(place, seconds)

    @property
    def data(self) -> list[str]:
        """Flags that say where the pages are."""
        return ["--data-root", str(self.books)]

    def test_boxes(self) -> dict[str, float]:
        """Return F1 of the boxes on the test pages: each fold's, and fused."""
        self.boxes()
        truth = read_page_labels(self.books / "solution.csv")
        tables = {f"boxes-fold{fold}": f"segment-bfloat16-fold{fold}/test_predictions.csv" for fold in FOLDS}
        tables["boxes-fused"] = "segment_test_predictions.csv"
        return {name: score_boxes(truth, read_page_labels(self.folder / path)).f1 for name, path in tables.items()}


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--only", nargs="+", choices=(*TRAINED, "boxes"), default=[*TRAINED, "boxes"])
    parser.add_argument("--pages", type=int, default=200, help="training pages of each seed")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin nothing after so many minutes")
    parser.add_argument("--output", type=Path, help="file for the JSON, instead of standard output")
    return parser


def run_all(args: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Return F1 by variant and seed, as far as the time sufficed; what earlier calls measured stays."""
    place = args.runs / "f1.json"
    found: dict[str, dict[str, float]] = read_json(place) if place.exists() else {}
    started = time.monotonic()
    for number in args.seeds:
        seed = Seed(number, args.runs / f"seed{number}", args.pages)
        for name in args.only:
            if time.monotonic() - started > 60 * args.minutes:
                return found
            missing = BOXES if name == "boxes" else (name,)
            if all(str(number) in found.get(each, {}) for each in missing):
                continue
            seed.prepare()
            for key, f1 in one_variant(seed, name).items():
                found.setdefault(key, {})[str(number)] = round(f1, 4)
            atomic_write_json(place, found)
    return found


def one_variant(seed: Seed, name: str) -> dict[str, float]:
    """Return F1 of a variant, by name."""
    if name == "boxes":
        return seed.test_boxes()
    return {name: seed.detect(name, 0) if name in DETECTORS else seed.classify(name)}


def report(args: argparse.Namespace, found: dict[str, dict[str, float]]) -> dict[str, Any]:
    """Return what is printed: F1 of each seed, mean, processor seconds."""
    variants = {}
    for name, by_seed in found.items():
        seconds = list(seconds_of(args, name, by_seed))
        variants[name] = {
            "f1": by_seed,
            "mean_f1": round(statistics.mean(by_seed.values()), 4),
            **({"processor_seconds": round(statistics.mean(seconds), 1)} if seconds else {}),
        }
    return {"pages": args.pages, "machine": machine(), "variants": variants}


def seconds_of(args: argparse.Namespace, name: str, seeds: Iterable[str]) -> Iterable[float]:
    """Yield the processor seconds of a variant's fold 0 for each seed; nothing for what was not trained."""
    for seed in seeds:
        place = args.runs / f"seed{seed}" / "seconds.json"
        seconds = read_json(place) if place.exists() else {}
        if f"{name}-fold0" in seconds:
            yield float(seconds[f"{name}-fold0"])


def main(argv: Sequence[str] | None = None) -> int:
    """Train what is missing and print; return the exit code."""
    args = get_parser().parse_args(argv)
    args.runs.mkdir(parents=True, exist_ok=True)
    result = report(args, run_all(args))
    if args.output:
        atomic_write_json(args.output, result)
    else:
        print(json.dumps(result, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
