"""The chain killed at random moments, the short version of benchmarks/kill_test.py: its first stages, two kills."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

pytestmark = [
    pytest.mark.chain,
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are found in /proc"),
]


def test_what_was_killed_comes_through_with_the_tables_of_an_undisturbed_run(tmp_path):
    command = [sys.executable, str(ROOT / "benchmarks" / "kill_test.py"), "--kills", "2", "--folder", str(tmp_path)]
    command += ["--stages", "books", "segment", "merge", "--epochs", "1", "--workers", "1"]
    done = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout)
    assert found["kills"] == 2
    assert found["runs that came through identical"] >= 1
    assert found["files compared"] >= 12  # pages, their tables, models, boxes, scores of both folds, both merged tables
