"""Checkpoints: written whole, read without running code, foreign and damaged files refused in one line."""

import os
import pickle
import random
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from kuzushiji.engine.checkpoint import load_checkpoint, may_go_on, read_tensors, save_checkpoint
from kuzushiji.engine.progress import Progress
from kuzushiji.errors import InputError, KeptError
from kuzushiji.run_folder import CHECKPOINT, MODEL_BEST


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "checkpoint.pth"
    save_checkpoint(path, {"model": nn.Linear(2, 3)}, {"stage": "toy", "codes": ["U+3042"], "f1": 0.5, "none": None})
    return path


def test_round_trip(tmp_path):
    model = nn.Linear(2, 3)
    save_checkpoint(tmp_path / "new" / "c.pth", {"model": model}, {"stage": "toy", "sizes": [1, 2]})
    content = load_checkpoint(tmp_path / "new" / "c.pth")
    assert content["meta"] == {"stage": "toy", "sizes": [1, 2]}
    torch.testing.assert_close(content["model"], model.state_dict())
    assert os.listdir(tmp_path / "new") == ["c.pth"]  # nothing temporary is left


def test_an_interrupted_write_leaves_the_old_file(saved, monkeypatch):
    before = saved.read_bytes()

    def full_disk(content, path):
        path.write_bytes(b"half")
        raise RuntimeError("[enforce fail at inline_container.cc] . PytorchStreamWriter failed writing file")

    monkeypatch.setattr(torch, "save", full_disk)
    with pytest.raises(InputError, match=r"checkpoint.pth: cannot be written: .*PytorchStreamWriter failed"):
        save_checkpoint(saved, {}, {})
    assert saved.read_bytes() == before
    assert os.listdir(saved.parent) == [saved.name]


class Evil:
    """Harmless here: leaves a file where code has run."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return (os.mkdir, (str(self.mark),))


@pytest.mark.parametrize("write", [torch.save, lambda value, path: path.write_bytes(pickle.dumps(value))])
def test_a_pickle_with_code_in_it_is_refused_and_does_not_run(tmp_path, write):
    write({"model": Evil(tmp_path / "ran")}, tmp_path / "model.pth")
    with pytest.raises(InputError, match=r"model.pth: refused, .* nothing but tensors and plain values"):
        load_checkpoint(tmp_path / "model.pth")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("empty", b""),
        ("text", b"image_id,labels\n"),
        ("a zip of something else", None),
        ("a picture", b"\xff\xd8\xff\xe0" + bytes(100)),
        ("a pickle cut short", pickle.dumps([1] * 1000)[:50]),
    ],
)
def test_foreign_files_are_refused(tmp_path, name, content):
    path = tmp_path / "model.pth"
    if content is None:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("a.txt", "b")
    else:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"model.pth: .*expected a file of torch.save.* damaged") as e:
        load_checkpoint(path)
    assert "\n" not in str(e.value)


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.9, 0.999])
def test_truncated_files_are_refused(saved, kept):
    whole = saved.read_bytes()
    saved.write_bytes(whole[: int(len(whole) * kept)])
    with pytest.raises(InputError, match=r"checkpoint.pth: .*expected a file of torch.save"):
        load_checkpoint(saved)


def test_missing_file(tmp_path):
    with pytest.raises(InputError, match=r"none.pth: cannot be read: No such file"):
        load_checkpoint(tmp_path / "none.pth")


def test_a_folder(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        load_checkpoint(tmp_path)


@pytest.mark.parametrize("content", [{"model": {}}, [1, 2], {"format": "kuzushiji-checkpoint-1"}, torch.zeros(2)])
def test_files_of_torch_that_are_not_ours(tmp_path, content):
    torch.save(content, tmp_path / "c.pth")
    with pytest.raises(InputError, match="expected a checkpoint of this program"):
        load_checkpoint(tmp_path / "c.pth")


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(0, 2**32))
def test_mutated_files_never_end_in_anything_but_one_line(tmp_path_factory, seed):
    folder = tmp_path_factory.getbasetemp()
    path = folder / "mutated.pth"
    save_checkpoint(path, {"model": nn.Linear(2, 3)}, {"stage": "toy"})
    content = bytearray(path.read_bytes())
    generator = random.Random(seed)
    for _ in range(generator.randint(1, 8)):
        content[generator.randrange(len(content))] = generator.randrange(256)
    path.write_bytes(content)
    try:
        read_tensors(path)
    except InputError as error:
        assert "\n" not in str(error)


# May this run go on?


@dataclass
class Run:
    """What a training compares an earlier one with: here the parameters, and whether the inputs are known."""

    parameters: dict[str, Any]
    stage: str = "toy.train"

    def differences(self, parameters, inputs):
        names = [name for name in self.parameters if self.parameters[name] != parameters.get(name)]
        return names + (["in.csv"] if inputs == {"in.csv": "other"} else [])


SAME = Run({"lr": 0.1})


def leave(folder: Path, *, epoch: int, best: int = 0, checkpoint: bool = True, model: bool = True, **meta) -> None:
    """Leave what a training does after some epochs."""
    facts = {"stage": "toy.train", "parameters": {"lr": 0.1}, "inputs": {"in.csv": "0"}, "epoch": epoch} | meta
    progress = Progress(epoch=epoch + 1, best_epoch=best)
    if model:
        save_checkpoint(folder / MODEL_BEST, {"model": nn.Linear(2, 3)}, facts)
    if checkpoint:
        save_checkpoint(folder / CHECKPOINT, {"model": nn.Linear(2, 3), "progress": progress}, facts)


@pytest.mark.parametrize(
    ("left", "goes_on"),
    [
        ({}, False),
        ({"epoch": -1, "best": -1, "model": False}, True),  # stopped within its first epoch
        ({"epoch": 3}, True),
        ({"epoch": 3, "inputs": None}, True),  # of an earlier version of the detector, which did not say
        ({"epoch": 0, "checkpoint": False}, False),  # killed between its first model and its first checkpoint
    ],
)
def test_a_run_goes_on_or_begins(tmp_path, left, goes_on):
    if left:
        leave(tmp_path, **left)
    assert may_go_on(tmp_path, SAME) is goes_on


@pytest.mark.parametrize(
    ("left", "run", "name", "message"),
    [
        ({"epoch": 3}, Run({"lr": 0.2, "wd": 1}), CHECKPOINT, "differences: lr, wd;"),
        ({"epoch": 3, "inputs": {"in.csv": "other"}}, SAME, CHECKPOINT, "differences: in.csv;"),
        ({"epoch": 3, "model": False}, SAME, CHECKPOINT, "model_best.pth, the best epoch so far, is missing;"),
        ({"epoch": 3, "checkpoint": False}, SAME, MODEL_BEST, "its checkpoint checkpoint.pth is missing;"),
        ({"epoch": 3, "checkpoint": False}, Run({"lr": 0.2}), MODEL_BEST, "differences: lr;"),
    ],
)
def test_what_another_run_left_is_kept(tmp_path, left, run, name, message):
    leave(tmp_path, **left)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(KeptError) as refused:
        may_go_on(tmp_path, run)
    assert str(refused.value).startswith(f"{tmp_path / name}: is kept, only --force replaces it; ")
    assert message in str(refused.value)
    assert before == {path: path.read_bytes() for path in tmp_path.iterdir()}


def test_a_checkpoint_of_another_stage(tmp_path):
    leave(tmp_path, epoch=3)
    with pytest.raises(InputError, match="expected a checkpoint of other.train, got one of toy.train"):
        may_go_on(tmp_path, Run({}, "other.train"))
