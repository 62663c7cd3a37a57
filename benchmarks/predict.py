"""The cost of reading a new page: seconds by stage for a page of 2400 x 3900, and memory over many pages.

    bash run-all.sh demo
    PYTHONPATH=. python benchmarks/predict.py _runs/demo [--pages 100]   # kept in benchmarks/results/predict.json

The pages are the run's own test pages, scaled to 2400 x 3900 and stored as JPEG. Memory is what the process has after
each page; it is flat where the last fifth of the pages needs no more than the second.
"""

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import cv2
import torch
from measure import machine

from kuzushiji.bundle.files import find_models
from kuzushiji.bundle.loading import load_bundle
from kuzushiji.data.pictures import Picture, read_picture
from kuzushiji.predict.formats import PAGE_FORMATS
from kuzushiji.predict.reader import Reader, Stopwatch

WIDTH, HEIGHT = 2400, 3900
RESULT = Path(__file__).parent / "results" / "predict.json"


def scaled_pages(runs: Path, folder: Path) -> list[Path]:
    """Write the run's test pages at full size."""
    paths = []
    for source in sorted((runs / "books" / "test_images").glob("*.jpg")):
        page = cv2.resize(cv2.imread(str(source)), (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
        paths.append(folder / source.name)
        cv2.imwrite(str(paths[-1]), page, [cv2.IMWRITE_JPEG_QUALITY, 90])
    return paths


def resident_mib() -> float:
    """Return the memory that the process has now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20


def measure(runs: Path, paths: list[Path], n_pages: int, level2: bool) -> dict[str, Any]:
    """Read pages one after the other, write nothing, and return what that took."""
    started = time.perf_counter()
    bundle = load_bundle(find_models(runs), torch.device("cpu"), level2=level2)
    loading = time.perf_counter() - started
    watch = Stopwatch()
    reader = Reader(bundle, watch)
    seconds, processor, memory, characters = [], [], [], 0
    for number in range(n_pages):
        before, cpu = time.perf_counter(), time.process_time()
        with watch.of("read"):
            image = read_picture(Picture(paths[number % len(paths)]))
        reading = reader.read(image, name="page", file="page.jpg")
        with watch.of("write"):
            for name in ("text", "json", "page", "alto"):
                PAGE_FORMATS[name].render(reading, image)
        seconds.append(time.perf_counter() - before)
        processor.append(time.process_time() - cpu)
        memory.append(resident_mib())
        characters += len(reading)
    fifth = n_pages // 5
    return {
        "models": {
            "detectors": len(bundle.detectors),
            "classifiers": len(bundle.classifiers),
            "level2": bool(bundle.level2),
        },
        "loading_seconds": round(loading, 1),
        "characters_a_page": round(characters / n_pages, 1),
        "seconds_a_page": {"median": round(statistics.median(seconds), 2), "largest": round(max(seconds), 2)},
        "processor_seconds_a_page": round(statistics.median(processor), 2),
        "mean_seconds_by_stage": {stage: round(value / n_pages, 3) for stage, value in watch.seconds.items()},
        "memory_mib": {
            "second_fifth": round(max(memory[fifth : 2 * fifth])),
            "last_fifth": round(max(memory[-fifth:])),
        },
    }


def main() -> None:
    """Measure, print and keep the numbers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path)
    parser.add_argument("--pages", type=int, default=100)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--level2", type=int, choices=(0, 1), default=1)
    parser.add_argument("--output", type=Path, default=RESULT)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    cv2.setNumThreads(options.threads)
    with tempfile.TemporaryDirectory() as folder:
        paths = scaled_pages(options.runs, Path(folder))
        result = measure(options.runs, paths, options.pages, bool(options.level2))
    facts = {"machine": machine(), "threads": options.threads, "page": [WIDTH, HEIGHT], "pages": options.pages}
    options.output.write_text(json.dumps({**facts, **result}, indent=2) + "\n")
    print(json.dumps({**facts, **result}, indent=2))


if __name__ == "__main__":
    main()
