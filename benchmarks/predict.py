"""The cost of reading a new page: seconds by stage, memory and time over a book.

    bash run-all.sh demo
    PYTHONPATH=. python benchmarks/predict.py _runs/demo [--pages 100]   # kept in benchmarks/results/predict.json
    python -m kuzushiji.demo books --books 1 --pages 1 --test-books 1 --test-pages 20
    PYTHONPATH=. python benchmarks/predict.py reader --pictures books/test_images --height 800 --threads 1
      --output benchmarks/results/predict-book.json

The pages are the run's own test pages or those of a folder, over and over, scaled to one height and stored as JPEG.
Each is read, rendered and written as `kuzushiji predict` does it. Memory is what the process has after each page: it is
flat, and time is linear, where the last fifth of the pages needs no more than the second.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import cv2
from measure import machine

from kuzushiji.bundle.model_files import find_models
from kuzushiji.data.pictures import Picture
from kuzushiji.named_models import models_folder
from kuzushiji.predict.config import PredictConfig
from kuzushiji.predict.records import Output, PageSource
from kuzushiji.predict.run import page_work
from kuzushiji.predict.sources import PageToRead
from kuzushiji.predict.tasks import PageTask

HEIGHT = 3900
FORMATS = ("text", "json", "page", "alto")
RESULT = Path(__file__).parent / "results" / "predict.json"


def scaled_pages(pictures: Path, folder: Path, height: int) -> list[Path]:
    """Write the pages of a folder at one height."""
    paths = []
    for source in sorted(pictures.glob("*.jpg")):
        page = cv2.imread(str(source))
        size = round(page.shape[1] * height / page.shape[0]), height
        paths.append(folder / source.name)
        cv2.imwrite(
            str(paths[-1]), cv2.resize(page, size, interpolation=cv2.INTER_CUBIC), [cv2.IMWRITE_JPEG_QUALITY, 90]
        )
    return paths


def resident_mib() -> float:
    """Return the memory that the process has now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20


def measure(config: PredictConfig, paths: list[Path], n_pages: int, output: Output) -> dict[str, Any]:
    """Read pages one after the other, write them, and return what that took."""
    files = find_models(models_folder(config.models))
    work = page_work(config, files)
    source = PageSource("", 0, "", {})
    seconds, processor, memory, characters = [], [], [], 0
    stages: Counter[str] = Counter()
    for number in range(n_pages):
        before, cpu = time.perf_counter(), time.process_time()
        page = PageToRead(f"page{number}", Picture(paths[number % len(paths)]))
        answer = work(PageTask(page, source, ""))
        assert answer.points is not None, answer.failures
        output.write(page.name, source, answer.contents, answer.points)
        seconds.append(time.perf_counter() - before)
        processor.append(time.process_time() - cpu)
        memory.append(resident_mib())
        characters += answer.characters
        stages.update(answer.seconds)
    fifth = n_pages // 5
    second, last = slice(fifth, 2 * fifth), slice(-fifth, None)
    return {
        "models": {
            "detectors": len(files.detectors),
            "classifiers": len(files.classifiers),
            "level2": bool(config.level2 and files.level2),
        },
        "loading_seconds": round(answer.loading, 1),
        "characters_a_page": round(characters / n_pages, 1),
        "seconds_a_page": {"median": round(statistics.median(seconds), 2), "largest": round(max(seconds), 2)},
        "processor_seconds_a_page": {
            "median": round(statistics.median(processor), 3),
            "second_fifth": round(statistics.mean(processor[second]), 3),
            "last_fifth": round(statistics.mean(processor[last]), 3),
        },
        "mean_seconds_by_stage": {stage: round(value / n_pages, 3) for stage, value in stages.items()},
        "memory_mib": {"second_fifth": round(max(memory[second])), "last_fifth": round(max(memory[last]))},
    }


def main() -> None:
    """Measure, print and keep the numbers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", help="folder of a run, or the name of models of the package")
    parser.add_argument("--pictures", type=Path, help="folder of pages; without it the run's own test pages")
    parser.add_argument("--height", type=int, default=HEIGHT)
    parser.add_argument("--pages", type=int, default=100)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--level2", type=int, choices=(0, 1), default=1)
    parser.add_argument("--output", type=Path, default=RESULT)
    options = parser.parse_args()
    config = PredictConfig(
        pages=(), models=options.models, formats=FORMATS, device="cpu", threads=options.threads,
        level2=bool(options.level2),
    )  # fmt: skip
    pictures = options.pictures or Path(options.models) / "books" / "test_images"
    with tempfile.TemporaryDirectory() as folder:
        paths = scaled_pages(pictures, Path(folder), options.height)
        result = measure(config, paths, options.pages, Output(Path(folder) / "read"))
    facts = {"machine": machine(), "threads": options.threads, "height": options.height, "pages": options.pages}
    options.output.write_text(json.dumps({**facts, **result}, indent=2) + "\n")
    print(json.dumps({**facts, **result}, indent=2))


if __name__ == "__main__":
    main()
