"""Events for TensorBoard, as its own reader finds them."""

import importlib.util

import pytest

from kuzushiji.engine.events import FOLDER, TensorBoardLog, check_installed
from kuzushiji.errors import InputError

accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")


def scalars(folder):
    """Step and value of each series."""
    events = accumulator.EventAccumulator(str(folder / FOLDER))
    events.Reload()
    return {name: [(e.step, round(e.value, 4)) for e in events.Scalars(name)] for name in events.Tags()["scalars"]}


def test_numbers_become_series_by_kind(tmp_path):
    log = TensorBoardLog(tmp_path, 0)
    log.append(kind="train", epoch=0, step=10, seconds=1.0, lr=0.1, loss=2.0)
    log.append(kind="epoch", epoch=0, step=20, seconds=2.0, lr=0.1, loss=1.0, valid_f1=0.5, note="text")
    log.close()
    assert scalars(tmp_path) == {
        "train/lr": [(10, 0.1)], "train/loss": [(10, 2.0)],
        "epoch/lr": [(20, 0.1)], "epoch/loss": [(20, 1.0)], "epoch/valid_f1": [(20, 0.5)],
    }  # fmt: skip


def test_what_a_run_wrote_after_its_checkpoint_is_not_shown(tmp_path):
    for start, steps in ((0, (10, 20)), (10, (20, 30))):
        log = TensorBoardLog(tmp_path, start)
        for step in steps:
            log.append(kind="train", epoch=0, step=step, seconds=0.0, loss=start + step)
        log.close()
    assert scalars(tmp_path)["train/loss"] == [(10, 10), (20, 30), (30, 40)]


def test_a_missing_package_is_named_before_anything_is_read(tiny_root, tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="pip install tensorboard"):
        check_installed()
    from kuzushiji.segment.main import main

    argv = [
        "--output-dir",
        str(tmp_path / "run"),
        "--tensorboard",
        "1",
        "--data-root",
        str(tiny_root),
        "--n-folds",
        "2",
    ]
    with pytest.raises(InputError, match="^--tensorboard: expected the package tensorboard"):
        main(argv)
