"""The stage as people run it: one tiny training on the tiny root, what it leaves, and what may be done with that."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from kuzushiji.artifacts.detections import read_detections
from kuzushiji.data.folds import split_pages
from kuzushiji.data.labels import SEG_FP, read_page_labels
from kuzushiji.data.pages import read_page
from kuzushiji.engine.checkpoint import load_checkpoint
from kuzushiji.imaging import store as store_module
from kuzushiji.scoring import score_boxes
from kuzushiji.segment import train as train_module
from kuzushiji.segment.main import FindHeldOutBoxes, main

Failure = Callable[..., tuple[Any, str]]

# Fold 0 of 3 holds out the book 100000001 and hnsd, whose second page has no text.
FOLD = "--fold 0 --n-folds 3"
TINY = f"""{FOLD} --model fasterrcnn_resnet18_fpn --pretrained 0 --norm group
    --long-side 240 --crop-width 96 --crop-height 72 --crop-min-height 64 --crop-max-height 80
    --anchor-sizes 12 16 24 32 48 --fpn-channels 16 --box-head-size 32 --rois-per-image 32 --anchors-per-image 32
    --proposals-train 50 --proposals-test 50 --score-threshold 0.05 --test-long-side 120
    --epochs 1 --repeat-train-step 1 --batch-size 4 --warmup-steps 2 --lr 0.01
    --workers 0 --threads 1 --device cpu --cache-mib 10"""
OUTPUTS = ("clf_gt.csv", "detections.parquet", "test_predictions.csv", "test_detections.parquet")


def run(folder: Path, *words: object) -> int:
    return main(["--output-dir", str(folder), *(str(word) for word in words)])


@pytest.fixture(scope="module")
def root(tiny_root: Path) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KUZUSHIJI_DATA", str(tiny_root))
        yield tiny_root


@pytest.fixture(scope="module")
def finished(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run; to be copied by whoever changes it."""
    folder = tmp_path_factory.mktemp("run") / "segment-fold0"
    assert run(folder, *TINY.split(), "--with-test", "1") == 0
    return folder


@pytest.fixture
def damaged_root(tiny_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the tiny root to be damaged."""
    copy = tmp_path / "root"
    shutil.copytree(tiny_root, copy)
    monkeypatch.setenv("KUZUSHIJI_DATA", str(copy))
    return copy


def no_training(*_: object) -> None:
    raise AssertionError("training was not expected to begin")


# What a run leaves


def test_files_of_a_run(finished: Path) -> None:
    names = {path.name for path in finished.iterdir()}
    assert names == {
        *OUTPUTS,
        *("params.json", "metrics.json", "metrics-oof.json", "events.jsonl", "checkpoint.pth", "model_best.pth"),
        *("record-train.json", "record-oof.json", "record-test.json"),
    }


def test_params_hold_all_parameters(finished: Path, root: Path) -> None:
    params = json.loads((finished / "params.json").read_text())
    assert params["model"] == "fasterrcnn_resnet18_fpn"
    assert params["anchor_sizes"] == [12, 16, 24, 32, 48]
    assert params["workers"] == 0
    assert str(root / "train.csv") in params["inputs"]


def test_boxes_of_the_held_out_pages(finished: Path, root: Path) -> None:
    """Every page of the fold and no other, boxes within the pages, true codes or seg_fp, the same as with scores."""
    train = read_page_labels(root / "train.csv")
    found = read_page_labels(finished / "clf_gt.csv")
    assert found.image_ids == split_pages(train.image_ids, 0, 3)[1]
    assert set(found.boxes["code"]) <= {SEG_FP, *train.boxes["code"]}
    assert len(found.boxes)
    check_within_the_page(found.boxes)
    scored = read_detections(finished / "detections.parquet")
    assert scored.image_ids == found.image_ids
    assert len(scored.scores) == len(found.boxes)
    assert (scored.scores >= 0.05).all()


def test_boxes_of_the_test_pages(finished: Path, root: Path) -> None:
    sample = pd.read_csv(root / "sample_submission.csv")["image_id"]
    found = read_page_labels(finished / "test_predictions.csv")
    assert found.image_ids == tuple(sample)
    assert set(found.boxes["code"]) <= {SEG_FP}
    check_within_the_page(found.boxes)
    assert read_detections(finished / "test_detections.parquet").image_ids == found.image_ids


def check_within_the_page(boxes: pd.DataFrame) -> None:
    """Pages of the tiny root have 160 x 240 pixels."""
    assert (boxes[["x", "y"]] >= 0).all(axis=None)
    assert (boxes["x"] + boxes["w"] <= 160).all()
    assert (boxes["y"] + boxes["h"] <= 240).all()


def test_fault_2_the_score_counts_all_characters_of_the_fold(finished: Path, root: Path) -> None:
    found = read_page_labels(finished / "clf_gt.csv")
    truth = read_page_labels(root / "train.csv").of_pages(found.image_ids)
    metrics = json.loads((finished / "metrics-oof.json").read_text())
    assert metrics["tp"] + metrics["fn"] == len(truth.boxes)
    assert metrics["tp"] + metrics["fp"] == len(found.boxes)
    assert metrics["f1"] == score_boxes(truth, found).f1
    assert metrics["pages_per_second"] > 0
    assert metrics["peak_memory_mib"] > 0


def test_fault_9_last_and_best_epoch_side_by_side(finished: Path) -> None:
    metrics = json.loads((finished / "metrics.json").read_text())
    assert metrics["best_epoch"] == metrics["last_epoch"] == 0
    assert set(metrics["best"]) == set(metrics["last"]) == {"f1", "precision", "recall", "tp", "fp", "fn"}


def test_fault_7_the_checkpoint_rebuilds_its_model(finished: Path) -> None:
    content = load_checkpoint(finished / "model_best.pth")
    assert content["meta"]["detector"]["backbone"] == "resnet18"
    assert content["meta"]["detector"]["norm"] == "group"


def test_workers_do_not_change_the_result(finished: Path, root: Path, tmp_path: Path) -> None:
    assert run(tmp_path, *TINY.split(), "--workers", "2", "--cache-mib", "0") == 0
    one, other = (load_checkpoint(folder / "model_best.pth")["model"] for folder in (finished, tmp_path))
    assert all(torch.equal(other[name], value) for name, value in one.items())
    assert (tmp_path / "clf_gt.csv").read_bytes() == (finished / "clf_gt.csv").read_bytes()


def test_strips_do_not_change_the_result(finished: Path, root: Path, tmp_path: Path) -> None:
    strips = tmp_path / "strips"
    assert run(tmp_path / "run", *TINY.split(), "--cache-mib", "0", "--strips", strips) == 0
    assert len(list(strips.rglob("*.strips"))) == 9  # the training pages
    one, other = (load_checkpoint(folder / "model_best.pth")["model"] for folder in (finished, tmp_path / "run"))
    assert all(torch.equal(other[name], value) for name, value in one.items())
    assert (tmp_path / "run" / "clf_gt.csv").read_bytes() == (finished / "clf_gt.csv").read_bytes()


def test_held_out_pages_are_not_read_where_nothing_is_evaluated(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: set[str] = set()

    def recorded(path: Path) -> Any:
        read.add(path.stem)
        return read_page(path)

    monkeypatch.setattr(store_module, "read_page", recorded)
    monkeypatch.setattr(FindHeldOutBoxes, "run_unless_done", lambda *_: None)
    assert run(tmp_path, *TINY.split(), "--evaluate-every", "0") == 0
    train, held_out = split_pages(read_page_labels(root / "train.csv").image_ids, 0, 3)
    assert read == set(train)
    assert run(tmp_path, *TINY.split(), "--force") == 0
    assert read == {*train, *held_out}


def test_two_sizes_of_the_pages(finished: Path, tmp_path: Path) -> None:
    """Sizes are kept in the checkpoint; the boxes of two sizes are fused."""
    words = ["--workers", 0, "--threads", 1, "--device", "cpu", "--resume", finished / "model_best.pth", "--submission"]
    run(tmp_path / "one", *FOLD.split(), *words)
    run(tmp_path / "two", *FOLD.split(), *words, "--test-scales", 1, 1.3)
    one, two = (read_detections(tmp_path / name / "test_detections.parquet") for name in ("one", "two"))
    np.testing.assert_array_equal(one.boxes_xyxy, read_detections(finished / "test_detections.parquet").boxes_xyxy)
    assert two.image_ids == one.image_ids
    assert not np.array_equal(two.boxes_xyxy, one.boxes_xyxy)
    assert (two.scores >= 0.05).all()
    assert (two.boxes_xyxy >= 0).all()


# Skipping


def test_done_is_skipped(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {path.name: path.stat().st_mtime_ns for path in finished.iterdir()}
    monkeypatch.setattr(train_module, "fit", no_training)
    assert run(finished, *TINY.split(), "--with-test", "1", "--workers", "1") == 0
    assert {path.name: path.stat().st_mtime_ns for path in finished.iterdir()} == before


def test_other_parameters_on_a_finished_run(finished: Path, failure: Failure) -> None:
    code, line = failure(main, "--output-dir", finished, *TINY.split(), "--lr", "0.5", "--epochs", "3")
    assert code == 1
    model = finished / "model_best.pth"
    assert f"{model}: is kept, only --force replaces it; differences: --epochs (1 there, 3 now), --lr (" in line


def test_a_damaged_output_is_made_again(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = (finished / "clf_gt.csv").read_bytes()
    (finished / "clf_gt.csv").write_text("image_id,labels\n")
    monkeypatch.setattr(train_module, "fit", no_training)
    assert run(finished, *TINY.split()) == 0
    assert (finished / "clf_gt.csv").read_bytes() == before


# With a trained model


@pytest.mark.parametrize(
    ("mode", "outputs"),
    [
        ("--test-only", OUTPUTS[:2]),
        ("--submission", OUTPUTS[2:]),
    ],
)
def test_resume_only_predicts(
    mode: str, outputs: tuple[str, ...], finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Architecture, sizes and thresholds come from the checkpoint: no further flag gives the very same boxes."""
    monkeypatch.setattr(train_module, "fit", no_training)
    words = f"{FOLD} --workers 0 --threads 1 --device cpu --resume {finished / 'model_best.pth'}".split()
    assert run(tmp_path, *words, mode) == 0
    for name in outputs:
        assert (tmp_path / name).read_bytes() == (finished / name).read_bytes(), name
    assert not (tmp_path / "model_best.pth").exists()


@pytest.mark.parametrize("as_json", [True, False])
def test_results_on_standard_output(as_json: bool, finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What each part found out that was not done yet, as its record says."""
    words = [*TINY.split(), "--with-test", "1", *(["--json"] if as_json else [])]
    (finished / "test_predictions.csv").unlink()
    assert run(finished, *words) == 0
    printed = capsys.readouterr().out
    if as_json:
        assert json.loads(printed) == {"test": json.loads((finished / "record-test.json").read_text())["facts"]}
    else:
        assert "test pages" in printed and printed.splitlines()[0].split()[-1] == "3"
    assert run(finished, *words) == 0
    assert capsys.readouterr().out == ""  # all is done


def test_resume_test_only_in_the_same_folder_is_skipped(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = (finished / "record-oof.json").stat().st_mtime_ns
    run(finished, *FOLD.split(), "--resume", finished / "model_best.pth", "--test-only")
    assert (finished / "record-oof.json").stat().st_mtime_ns == before


def test_a_threshold_may_be_given_anew(finished: Path, tmp_path: Path) -> None:
    run(
        tmp_path, *FOLD.split(), "--workers", 0, "--threads", 1, "--device", "cpu",
        "--resume", finished / "model_best.pth", "--submission", "--score-threshold", 0.999,
    )  # fmt: skip
    found = read_detections(tmp_path / "test_detections.parquet")
    assert len(found.image_ids) == 3  # pages without any box stay
    assert (found.scores >= 0.999).all()
    assert read_page_labels(tmp_path / "test_predictions.csv").image_ids == found.image_ids


def test_fault_5_resume_with_training_starts_from_the_weights(finished: Path, tmp_path: Path) -> None:
    """Epochs are counted from the first; with a learning rate of 0 weights and scores stay those of the checkpoint."""
    words = [*TINY.split(), "--resume", str(finished / "model_best.pth"), "--lr", "0", "--wd", "0", "--epochs", "2"]
    assert run(tmp_path, *words) == 0
    start, end = load_checkpoint(finished / "model_best.pth"), load_checkpoint(tmp_path / "model_best.pth")
    assert all(torch.equal(end["model"][name], value) for name, value in start["model"].items())
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert (metrics["best_epoch"], metrics["last_epoch"]) == (0, 1)
    assert metrics["best"] == metrics["last"] == start["meta"]["metrics"]
    assert (tmp_path / "clf_gt.csv").read_bytes() == (finished / "clf_gt.csv").read_bytes()


def test_a_precision_that_each_machine_chooses_is_no_reason_to_run_again(
    finished: Path, root: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What was trained with O0 is done for `auto`, and an interrupted training goes on."""
    shutil.copytree(finished, tmp_path / "run")
    words = [*TINY.split(), "--with-test", "1", "--opt-level", "auto"]
    with caplog.at_level("INFO"):
        assert run(tmp_path / "run", *words) == 0
    assert caplog.text.count("already done, skipped") == 3
    (tmp_path / "run" / "record-train.json").unlink()
    caplog.clear()
    with caplog.at_level("INFO"):
        assert run(tmp_path / "run", *words) == 0
    assert "goes on with epoch" in caplog.text and "epoch 1 of" not in caplog.text
    assert "--opt-level auto: O" in caplog.text
    assert json.loads((tmp_path / "run" / "metrics-oof.json").read_text())["precision"] == "float32"


def test_fault_5_an_interrupted_run_goes_on_without_a_flag(
    finished: Path, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped after the training's last checkpoint and before its record: nothing is trained again."""
    folder = tmp_path / "run"
    folder.mkdir()
    for name in ("checkpoint.pth", "model_best.pth", "params.json", "events.jsonl"):
        shutil.copy(finished / name, folder / name)
    assert run(folder, *TINY.split()) == 0
    assert (folder / "model_best.pth").read_bytes() == (finished / "model_best.pth").read_bytes()
    assert len((folder / "events.jsonl").read_text().splitlines()) == 1
    assert (folder / "record-train.json").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--test-only --fold 1 --n-folds 3", "expected a model that has not seen the held-out pages"),
        ("--test-only --fold 1 --n-folds 3", "with --fold 0 --n-folds 3"),
        ("--fold 1 --n-folds 3 --device cpu", "expected a model that has not seen the held-out pages"),
        (f"--submission {FOLD} --model fasterrcnn_resnet34_fpn", "--model fasterrcnn_resnet34_fpn, got one with"),
        (f"--submission {FOLD} --fpn-channels 64", "expected a model with --fpn-channels 64, got one with 16"),
    ],
)
def test_a_flag_contradicts_the_checkpoint(
    words: str, message: str, finished: Path, tmp_path: Path, failure: Failure
) -> None:
    code, line = failure(main, "--output-dir", tmp_path, "--resume", finished / "model_best.pth", *words.split())
    assert code == 1
    assert message in line


# Bad input


def test_training_from_the_weights_that_it_would_replace(finished: Path, failure: Failure) -> None:
    words = [*TINY.split(), "--lr", "0.5", "--resume", finished / "checkpoint.pth"]
    code, line = failure(main, "--output-dir", finished, *words)
    assert code == 1
    assert "an interrupted run goes on without --resume" in line


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "expected a file with weights, got none"),  # missing
        (b"", "model.pth"),  # empty
        (b"not a checkpoint", "model.pth"),  # something else
        ({"format": "other"}, "model.pth"),  # a file of torch.save, not ours
        ({"format": "kuzushiji-checkpoint-1", "meta": {"stage": "classify.train"}}, "got one of classify.train"),
        ({"format": "kuzushiji-checkpoint-1", "meta": {"stage": "segment.train"}}, "a checkpoint with detector"),
    ],
)
def test_bad_checkpoint(content: Any, message: str, root: Path, tmp_path: Path, failure: Failure) -> None:
    path = tmp_path / "model.pth"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        torch.save(content, path)
    code, line = failure(main, "--output-dir", tmp_path / "run", "--resume", path, "--submission")
    assert code == 1
    assert message in line


def test_weights_of_another_detector_than_is_named(finished: Path, tmp_path: Path, failure: Failure) -> None:
    content = torch.load(finished / "model_best.pth", weights_only=True)
    content["meta"]["detector"]["fpn_channels"] *= 2
    path = tmp_path / "model.pth"
    torch.save(content, path)
    code, line = failure(main, "--output-dir", tmp_path / "run", "--resume", path, "--submission")
    assert code == 1
    assert f"{path}: expected the weights of DetectorConfig(" in line and "size mismatch" in line


def test_no_data_root(tmp_path: Path, failure: Failure) -> None:
    code, line = failure(main, "--output-dir", tmp_path, "--data-root", tmp_path / "nowhere")
    assert code == 1
    assert "nowhere: expected a folder with train.csv" in line


def test_fewer_books_than_folds(root: Path, tmp_path: Path, failure: Failure) -> None:
    code, line = failure(main, "--output-dir", tmp_path, "--n-folds", 7)
    assert code == 1
    assert "got 6 books for 7 folds" in line


def test_output_folder_that_cannot_be_made(root: Path, tmp_path: Path, failure: Failure) -> None:
    (tmp_path / "file").write_text("")
    code, line = failure(main, "--output-dir", tmp_path / "file" / "run", *TINY.split())
    assert code == 1
    assert "file" in line


def test_missing_image(damaged_root: Path, tmp_path: Path, failure: Failure) -> None:
    (damaged_root / "train_images" / "brsk001-001.jpg").unlink()
    code, line = failure(main, "--output-dir", tmp_path / "run", *TINY.split())
    assert code == 1
    assert "train.csv, page brsk001-001: expected its image" in line


def test_missing_test_image_is_said_before_the_training(damaged_root: Path, tmp_path: Path, failure: Failure) -> None:
    (damaged_root / "test_images" / "test_100000009_00001_1.jpg").unlink()
    code, line = failure(main, "--output-dir", tmp_path / "run", *TINY.split(), "--with-test", 1)
    assert code == 1
    assert "sample_submission.csv, page test_100000009_00001_1: expected its image" in line
    assert not (tmp_path / "run").exists()


GIANT = b"\xff\xd8\xff\xc0\x00\x11\x08\xff\xff\xff\xff\x03" + bytes(50) + b"\xff\xd9"
"""A few bytes that promise 65535 x 65535 pixels."""


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (lambda whole: whole[:-500], "expected a whole JPEG image"),  # truncated
        (lambda whole: b"", "an empty file"),
        (lambda whole: b"GIF89a" + whole, "expected a JPEG, PNG, TIFF, WebP or JPEG 2000 image, got"),  # another type
        (lambda whole: GIANT, "expected a page of 1 to 200,000,000 pixels, got one of 65535 x 65535"),
    ],
)
@pytest.mark.parametrize(
    "words",
    [
        "--cache-mib 0 --workers 0",  # read in this process
        "--cache-mib 0 --workers 1",  # in a worker
        "--cache-mib 10 --workers 0",  # when the memory is filled
        "--cache-mib 0 --workers 0 --strips {folder}/strips",  # when strips are cut
    ],
)
def test_images_that_are_no_pages(
    content: Callable[[bytes], bytes], message: str, words: str, damaged_root: Path, tmp_path: Path, failure: Failure
) -> None:
    """Wherever such an image is read, one line names it."""
    path = damaged_root / "train_images" / "brsk001-001.jpg"
    path.write_bytes(content(path.read_bytes()))
    code, line = failure(main, "--output-dir", tmp_path / "run", *TINY.split(), *words.format(folder=tmp_path).split())
    assert code == 1
    assert "brsk001-001.jpg: " in line and message in line
    assert "Traceback" not in line


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "an empty file"),
        (GIANT, "got one of 65535 x 65535"),
        (b"%PDF-1.7", "expected a JPEG, PNG, TIFF, WebP or JPEG 2000 image"),
    ],
)
def test_test_images_that_are_no_pages(
    content: bytes, message: str, finished: Path, damaged_root: Path, tmp_path: Path, failure: Failure
) -> None:
    path = next((damaged_root / "test_images").iterdir())
    path.write_bytes(content)
    words = [*FOLD.split(), "--workers", 0, "--device", "cpu", "--resume", finished / "model_best.pth", "--submission"]
    code, line = failure(main, "--output-dir", tmp_path / "run", *words)
    assert code == 1
    assert path.name in line and message in line


def test_weights_of_another_network(root: Path, tmp_path: Path, failure: Failure) -> None:
    torch.save({"conv1.weight": torch.zeros(3)}, tmp_path / "weights.pth")
    words = [*FOLD.split(), "--model", "fasterrcnn_resnet18_fpn", "--weights", tmp_path / "weights.pth"]
    code, line = failure(main, "--output-dir", tmp_path / "run", *words)
    assert code == 1
    assert "weights.pth: expected weights of resnet18" in line
