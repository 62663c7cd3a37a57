"""Every error that a user can cause: one line, the right exit code. The rows are in error_rows.py."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from kuzushiji import cli
from kuzushiji.artifacts import Detailed, write_detailed
from kuzushiji.artifacts.features import write_features
from kuzushiji.classify.level2.candidates import build_features
from kuzushiji.data.folds import assign_folds
from kuzushiji.data.labels import read_page_labels
from kuzushiji.data.vocabulary import Vocabulary
from tests.commands import module_of
from tests.error_rows import ROWS, Row, documented, typed
from tests.tables import N_FOLDS, detailed_of

ROOT = Path(__file__).parent.parent
VARIABLE = [
    (r"process \d+ on \S+, since \S+ \S+ \([^)]*\),", "process PID on HOST, since TIME (COMMAND),"),
    (r"; there are: [a-z ]+(?= )", "; there are: …"),
    (r"\(\d+ CUDA devices here\)", "(N CUDA devices here)"),
    (r"(cannot be read|damaged or foreign file) \(.*\)", r"\1 (WHY)"),  # in the words of a library
    (r"; did you mean resnet.*", "; did you mean …?"),
]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, tiny_root: Path) -> Path:
    """Data, and tables that stages made of them."""
    folder = tmp_path_factory.mktemp("world")
    shutil.copytree(tiny_root, folder / "data")
    train, test = (read_page_labels(folder / "data" / name) for name in ("train.csv", "solution.csv"))
    vocabulary = Vocabulary.from_codes(train.boxes["code"].unique())
    folds = assign_folds(train.image_ids, N_FOLDS)
    tables: dict[str, Detailed] = {}
    for fold in range(N_FOLDS):
        pages = train.of_pages([page for page in train.image_ids if folds[page] == fold])
        tables[f"fold{fold}"] = detailed_of(pages, vocabulary, np.random.default_rng(fold))
    tables["test"] = detailed_of(test, vocabulary, np.random.default_rng(9), test=True)
    for name, table in tables.items():
        write_detailed(folder / f"{name}.parquet", table)
        if name != "test":
            features = build_features([table], [(f"{name}.parquet",)], {f"{name}.parquet": "0"}, 3)
            write_features(folder / f"features{name[-1]}.parquet", features)
    return folder


def run(row: Row, capfd: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Give the command of a row; return its exit code, and the line that says what is wrong."""
    name, *words = shlex.split(row.command)
    if name == "run-all.sh":
        done = subprocess.run(["bash", str(ROOT / name), *words], capture_output=True, text=True, check=False)
        return done.returncode, done.stderr.splitlines()[0]
    module = module_of(f"kuzushiji.{name}")
    with pytest.raises(SystemExit) as ended:
        cli.run(module.main, words)
    output = capfd.readouterr()
    lines = output.err.splitlines()
    told = [line for line in lines if line.startswith("error: ") or ": error: " in line]
    assert "Traceback" not in output.err
    if name == "data.check" and not told:
        return int(str(ended.value.code)), output.out.splitlines()[0]
    assert len(told) == 1 and lines[-1] == told[0], output.err
    return int(str(ended.value.code)), told[0]


@pytest.mark.parametrize(
    ("row", "expected"),
    list(zip(ROWS, documented(), strict=True)),
    ids=[f"{row.command.split()[0]}: {row.wrong}" for row in ROWS],
)
def test_row(
    row: Row,
    expected: tuple[str, str, str, int],
    world: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    shutil.copytree(world, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("KUZUSHIJI_DATA", raising=False)
    started = row.change()
    capfd.readouterr()
    try:
        code, line = run(row, capfd)
    finally:
        if isinstance(started, subprocess.Popen):
            started.kill()
            started.communicate()
        elif isinstance(started, pytest.MonkeyPatch):
            started.undo()
    for pattern, text in VARIABLE:
        line = re.sub(pattern, text, line)
    assert (typed(row), row.wrong, line, code) == expected


def test_there_are_enough_rows_and_none_twice() -> None:
    assert len(ROWS) >= 60
    assert len({(row.command, row.wrong) for row in ROWS}) == len(ROWS)
