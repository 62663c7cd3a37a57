"""Vocabularies, records, logs of events, second levels: what lies in JSON."""

import json
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.fuzz_targets.target import CODES, Check, Target, require
from kuzushiji.data.vocabulary import Vocabulary
from kuzushiji.errors import KeptError
from kuzushiji.files import read_json
from kuzushiji.record import StageRecord


def json_targets(folder: Path) -> list[Target]:
    """Return the targets whose input is JSON."""
    vocabulary = json.dumps(list(Vocabulary.from_codes(CODES).codes)).encode()
    return [
        Target("vocabularies", 20, [vocabulary, b'["seg_fp"]'], check_vocabulary),
        Target("JSON files", 5, [b'{"a": [1, 2.5, null, "\\u3042"]}', b"[]"], _check_json(folder / "x.json")),
        _record_target(folder / "record"),
        _events_target(folder / "events.jsonl"),
        _level2_target(folder / "level2"),
    ]


def check_vocabulary(data: bytes) -> bool:
    """The classes of a model."""
    vocabulary = Vocabulary.from_json(data.decode("utf-8", "replace"))
    codes = vocabulary.codes
    require(list(codes[:-1]) == sorted(set(codes[:-1])) and codes[-1] == "seg_fp", "order")
    require(Vocabulary.from_json(vocabulary.to_json()) == vocabulary, "no round trip")
    return True


def _check_json(path: Path) -> Check:
    def check(data: bytes) -> bool:
        path.write_bytes(data)
        read_json(path)
        return True

    return check


def _of_record(data: bytes) -> dict[str, Any]:
    """Return what a record says of its stage; files are named without their folder, which may have been moved."""
    found = json.loads(data)
    files = {part: {Path(name).name: digest for name, digest in found[part].items()} for part in ("inputs", "outputs")}
    return {name: found[name] for name in ("format", "stage", "parameters", "formats")} | files


def _is_of_the_same_run(data: bytes, seed: bytes) -> bool:
    """Return whether a record differs in nothing that counts: inputs are the same by their order or by their names."""
    found, right = _of_record(data), _of_record(seed)
    in_order = [list(json.loads(record)["inputs"].values()) for record in (data, seed)]
    if in_order[0] == in_order[1]:
        found["inputs"] = right["inputs"]  # renamed
    return found == right


def _record_target(folder: Path) -> Target:
    """A damaged record makes its stage run, or refuses its output as another stage's input."""
    folder.mkdir()
    for name in ("in.csv", "more.csv", "out.csv"):
        (folder / name).write_text(name)
    record = folder / "record-toy.json"
    own = StageRecord(record, "toy", {"lr": 0.1}, [folder / "in.csv", folder / "more.csv"], [folder / "out.csv"])
    own.finish()
    # Of a folder that was moved, and without times: a random seed then makes the same inputs in each run.
    seed = json.dumps(_of_record(record.read_bytes()), indent=2).encode()

    def check(data: bytes) -> bool:
        record.write_bytes(data)
        needed = replace(own).needs_run()
        with suppress(KeptError):
            replace(own, models=[folder / "out.csv"], checkpoint=folder / "none").needs_run()
        StageRecord(folder / "record-next.json", "next", {}, [folder / "out.csv"], []).needs_run()
        if not needed:
            require(_is_of_the_same_run(data, seed), "a stage that is not done is skipped")
        return not needed

    return Target("records", 5, [seed], check)


def _events_target(path: Path) -> Target:
    from kuzushiji.engine.events import EventLog

    log = EventLog(path)
    for step in range(3):
        log.append(kind="train", epoch=0, step=step, seconds=0.5, loss=1.25)
    seed = path.read_bytes()

    def check(data: bytes) -> bool:
        path.write_bytes(data)
        log.truncate(1)
        require(all(event["step"] <= 1 for event in log.read()), "an event of later")
        return True

    return Target("logs of events", 3, [seed], check)


def _level2_target(folder: Path) -> Target:
    from kuzushiji.classify.level2.boosting import Recipe, Rows
    from kuzushiji.classify.level2.choice import Decision
    from kuzushiji.classify.level2.columns import column_names
    from kuzushiji.classify.level2.config import BINARY, REFERENCE, XGBOOST
    from kuzushiji.classify.level2.cross_fitting import FoldModel
    from kuzushiji.classify.level2.libraries import TRAINERS
    from kuzushiji.classify.level2.model import Level2Model
    from kuzushiji.classify.level2.saving import load_model, save_model
    from kuzushiji.run_folder import LEVEL2_FILE

    vocabulary = Vocabulary.from_codes(CODES)
    names = column_names(REFERENCE, 1, 3, (), vocabulary, None)
    values = np.arange(8 * len(names), dtype=np.float32).reshape(8, -1)
    nothing, every = np.zeros(8, np.float32), np.ones(4, np.float32)
    rows = Rows(values, names, np.arange(0, 9, 2), np.arange(8) % 2 == 0, nothing, every)
    trees = TRAINERS[XGBOOST](rows, rows, Recipe(BINARY, 1, 0, 0.3, threads=1), 0).trees
    save_model(
        folder,
        Level2Model(
            folds=(FoldModel(0, (), None, {XGBOOST: trees}, {XGBOOST: 1}),), feature_set=REFERENCE, columns=names,
            objective=BINARY, top_k=3, n_groups=1, extra=(), vocabulary=vocabulary, language=None, decision=Decision(),
        ),
    )  # fmt: skip
    seed = (folder / LEVEL2_FILE).read_bytes()

    def check(data: bytes) -> bool:
        (folder / LEVEL2_FILE).write_bytes(data)
        load_model(folder)
        return True

    return Target("second levels", 2, [seed], check)
