"""One JSON object a line; what came after the resume point is dropped."""

import pytest

from kuzushiji.engine.events import EventLog
from kuzushiji.errors import InputError


@pytest.fixture
def log(tmp_path):
    log = EventLog(tmp_path / "events.jsonl")
    for step in (1, 2, 3):
        log.append(kind="train", epoch=0, step=step, seconds=0.1, loss=0.123456789)
    return log


def test_append_and_read(log):
    assert log.read()[0] == {"kind": "train", "epoch": 0, "step": 1, "seconds": 0.1, "loss": 0.1234568}
    assert len(log.path.read_text().splitlines()) == 3


@pytest.mark.parametrize(("step", "kept"), [(0, []), (2, [1, 2]), (9, [1, 2, 3])])
def test_truncate(log, step, kept):
    log.truncate(step)
    assert [event["step"] for event in log.read()] == kept


def test_an_unfinished_last_line_is_left_out(log):
    with log.path.open("a") as file:
        file.write('{"kind": "train", "st')
    assert len(log.read()) == 3
    log.truncate(3)
    log.append(kind="train", epoch=0, step=4, seconds=0.2)
    assert [event["step"] for event in log.read()] == [1, 2, 3, 4]


def test_no_file_yet(tmp_path):
    log = EventLog(tmp_path / "events.jsonl")
    assert log.read() == []
    log.truncate(0)
    assert log.read() == []


def test_not_a_number_is_still_json(tmp_path):
    log = EventLog(tmp_path / "events.jsonl")
    log.append(kind="epoch", epoch=0, step=1, seconds=1.0, f1=float("nan"))
    assert log.path.read_text().endswith('"f1": null}\n')


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match="events.jsonl: cannot be written"):
        EventLog(tmp_path / "none" / "events.jsonl").append(step=1)
