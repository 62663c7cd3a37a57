"""Seconds that the metric's command line takes at the competition's size.

    PYTHONPATH=. python benchmarks/metric.py [--pages 3881] [--characters 683000] [--repeat 3]

Writes random pages (columns of characters, 4,211 codes with a long tail) and a submission with 10 % mistakes into a
temporary folder, runs `python -m kuzushiji.metric` on them as a whole process, and prints JSON
(kept in benchmarks/results/metric.json).
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from kuzushiji.data.labels import PageLabels, PagePoints, write_page_labels, write_page_points
from kuzushiji.scoring import points_of

N_CODES = 4211
ROWS_PER_COLUMN = 18


def random_truth(n_pages: int, n_characters: int, random: np.random.Generator) -> PageLabels:
    """Return pages of about equally many characters in columns."""
    page = np.sort(random.integers(0, n_pages, n_characters))
    place = np.arange(n_characters) - np.searchsorted(page, page)
    share = 1 / np.arange(1, N_CODES + 1) ** 1.05
    codes = np.array([f"U+{0x3042 + number:X}" for number in range(N_CODES)], dtype=object)
    chosen = codes[random.choice(N_CODES, n_characters, p=share / share.sum())]
    x = 3000 - place // ROWS_PER_COLUMN * 150 + random.integers(-5, 6, n_characters)
    y = 200 + place % ROWS_PER_COLUMN * 150 + random.integers(-5, 6, n_characters)
    size = random.integers(60, 140, (n_characters, 2))
    image_ids = [f"book_{number:05d}_1" for number in range(n_pages)]
    return PageLabels.from_arrays(image_ids, page, chosen, np.column_stack([x, y, size]))


def with_mistakes(truth: PageLabels, random: np.random.Generator) -> PagePoints:
    """Return the truth's centres, a tenth of them with the code of another character."""
    points = points_of(truth)
    codes = points.points["code"].to_numpy(object).copy()
    wrong = np.flatnonzero(random.random(len(codes)) < 0.1)
    codes[wrong] = random.permutation(codes[wrong])
    return PagePoints(points.image_ids, points.points.assign(code=codes))


def _processor_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=int, default=3881)
    parser.add_argument("--characters", type=int, default=683_000)
    parser.add_argument("--repeat", type=int, default=3)
    args = parser.parse_args()
    random = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        truth_csv, submission_csv = Path(folder, "truth.csv"), Path(folder, "submission.csv")
        truth = random_truth(args.pages, args.characters, random)
        write_page_labels(truth_csv, truth)
        write_page_points(submission_csv, with_mistakes(truth, random))
        command = [sys.executable, "-m", "kuzushiji.metric", str(submission_csv), str(truth_csv), "--json"]
        seconds, processor = [], []
        for _ in range(args.repeat):
            start, used = time.perf_counter(), _processor_seconds()
            result = subprocess.run(command, check=True, capture_output=True, text=True)
            seconds.append(round(time.perf_counter() - start, 2))
            processor.append(round(_processor_seconds() - used, 2))
    report = {
        "pages": args.pages,
        "characters": args.characters,
        "seconds": seconds,
        "processor_seconds": processor,  # tells more where the machine is busy with other things
        "result": json.loads(result.stdout),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
    }
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
