"""What the terminal shows: a line a job, notices once, progress, and the last lines."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from kuzushiji.chain.display import Display, Log, duration
from kuzushiji.chain.executors import Running
from kuzushiji.chain.listing import Job, ListedStage
from kuzushiji.chain.reached import closing, facts_of, reached

TRAIN, BLEND = "kuzushiji.classify.main", "kuzushiji.classify.blend"


class Chain:
    """A display and the logs of its jobs."""

    def __init__(self, folder: Path, *stages: ListedStage, verbose: bool = False) -> None:
        self.folder, self.display = folder, Display(stages, verbose=verbose)
        self.stage_of = {job.name: stage for stage in stages for job in stage.jobs}

    def start(self, name: str, text: str = "") -> Running:
        stage = self.stage_of[name]
        job = next(job for job in stage.jobs if job.name == name)
        (self.folder / f"{name}.log").write_text(text)
        process = subprocess.Popen(["true"])
        process.wait()
        running = Running(job, stage, process, self.folder / f"{name}.log")
        self.display.started(running)
        return running

    def write(self, name: str, text: str) -> None:
        with (self.folder / f"{name}.log").open("a") as file:
            file.write(text)

    def end(self, running: Running, seconds: float) -> None:
        self.display.ended(running.stage, running.job, seconds)


def stage(name: str, module: str, *names: str) -> ListedStage:
    return ListedStage(name, False, None, tuple(Job(each, (module, each), False) for each in names))


def test_a_job_that_trains_has_a_line_and_short_ones_share_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ("blend-clf", "blend-clf-b", "blend-all")
    chain = Chain(tmp_path, stage("classify", TRAIN, "clf-fold0"), stage("blend", BLEND, *names))
    chain.end(chain.start("clf-fold0", "held_out f1      0.9123\ntest characters  1,234\n"), 61)
    for name, f1 in zip(names, ("0.8", "0.95", "0.9"), strict=True):
        chain.end(chain.start(name, f"f1     {f1}\nboxes  10\n"), 2)
    lines = [re.split(r" {2,}", line.strip()) for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        ["1 of 4", "clf-fold0", "held-out F1 0.9123, 1,234 test characters", "1 min 1 s"],
        ["2-4 of 4", "blend (3 jobs)", "held-out F1 0.8 to 0.95", "2 s"],
    ]


def test_a_notice_is_printed_once_a_chain(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chain = Chain(tmp_path, stage("classify", TRAIN, "a", "b"))
    for name in "ab":
        text = "warning: no GPU here\nplain words\nclassify.train runs again: other parameters: lr\n"
        chain.end(chain.start(name, text), 1)
    shown = capsys.readouterr().err.splitlines()
    assert shown == ["warning: no GPU here", "classify.train runs again: other parameters: lr"]


def test_how_far_a_stage_is_where_nobody_looks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """At first after 30 s; when a stage has run for long, after half its time, at most half an hour."""
    now = 1000.0
    monkeypatch.setattr("kuzushiji.chain.display.time.monotonic", lambda: now)
    chain = Chain(tmp_path, stage("books", "kuzushiji.demo", "books"), stage("classify", TRAIN, "a", "b"))
    running = [chain.start("a", "classify.train: epoch 3 of 9: loss 1.0\n"), chain.start("b")]
    times = []
    for second in range(1, 20000):
        now = 1000.0 + second
        chain.display.look(running)
        said = capsys.readouterr().err
        if said:
            times.append(second)
        if second == 30:
            expected = "stage 2 of 2, classify: 0 of 2 jobs done, about 2 min 50 s left, epoch 3 of 9, 30 s\n"
            assert said == expected
    assert times[:5] == [30, 60, 120, 240, 480] and times[-1] - times[-2] == 1800 and len(times) < 20


@pytest.mark.parametrize(
    ("module", "log", "expected"),
    [
        ("kuzushiji.segment.main", "held_out f1   0.9\ntest boxes   5\n", "held-out F1 of boxes 0.9, 5 test boxes"),
        ("kuzushiji.segment.main", "test boxes   5\n", "5 test boxes"),
        (TRAIN, "classify.train: already done, skipped: x\n", "already done"),
        (TRAIN, "", "done"),
        ("other", "what it said\n", "what it said"),
        (
            "kuzushiji.demo",
            "train_pages   200\ntest_pages   20\nclasses   1,947\ntest_only_classes   95\ntest_only_characters   119\n",
            "200 training pages, 20 test pages, 1,947 characters, 95 of them on test pages alone",
        ),
        (
            "kuzushiji.classify.level2",
            "fold  boxes   blend  level 2  last round\n   0    120  0.1  0.2  0.3\n all    320  0.0019  0.9482  0.9\n",
            "out-of-fold F1 0.9482",
        ),
        (
            "kuzushiji.data.check",
            "8 training pages (1 without text), 763 characters (0 boxes reach over the edge and will be clipped), "
            "4 test pages: 0 faults\nException ignored\n",
            "8 training pages, 4 test pages, 0 faults",
        ),
    ],
)
def test_what_a_job_reached(module: str, log: str, expected: str) -> None:
    assert reached([Job("a", (module,), False)], [facts_of(log)], log) == expected


TABLE = """generated
stage         model      fold  held-out F1  best epoch  last epoch  test F1  precision  recall  minutes
-------------------------------------------------------------------------------------------------------
single model  clf        0          0.0063      0.0063      0.0063   0.1000     0.0000  0.0000      0.0
folds blended  clf       all        0.0019           -           -   0.2000     0.0000  0.0000      0.0
second level  boosters   all        0.9400           -           -  {test}     0.0000  0.0000        -
held-out F1: on the fold's own pages.
report: x
"""


@pytest.mark.parametrize(
    ("test", "headline"),
    [
        ("0.9486", "F1 0.949 on 2 test pages"),
        ("-", "F1 0.940 out of fold; the truth of the test pages is not known here"),
    ],
)
def test_the_last_lines_have_the_headline_the_table_and_what_to_do_next(
    test: str, headline: str, tmp_path: Path
) -> None:
    (tmp_path / "submission.csv").write_text("image_id,labels\na,\nb,\n")
    lines = closing(TABLE.format(test=test), tmp_path, Path("books"))
    assert lines[1] == headline
    assert [line.split(" ")[0] for line in lines[3:7]] == ["stage", "-" * 103, "folds", "second"]
    assert f"{tmp_path}/report.html" in lines[8] and "kuzushiji.predict books/test_images" in lines[10]
    assert closing("", tmp_path, Path("books")) == []


def test_a_log_is_read_as_it_grows(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    log = Log(path)
    assert log.new_lines() == []
    path.write_bytes("一\nha".encode())
    assert log.new_lines() == ["一"]
    path.write_bytes("一\nhalf\n10%\r20%\nend".encode())
    assert log.new_lines() == ["half", "20%"]
    assert log.last_lines() == ["end"] and log.text == "一\nhalf\n20%\nend\n"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (59.4, "59 s"), (59.6, "1 min 0 s"), (3599.7, "1 h 0 min"), (90000, "25 h 0 min")],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_warnings_of_a_command_are_marked() -> None:
    """So that the display finds them in its log."""
    script = (
        "import logging; from kuzushiji import cli\n"
        "def main(argv):\n    logging.getLogger('kuzushiji.x').warning('odd')\n"
        "    logging.getLogger('kuzushiji.x').info('plain')\n    return 0\ncli.run(main, [])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.stderr == "warning: odd\nplain\n"
