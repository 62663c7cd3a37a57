"""Checkpoints: written whole, read without running code, foreign and damaged files refused in one line."""

import os
import pickle
import random
import zipfile

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from kuzushiji.engine.checkpoint import check_same_run, load_checkpoint, read_tensors, save_checkpoint
from kuzushiji.errors import InputError


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


PARAMETERS = {"lr": 0.1, "steps": (1, 2), "name": None}


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, None),
        ({"steps": [1, 2]}, None),  # as JSON keeps it
        ({"lr": 0.2}, r"lr \(0.1 there, 0.2 now\)"),
        ({"name": "x"}, r"name \(None there, x now\)"),
        ({"new": 1}, r"new \(none there, 1 now\)"),
        ({"lr": 1, "steps": []}, r"lr \(0.1 there, 1 now\), steps \(\[1, 2\] there, \[\] now\)"),
    ],
)
def test_check_same_run_names_what_differs(tmp_path, changed, expected):
    meta = {"stage": "toy", "parameters": PARAMETERS}
    if expected is None:
        check_same_run(tmp_path, meta, "toy", PARAMETERS | changed)
    else:
        with pytest.raises(InputError, match=expected):
            check_same_run(tmp_path, meta, "toy", PARAMETERS | changed)


def test_check_same_run_of_another_stage(tmp_path):
    with pytest.raises(InputError, match="expected a checkpoint of classify.train, got one of segment.train"):
        check_same_run(tmp_path, {"stage": "segment.train", "parameters": {}}, "classify.train", {})
