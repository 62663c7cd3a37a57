"""The whole chain at its smallest: interrupted, continued to the end, and given again."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kuzushiji.artifacts import read_detailed
from kuzushiji.data.labels import read_page_labels, read_page_points
from kuzushiji.metric import score_points
from kuzushiji.submission import read_sample

ROOT = Path(__file__).parent.parent
KINDS = ("", "-resnet10t", "-resnet10t-pseudo", "-resnet10t-pseudo-ft")
N_FOLDS = 2
N_ROWS = (1 + len(KINDS)) + 3  # all folds of each kind; two blends, the second level
MADE_ONCE = ("*.pth", "*.parquet", "*.csv", "*.csv.gz", "*.jpg")

pytestmark = pytest.mark.chain


def start_chain(runs: Path) -> "subprocess.Popen[str]":
    environment = {**os.environ, "RUNS": str(runs), "VIRTUAL_ENV": sys.prefix, "CUDA_VISIBLE_DEVICES": ""}
    command = ["bash", str(ROOT / "run-all.sh"), "tiny"]
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("chain") / "runs"


@pytest.fixture(scope="module")
def interrupted(runs: Path) -> tuple[int, str]:
    """Exit code and output of a chain that gets SIGTERM when the first detectors are at work."""
    process = start_chain(runs)
    log = runs / "logs" / "segment-fold0.log"
    while not log.exists() and process.poll() is None:
        time.sleep(0.1)
    time.sleep(1)
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate()
    return process.returncode, output


@pytest.fixture(scope="module")
def output(runs: Path, interrupted: tuple[int, str]) -> str:
    """Output of the chain that goes on from there to the end."""
    process = start_chain(runs)
    output, _ = process.communicate()
    assert process.returncode == 0, output[-3000:]
    return output


def made(runs: Path) -> dict[str, int]:
    """When each file was written; the report is written each time."""
    paths = [path for pattern in MADE_ONCE for path in runs.rglob(pattern) if not path.name.startswith("report-")]
    return {str(path): path.stat().st_mtime_ns for path in paths}


def test_an_interrupted_chain_says_so_by_its_exit_code(interrupted: tuple[int, str]) -> None:
    assert interrupted[0] == 143, interrupted[1][-3000:]


def test_what_was_done_before_the_interruption_is_not_done_again(output: str) -> None:
    assert re.search(r"^ +1 of \d+ +books +already done", output, re.MULTILINE), output


def test_the_submission_holds_every_page_of_the_sample_and_scores(runs: Path, output: str) -> None:
    books = runs / "books"
    submission = read_page_points(runs / "submission.csv")
    assert submission.image_ids == read_sample(books / "sample_submission.csv")
    assert 0 <= score_points(read_page_labels(books / "solution.csv"), submission).f1 <= 1


def test_the_terminal_shows_a_line_a_job_and_the_headline(runs: Path, output: str) -> None:
    lines = output.splitlines()
    assert len(lines) < 80 and max(map(len, lines)) < 250
    numbers = [number for line in lines for number in re.findall(r"^ *(\d+) of 28  ", line)]
    assert len(numbers) == 28 - 6 - 2 * N_FOLDS and "16-21 of 28  blend (6 jobs) " in output
    assert re.search(
        r"^ +\d+ of 28  clf-fold1 +held-out F1 [01]\.\d{4}, \d+ test characters  +\d", output, re.MULTILINE
    )
    assert re.search(r"^F1 [01]\.\d{3} on 4 test pages$", output, re.MULTILINE)
    assert f"python -m kuzushiji.predict {runs / 'books' / 'test_images'} --models {runs}" in output


def test_the_table_has_every_kind_of_model_every_blend_and_the_second_level(runs: Path, output: str) -> None:
    lines = output.splitlines()
    head = next(number for number, line in enumerate(lines) if line.startswith("stage  "))
    rows = lines[head + 2 : head + 2 + N_ROWS]
    assert rows[0].startswith("boxes fused ") and rows[-1].startswith("second level ")
    test_f1 = [re.split(r"  +", row)[6] for row in rows]
    assert all(re.fullmatch(r"[01]\.\d{4}", text) for text in test_f1), test_f1
    assert f"submission:  {runs / 'submission.csv'}" in lines
    assert lines[-1].startswith("total time: ")


def test_the_report_shows_what_happened(runs: Path, output: str) -> None:
    html = (runs / "report.html").read_text(encoding="utf-8")
    for title in ("Stage by stage", "Errors", "Worst and best pages", "Page viewer", "Learning curves"):
        assert f">{title}</h2>" in html
    assert "What is not there" not in html  # the chain is over, and the truth of the demo's test pages is known


@pytest.mark.parametrize("kind", KINDS)
def test_fault_4_each_model_has_its_own_tables_of_the_same_boxes(runs: Path, output: str, kind: str) -> None:
    test_boxes = read_page_labels(runs / "segment_test_predictions.csv")
    for fold in range(N_FOLDS):
        folder = runs / f"clf-fold{fold}{kind}"
        held_out, test = (read_detailed(folder / name) for name in ("detailed.parquet", "test_detailed.parquet"))
        found = read_page_labels(runs / f"segment-fold{fold}" / "clf_gt.csv")
        assert set(held_out.pages) == set(found.image_ids) and len(held_out) == len(found.boxes)
        assert set(test.pages) == set(test_boxes.image_ids) and len(test) == len(test_boxes.boxes)


def test_the_same_command_again_does_nothing_and_says_so(runs: Path, output: str) -> None:
    before = made(runs)
    process = start_chain(runs)
    again, _ = process.communicate()
    assert process.returncode == 0, again[-3000:]
    assert made(runs) == before
    logs = "".join(path.read_text() for path in (runs / "logs").glob("*.log"))
    assert "epoch 1 of 1" not in logs
    # books, 3 parts of each model, merge, fuse, pseudolabels, 6 blends, 2 tables of features a fold,
    # boosters, result
    n_models = N_FOLDS * (1 + len(KINDS))
    assert len(re.findall("skipped", logs)) == 1 + 3 * n_models + 3 + 6 + 2 * N_FOLDS + 2
    assert "is unchanged since it passed" in again
