"""Table stages leave no file open, no handler and no thread behind, however often they run."""

import logging
import os
import signal
import threading
from pathlib import Path

import pytest

from kuzushiji import cli
from tests.commands import module_of
from tests.tables import N_FOLDS, write_runs

DETAILED = [f"fold{fold}-a.parquet" for fold in range(N_FOLDS)]
TEST = [f"test-fold{fold}-a.parquet" for fold in range(N_FOLDS)]
FEATURES = [f"features{fold}.parquet" for fold in range(N_FOLDS)]
COMMANDS = [
    ("segment.merge", ["{root}/train.csv", "merged.csv"]),
    ("classify.blend", [*DETAILED, "--score"]),
    ("classify.blend", [*TEST, "--output", "blend.csv"]),
    ("classify.pseudolabel", [*TEST, "pseudo.csv.gz", "--min-gap", "1"]),
    *(("classify.level2_features", [f'[["{name}"]]', out]) for name, out in zip(DETAILED, FEATURES, strict=True)),
    (
        "classify.level2",
        [*DETAILED, *FEATURES, "--n-folds", str(N_FOLDS), "--num-boost-round", "2", "--save-model", "models"],
    ),
    ("metric", ["blend.csv", "{root}/solution.csv"]),
    ("data.check", ["{root}", "--workers", "2"]),
]
WITHOUT_ROOT = ("metric", "data.check")


def run_all(root: Path) -> None:
    for module, words in COMMANDS:
        argv = [word.replace("{root}", str(root)) for word in words]
        if module not in WITHOUT_ROOT:
            argv += ["--data-root", str(root), "--force"]
        with pytest.raises(SystemExit) as ended:
            cli.run(module_of(f"kuzushiji.{module}").main, argv)
        assert ended.value.code == 0, module


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="open files are counted in /proc")
def test_stages_that_run_again_and_again(tiny_root, tmp_path, monkeypatch):
    write_runs(tiny_root, tmp_path, kinds=("a",))
    monkeypatch.chdir(tmp_path)
    run_all(tiny_root)  # libraries keep a few for themselves: pools of threads, their devices
    files, handlers, threads = open_files(), len(logging.getLogger().handlers), threading.active_count()
    for _ in range(2):
        run_all(tiny_root)
        assert open_files() <= files
        assert threading.active_count() <= threads
        assert len(logging.getLogger().handlers) == handlers
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    assert not list(tmp_path.rglob(".*.lock")) and not list(tmp_path.rglob(".*.tmp-*"))
