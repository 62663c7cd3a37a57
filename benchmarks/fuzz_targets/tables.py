"""Tables of stages, checkpoints, headers of images."""

import io
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.fuzz_targets.target import CODES, PAGES, Target, require
from kuzushiji.artifacts import (
    Detailed,
    PredictedCharacters,
    read_characters,
    read_detailed,
    write_characters,
    write_detailed,
)
from kuzushiji.data.jpeg import NotJpegError, read_header
from kuzushiji.data.labels import PageLabels
from kuzushiji.data.vocabulary import Vocabulary
from kuzushiji.errors import InputError


def small_table() -> Detailed:
    """Return a detailed table of a few boxes."""
    vocabulary = Vocabulary.from_codes(CODES)
    random = np.random.default_rng(0)
    n, k = 7, 3
    boxes = pd.DataFrame({"image_id": pd.Series([PAGES[0]] * 4 + [PAGES[2]] * 3, dtype=str)})
    boxes["box"] = np.array([0, 1, 2, 3, 0, 1, 2], np.int32)
    boxes[["x", "y", "w", "h"]] = random.integers(1, 99, (n, 4)).astype(np.float64)
    boxes["true"] = pd.Series(vocabulary.decode(random.integers(0, 6, n)), dtype=str)
    classes = np.argsort(random.random((n, 6)), axis=1)[:, :k].astype(np.int32)
    logits = -np.sort(-random.normal(2, 4, (n, k)).astype(np.float32), axis=1)
    return Detailed(boxes, classes, logits, vocabulary, PAGES)


def table_targets(folder: Path) -> list[Target]:
    """Return the targets whose input is bytes, such as those of a Parquet table."""
    table = small_table()
    (folder / "text").mkdir()
    (folder / "text" / "vocabulary.json").write_text(table.vocabulary.to_json())
    return [
        _detailed_target("detailed tables", 2, folder / "detailed.parquet", table),
        _detailed_target("detailed tables of the reference", 2, folder / "text" / "detailed.csv.gz", table),
        _detailed_target("detailed tables of the reference, unpacked", 2, folder / "text" / "detailed.csv", table),
        _characters_target(folder / "characters.parquet", table),
        _features_target(folder / "features.parquet", table),
        _detections_target(folder / "detections.parquet"),
        _checkpoint_target(folder / "checkpoint.pth"),
        _jpeg_target(),
    ]


def _detailed_target(name: str, share: int, path: Path, table: Detailed) -> Target:
    write_detailed(path, table)
    seed = path.read_bytes()
    again = path.with_name(f"again-{path.name}")

    def check(data: bytes) -> bool:
        path.write_bytes(data)
        found = read_detailed(path, vocabulary=table.vocabulary if path.suffix != ".parquet" else None)
        write_detailed(again, found)
        copy = read_detailed(again, vocabulary=found.vocabulary if path.suffix != ".parquet" else None)
        require(copy.boxes.equals(found.boxes), "other boxes after a round trip")
        require(np.array_equal(copy.classes, found.classes), "other classes after a round trip")
        require(np.array_equal(copy.logits, found.logits), "other logits after a round trip")
        if path.suffix == ".parquet":
            require(found.boxes.equals(table.boxes) and found.pages == table.pages, "damage that was not seen")
        return True

    return Target(name, share, [seed], check)


def _characters_target(path: Path, table: Detailed) -> Target:
    labels = PageLabels(table.pages, table.boxes.rename(columns={"true": "code"}))
    write_characters(path, PredictedCharacters.from_labels(table.pages, labels, np.linspace(0, 1, len(table))))
    seed, expected = path.read_bytes(), read_characters(path)

    def check(data: bytes) -> bool:
        path.write_bytes(data)
        found = read_characters(path)
        require(found.rows.equals(expected.rows) and found.pages == expected.pages, "damage that was not seen")
        return True

    return Target("probabilities", 2, [seed], check)


def _features_target(path: Path, table: Detailed) -> Target:
    from kuzushiji.artifacts.features import read_features, write_features
    from kuzushiji.classify.level2.candidates import build_features

    write_features(path, build_features([table], [("a.parquet",)], {"a.parquet": "0"}, 3))
    seed, expected = path.read_bytes(), read_features(path)

    def check(data: bytes) -> bool:
        path.write_bytes(data)
        found = read_features(path)
        require(found.boxes.equals(expected.boxes) and found.pages == expected.pages, "damage that was not seen")
        require(np.array_equal(found.candidates, expected.candidates), "damage that was not seen")
        return True

    return Target("features", 2, [seed], check)


def _detections_target(path: Path) -> Target:
    from kuzushiji.artifacts.detections import Detections, read_detections, write_detections

    boxes_xyxy = np.array([[1, 2, 30, 40], [5, 6, 70, 80], [1, 1, 2, 2]], np.float64)
    write_detections(path, Detections(PAGES, np.array([0, 0, 2]), boxes_xyxy, np.array([0.9, 0.8, 0.7])))
    seed, expected = path.read_bytes(), read_detections(path)

    def check(data: bytes) -> bool:
        path.write_bytes(data)
        found = read_detections(path)
        require(found.image_ids == expected.image_ids, "damage that was not seen")
        require(np.array_equal(found.boxes_xyxy, expected.boxes_xyxy), "damage that was not seen")
        require(np.array_equal(found.scores, expected.scores), "damage that was not seen")
        return True

    return Target("detections", 2, [seed], check)


def _checkpoint_target(path: Path) -> Target:
    import torch

    from kuzushiji.engine.checkpoint import load_checkpoint, save_checkpoint

    torch.manual_seed(0)
    model = torch.nn.Linear(3, 2)
    save_checkpoint(path, {"model": model}, {"stage": "toy", "parameters": {"lr": 0.1}, "codes": list(CODES)})
    seed = io.BytesIO()
    torch.save(load_checkpoint(path), seed)  # a file would hold its random temporary name

    def check(data: bytes) -> bool:
        path.write_bytes(data)
        found = load_checkpoint(path)
        require(found["meta"] == {"stage": "toy", "parameters": {"lr": 0.1}, "codes": list(CODES)}, "other facts")
        state = model.state_dict()
        require(all(torch.equal(found["model"][name], state[name]) for name in state), "damage that was not seen")
        return True

    return Target("checkpoints", 3, [seed.getvalue()], check)


def _jpeg_target() -> Target:
    import cv2

    _, content = cv2.imencode(".jpg", np.random.default_rng(0).integers(0, 255, (20, 30, 3), np.uint8))
    seed = content.tobytes()

    def check(data: bytes) -> bool:
        try:
            header = read_header(io.BytesIO(data))
        except NotJpegError as error:
            raise InputError(str(error)) from error
        require(0 <= header.width < 1 << 16 and 0 <= header.height < 1 << 16, "size")
        return True

    return Target("headers of images", 5, [seed[:700], seed], check)
