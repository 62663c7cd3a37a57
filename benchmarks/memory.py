"""Memory over time of long runs at tiny size: evaluation of many pages, and training over many epochs.

    PYTHONPATH=. python benchmarks/memory.py [--pages 2000] [--epochs 20] [--output benchmarks/results/memory.json]

Each run is a process of its own that goes through the stage's own code, with workers, and notes after so many pages or
after every epoch: memory of the process and its workers (anonymous and shared memory, what they share counted once; not
the libraries, which other processes map too), open file handles, logging handlers, threads. `growth` compares the mean
of the last quarter with that of the second: in the first, allocators still grow. The limit: below 2 %, and no
additional handle, handler or thread; if it is exceeded the exit code is 1.
"""

import argparse
import gc
import json
import logging
import os
import statistics
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from measure import ROOT, child_environment, machine

SIZES = (160, 240)
"""Pixels of a page."""

MOST_GROWTH = 0.02
POINTS = 80
N_FILES = 40
"""Pages on disk; evaluation goes through them again and again."""

SEGMENT = """--model fasterrcnn_resnet18_fpn --pretrained 0 --norm group --long-side 240 --crop-width 96
    --crop-height 72 --crop-min-height 64 --crop-max-height 80 --anchor-sizes 12 16 24 32 48
    --fpn-channels 16 --box-head-size 32
    --rois-per-image 32 --anchors-per-image 32 --proposals-train 50 --proposals-test 50 --score-threshold 0.05
    --test-long-side 120 --test-scales 1 1.2 --repeat-train-step 1 --batch-size 4 --lr 0.001 --cache-mib 1"""
CLASSIFY = """--base resnet10t --pretrained 0 --test-height 160 --crop-width 64 --crop-height 96 --head-size 16
    --n-tta 4 --repeat-train 1 --batch-size 4 --lr 0.001 --cache-mib 1"""
COMMON = "--fold 0 --n-folds 2 --device cpu --threads 1 --workers 2 --color-hue-aug 7"


class Watch:
    """Notes what the process holds."""

    def __init__(self) -> None:
        """Begin without a note."""
        self.notes: list[dict[str, float]] = []

    def note(self) -> None:
        """Add a note."""
        gc.collect()
        family = [os.getpid(), *children()]
        handlers = sum(len(getattr(each, "handlers", ())) for each in logging.Logger.manager.loggerDict.values())
        self.notes.append(
            {
                "mib": round(sum(map(memory_mib, family)), 2),
                "files": sum(map(open_files, family)),
                "handlers": handlers + len(logging.getLogger().handlers),
                "threads": threading.active_count(),
            }
        )


def children() -> list[int]:
    """Return the processes that this one has started and that run."""
    found = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return [int(pid) for pid in found]


def memory_mib(pid: int) -> float:
    """Return the memory of a process, MiB, with its part of what it shares; 0 where it has just ended."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith(("Pss_Anon:", "Pss_Shmem:"))) / 1024


def open_files(pid: int) -> int:
    """Return how many file handles a process has; 0 where it has just ended."""
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return 0


def write_root(root: Path) -> None:
    """Write two books of small pages with boxes on ink; the second is held out in fold 1, the first in fold 0."""
    random = np.random.default_rng(0)
    (root / "train_images").mkdir(parents=True)
    lines = ["image_id,labels"]
    for number in range(N_FILES):
        image_id = f"1000000{1 + number % 2:02d}_{number:05d}_1"
        page = np.full((SIZES[1], SIZES[0], 3), 210, np.uint8)
        labels = []
        for x in (20, 65, 110):
            for y in (20, 60, 100, 140, 180):
                if random.random() < 0.9:
                    code = int(random.integers(5))
                    cv2.putText(page, "ABCDE"[code], (x, y + 26), cv2.FONT_HERSHEY_SIMPLEX, 1, (30, 30, 30), 3)
                    labels.append(f"U+304{2 + 2 * code:X} {x} {y} 28 30")
        cv2.imwrite(str(root / "train_images" / f"{image_id}.jpg"), page)
        lines.append(f"{image_id},{' '.join(labels)}")
    (root / "train.csv").write_text("\n".join(lines) + "\n")


def run_segment_evaluation(folder: Path, n_pages: int, watch: Watch) -> None:
    """Find boxes on pages in two sizes."""
    import torch

    from kuzushiji.engine.machine import set_up
    from kuzushiji.imaging.store import PageStore
    from kuzushiji.segment import predict as stage
    from kuzushiji.segment.detector import build_model
    from kuzushiji.segment.main import Segment

    config = Segment.parse_args(["--output-dir", str(folder), *SEGMENT.split(), *COMMON.split()])
    precision = set_up(config)
    torch.manual_seed(0)
    model = build_model(config)
    paths = repeated(folder, n_pages)
    loader = stage.page_loader(paths, PageStore(), config.inference_long_sides, config.workers, precision.device)
    find = counted(stage.find_boxes, n_pages, watch)
    stage.find_boxes = find
    image_ids = [f"page{number}" for number in range(n_pages)]
    stage.predict_pages(model, loader, image_ids, precision, title="", score_threshold=config.score_threshold)


def run_classify_evaluation(folder: Path, n_pages: int, watch: Watch) -> None:
    """Classify boxes in the four sizes of test-time augmentation."""
    import torch

    from kuzushiji.classify.inputs import pages_of
    from kuzushiji.classify.network import ModelConfig, build_model
    from kuzushiji.classify.predict import Predictor, predict_detailed
    from kuzushiji.data.labels import PageLabels, read_page_labels
    from kuzushiji.data.vocabulary import Vocabulary
    from kuzushiji.engine.precision import Precision

    table = read_page_labels(folder / "data" / "train.csv")
    vocabulary = Vocabulary.from_codes(table.boxes["code"].unique())
    rows = np.flatnonzero(table.page == 0)
    boxes, codes = table.boxes_xywh[rows], table.boxes["code"].to_numpy()[rows]
    files = dict(zip([f"page{number}" for number in range(n_pages)], repeated(folder, n_pages), strict=True))
    labels = PageLabels.from_arrays(
        list(files), np.repeat(np.arange(n_pages), len(rows)), np.tile(codes, n_pages), np.tile(boxes, (n_pages, 1))
    )
    pages = pages_of(labels, files.__getitem__, vocabulary, "")
    torch.manual_seed(0)
    torch.set_num_threads(1)
    model = build_model(ModelConfig("resnet10t", head_size=16), len(vocabulary), pretrained=False).eval()
    predictor = Predictor(Precision(torch.device("cpu")), 2)
    object.__setattr__(predictor, "logits", counted(predictor.logits, n_pages, watch))
    predict_detailed(predictor, model, pages, labels, vocabulary, heights=(160, 176, 192, 208), top_k=5)


def run_segment_training(folder: Path, epochs: int, watch: Watch) -> None:
    """Train the detector, with an evaluation and a checkpoint after each epoch."""
    from kuzushiji.segment import train as stage
    from kuzushiji.segment.main import main as segment

    evaluated(stage, "build_evaluation", watch)
    words = ["--output-dir", str(folder / "segment"), "--data-root", str(folder / "data"), "--epochs", str(epochs)]
    segment([*words, *SEGMENT.split(), *COMMON.split()])


def run_classify_training(folder: Path, epochs: int, watch: Watch) -> None:
    """Train the classifier, with an evaluation and a checkpoint after each epoch."""
    from kuzushiji.classify import train as stage
    from kuzushiji.classify.main import main as classify

    evaluated(stage, "HeldOutEvaluation", watch)
    words = ["--output-dir", str(folder / "classify"), "--data-root", str(folder / "data"), "--epochs", str(epochs)]
    classify([str(folder / "data" / "train.csv"), *words, *CLASSIFY.split(), *COMMON.split()])


WAYS: dict[str, Callable[[Path, int, Watch], None]] = {
    "segment evaluation": run_segment_evaluation,
    "classify evaluation": run_classify_evaluation,
    "segment training": run_segment_training,
    "classify training": run_classify_training,
}


def evaluated(stage: Any, name: str, watch: Watch) -> None:
    """Have a note taken at the end of each evaluation that the stage builds by `name`."""
    build = getattr(stage, name)

    def building(*args: Any, **options: Any) -> Callable[[Any], Any]:
        evaluate = build(*args, **options)

        def noted(model: Any) -> Any:
            metrics = evaluate(model)
            watch.note()
            return metrics

        return noted

    setattr(stage, name, building)


def counted(function: Callable[..., Any], n_calls: int, watch: Watch) -> Callable[..., Any]:
    """Return the function, and have a note taken `POINTS` times over so many calls."""
    every = max(n_calls // POINTS, 1)
    calls = 0

    def noted(*args: Any, **options: Any) -> Any:
        nonlocal calls
        result = function(*args, **options)
        calls += 1
        if calls % every == 0:
            watch.note()
        return result

    return noted


def repeated(folder: Path, n_pages: int) -> list[Path]:
    """Return so many pages, the same files again and again."""
    files = sorted((folder / "data" / "train_images").iterdir())
    return [files[number % len(files)] for number in range(n_pages)]


def summary(notes: Sequence[dict[str, float]]) -> dict[str, Any]:
    """Return the curves, and how much they grew."""
    quarter = len(notes) // 4
    second, last = notes[quarter : 2 * quarter], notes[-quarter:]
    mean = {name: [statistics.fmean(note[name] for note in part) for part in (second, last)] for name in notes[0]}
    return {
        "growth": round(mean["mib"][1] / mean["mib"][0] - 1, 4),
        **{
            f"more_{name}": round(max(note[name] for note in last) - max(note[name] for note in second))
            for name in ("files", "handlers", "threads")
        },
        "mib": [note["mib"] for note in notes],
        "files": [int(note["files"]) for note in notes],
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, and write; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=int, default=2000)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--only", choices=WAYS, nargs="+", default=list(WAYS))
    parser.add_argument("--output", type=Path)
    parser.add_argument("--run", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.run:
        name, folder, size = args.run
        watch = Watch()
        WAYS[name](Path(folder), int(size), watch)
        Path(folder, "notes.json").write_text(json.dumps(watch.notes))
        return 0
    report: dict[str, Any] = {"machine": machine(), "pages": args.pages, "epochs": args.epochs}
    for name in args.only:
        with tempfile.TemporaryDirectory() as folder:
            write_root(Path(folder, "data"))
            size = args.pages if name.endswith("evaluation") else args.epochs
            command = [sys.executable, __file__, "--run", name, folder, str(size)]
            subprocess.run(command, env=child_environment(), stdout=sys.stderr, check=True, cwd=ROOT)
            report[name] = summary(json.loads(Path(folder, "notes.json").read_text()))
    text = json.dumps(report)
    print(text)
    if args.output is not None:
        args.output.write_text(text + "\n", encoding="utf-8")
    flat = all(
        run["growth"] < MOST_GROWTH and max(run["more_files"], run["more_handlers"], run["more_threads"]) <= 0
        for name, run in report.items()
        if name in WAYS
    )
    return 0 if flat else 1


if __name__ == "__main__":
    sys.exit(main())
