"""The command line of the networks, run in process: train, held-out pages, test pages, and what goes wrong."""

import contextlib
import io
import json
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from kuzushiji import cli
from kuzushiji.artifacts import read_characters, read_detailed
from kuzushiji.artifacts.head_features import read_head_features
from kuzushiji.classify import knn, level2_features
from kuzushiji.classify.calibration import best_probability, calibration
from kuzushiji.classify.config import ClassifyConfig
from kuzushiji.classify.main import TrainClassifier, main
from kuzushiji.data.labels import SEG_FP, read_page_points
from kuzushiji.data.paths import DataRoot
from kuzushiji.errors import InputError
from kuzushiji.files import sha256_of_file
from kuzushiji.record import StageRecord

SMALL = shlex.split(
    "--n-folds 3 --base mobilenetv4_conv_small --pretrained 0 --head-size 16 --test-height 120 --crop-width 64 "
    "--crop-height 64 --batch-size 4 --train-limit 4 --repeat-train 1 --epochs 2 --n-tta 2 --workers 0 --device cpu"
)


def prepare(tiny_root: Path, folder: Path) -> Path:
    """Copy the data root, with boxes as segmentation leaves them: one false positive on each page of the fold."""
    root = folder / "data"
    shutil.copytree(tiny_root, root)
    rows = pd.read_csv(root / "train.csv", keep_default_na=False)
    rows.assign(labels=(rows["labels"] + f" {SEG_FP} 70 215 20 20").str.strip()).to_csv(
        folder / "clf_gt.csv", index=False
    )
    shutil.copy(root / "solution.csv", folder / "segment_test_predictions.csv")
    return folder


def arguments(folder: Path, *words: str, output: str = "clf-fold0") -> list[str]:
    given = [str(folder / "clf_gt.csv"), "--output-dir", str(folder / output), "--data-root", str(folder / "data")]
    return [*given, *SMALL, *words]


@pytest.fixture(scope="module")
def trained(tiny_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data, boxes, the outputs of a run in clf-fold0, and what it printed in printed.json: read-only."""
    folder = prepare(tiny_root, tmp_path_factory.mktemp("classify"))
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        assert main(arguments(folder, "--with-test", "1", "--json")) == 0
    (folder / "printed.json").write_text(printed.getvalue())
    return folder


def copy_inputs(trained: Path, folder: Path) -> None:
    """Copy the data and the boxes of `trained`, to be changed."""
    shutil.copytree(trained / "data", folder / "data")
    for name in ("clf_gt.csv", "segment_test_predictions.csv"):
        shutil.copy(trained / name, folder)


def test_outputs(trained: Path) -> None:
    run = trained / "clf-fold0"
    assert {path.name for path in run.iterdir()} == {
        "params.json", "events.jsonl", "checkpoint.pth", "model_best.pth", "metrics.json", "vocabulary.json",
        "detailed.parquet", "metrics-oof.json", "test_detailed.parquet", "submission.csv",
        "submission_detailed.parquet",
        "record-train.json", "record-oof.json", "record-test.json",
    }  # fmt: skip
    params = json.loads((run / "params.json").read_text())
    assert params["base"] == "mobilenetv4_conv_small" and params["weights"] is None and "torch" in params["versions"]
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["crops_per_second"] > 0 and metrics["boxes_per_second"] > 0 and metrics["peak_memory_mib"] > 0


def test_result_on_standard_output(trained: Path) -> None:
    """One JSON object: what each part found out, as its files have it."""
    result = json.loads((trained / "printed.json").read_text())
    assert list(result) == ["train", "held_out", "test"]
    metrics = json.loads((trained / "clf-fold0" / "metrics.json").read_text())
    assert result["train"] == metrics
    assert result["held_out"] == json.loads((trained / "clf-fold0" / "metrics-oof.json").read_text())
    assert result["test"]["pages"] == 3


def test_fault_9_best_and_last_epoch_side_by_side(trained: Path) -> None:
    metrics = json.loads((trained / "clf-fold0" / "metrics.json").read_text())
    assert metrics["last_epoch"] == 1 and metrics["best_epoch"] in (0, 1)
    for epoch in (metrics["best"], metrics["last"]):
        assert {"f1", "precision", "recall", "tp", "fp", "fn", "accuracy", "loss"} <= set(epoch)


def test_held_out_table(trained: Path) -> None:
    detailed = read_detailed(trained / "clf-fold0" / "detailed.parquet")
    truth = pd.read_csv(trained / "clf_gt.csv", keep_default_na=False).set_index("image_id")["labels"]
    assert len(detailed.pages) == 4
    for page in detailed.pages:
        expected = truth[page].split()[::5]
        assert detailed.boxes.query("image_id == @page")["true"].tolist() == expected
    assert detailed.classes.shape == (len(detailed), 6)
    metrics = json.loads((trained / "clf-fold0" / "metrics-oof.json").read_text())
    assert metrics["heights"] == [120, 132]
    right = detailed.pred == detailed.boxes["true"].to_numpy()
    assert metrics["accuracy"] == pytest.approx(right.mean())
    probability, character = best_probability(detailed.logits), detailed.pred != SEG_FP
    assert metrics["calibration_error"] == calibration(probability[character], right[character]).error


def test_test_table_and_submission(trained: Path) -> None:
    detailed = read_detailed(trained / "clf-fold0" / "test_detailed.parquet")
    sample = pd.read_csv(trained / "data" / "sample_submission.csv")["image_id"].tolist()
    assert set(detailed.boxes["true"]) == {SEG_FP}
    submission = read_page_points(trained / "clf-fold0" / "submission.csv")
    assert list(submission.image_ids) == sample == list(detailed.pages)
    assert len(submission.points) == (detailed.pred != SEG_FP).sum()
    rows = read_characters(trained / "clf-fold0" / "submission_detailed.parquet").rows
    assert len(rows) == len(submission.points) and rows["probability"].between(0, 1).all()


def test_second_time_is_skipped(
    trained: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    before = {path: path.stat().st_mtime_ns for path in (trained / "clf-fold0").iterdir()}
    monkeypatch.setattr("kuzushiji.classify.train.fit", None)
    with caplog.at_level("INFO"):
        assert main(arguments(trained, "--with-test", "1", "--workers", "1")) == 0
    assert caplog.text.count("already done, skipped") == 3
    assert before == {path: path.stat().st_mtime_ns for path in (trained / "clf-fold0").iterdir()}


def test_a_checkpoint_rebuilds_its_model_alone(trained: Path) -> None:
    """No flag tells the architecture or the size of the pages."""
    words = ["--resume", str(trained / "clf-fold0" / "model_best.pth"), "--n-folds", "3", "--device", "cpu"]
    given = [str(trained / "clf_gt.csv"), "--output-dir", str(trained / "again"), "--n-tta", "2", "--workers", "0"]
    assert main([*given, "--data-root", str(trained / "data"), *words, "--test-only"]) == 0
    again, first = (read_detailed(trained / folder / "detailed.parquet") for folder in ("again", "clf-fold0"))
    assert (again.classes == first.classes).all() and (again.logits == first.logits).all()


def test_fault_4_fine_tuned_predictions_have_a_folder_of_their_own(trained: Path) -> None:
    """Fine-tuning from a checkpoint, with pseudolabels; then the test pages, as the reference's script does it."""
    best = trained / "clf-fold0" / "model_best.pth"
    before = {path: sha256_of_file(path) for path in (trained / "clf-fold0").iterdir()}
    words = ["--resume", str(best), "--pseudolabels", str(trained / "segment_test_predictions.csv"), "--epochs", "1"]
    assert main(arguments(trained, *words, output="clf-fold0-ft")) == 0
    words = ["--resume", str(trained / "clf-fold0-ft" / "model_best.pth"), "--submission"]
    assert main(arguments(trained, *words, output="clf-fold0-ft")) == 0
    assert before == {path: sha256_of_file(path) for path in (trained / "clf-fold0").iterdir()}
    assert (trained / "clf-fold0-ft" / "test_detailed.parquet").is_file()
    start, end = (torch.load(path, weights_only=True)["model"] for path in (best, trained / "clf-fold0-ft" / best.name))
    moved = [name for name in start if not torch.equal(start[name], end[name])]
    near = [name for name in moved if "weight" in name and torch.allclose(start[name], end[name], atol=0.3)]
    assert moved and near  # it has learned, from where the checkpoint was


def test_text_tables_by_postfix_keep_their_own_record(trained: Path) -> None:
    best = trained / "clf-fold0" / "model_best.pth"
    words = ["--resume", str(best), "--test-only", "--n-tta", "1", "--detailed-postfix", "_one"]
    assert main(arguments(trained, *words, output="postfix")) == 0
    names = {path.name for path in (trained / "postfix").iterdir()}
    assert names == {"detailed_one.parquet", "metrics-oof_one.json", "record-oof_one.json", "vocabulary.json"}


def test_head_features_of_all_pages_make_neighbours(trained: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Saved features of held-out, training and test pages; nearest neighbours become columns of the second level."""
    words = arguments(trained, "--resume", str(trained / "clf-fold0" / "model_best.pth"), output="features")
    for task in ("--test-only", "--submission"):
        assert main([*words, task, "--save-features", "1"]) == 0
    run = trained / "features"
    read = {name: read_head_features(run / f"{name}head_features.parquet") for name in ("", "train_", "test_")}
    for name, table in (("", "detailed"), ("test_", "test_detailed")):
        detailed = read_detailed(run / f"{table}.parquet")
        pd.testing.assert_frame_equal(read[name].boxes, detailed.boxes, check_dtype=False)
        # The last layer makes the logits of what was saved.
        layer = torch.load(trained / "clf-fold0" / "model_best.pth", weights_only=True)["model"]
        weight, bias = (layer[f"head.5.{part}"].numpy() for part in ("weight", "bias"))
        logits = read[name].vectors.astype("float32") @ weight.T + bias
        best = logits[range(len(logits)), detailed.classes[:, 0]]
        assert abs(best - detailed.logits[:, 0]).max() < 0.05
    assert not set(read["train_"].boxes["image_id"]) & set(read[""].boxes["image_id"])
    assert level2_features.main([json.dumps([[str(run / "detailed.parquet")]]), str(run / "f.parquet")]) == 0
    given = [str(run / "f.parquet"), str(run / "knn.parquet"), "--queries", str(run / "head_features.parquet")]
    assert knn.main([*given, "--gallery", str(run / "train_head_features.parquet")]) == 0
    with caplog.at_level("INFO"):
        assert main([*words, "--submission", "--save-features", "1"]) == 0
    assert caplog.text.count("already done, skipped") == 2


def test_fault_7_classes_are_those_of_the_checkpoint(trained: Path, tmp_path: Path) -> None:
    """A train.csv that has lost a code would number the classes anew: refused for predicting. Training goes by code."""
    shutil.copytree(trained / "data", tmp_path / "data")
    for name in ("data/train.csv", "clf_gt.csv"):
        text = (trained / name).read_text().replace("U+304A", "U+3042")
        (tmp_path / name).write_text(text)
    resume = ["--resume", str(trained / "clf-fold0" / "model_best.pth")]
    with pytest.raises(InputError, match=r"got another of 6, for example U\+304A is in one only"):
        main(arguments(tmp_path, *resume, "--test-only"))


def test_a_training_whose_folder_was_moved_goes_on(
    trained: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It has all its epochs and not yet its record: what began anew would train them again."""
    copy_inputs(trained, tmp_path)
    shutil.copytree(trained / "clf-fold0", tmp_path / "clf-fold0")
    (tmp_path / "clf-fold0" / "record-train.json").unlink()
    with caplog.at_level("INFO"):
        assert main(arguments(tmp_path)) == 0
    assert "training starts anew" not in caplog.text
    assert "epoch 1 of" not in caplog.text


def tree(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def change_boxes(folder: Path) -> list[str]:
    shutil.copy(folder / "data" / "train.csv", folder / "clf_gt.csv")
    return []


@pytest.mark.parametrize("over", [True, False])
@pytest.mark.parametrize(
    ("change", "difference"),
    [
        (change_boxes, "{}/clf_gt.csv (another content)"),
        (lambda _: ["--lr", "0.5"], "--lr (0.014 there, 0.5 now)"),
    ],
)
def test_a_model_is_replaced_with_force_alone(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], change: Any, difference: str, over: bool
) -> None:
    """Whether its training is over or has a checkpoint alone."""
    copy_inputs(trained, tmp_path)
    run = tmp_path / "clf-fold0"
    shutil.copytree(trained / "clf-fold0", run)
    if not over:
        (run / "record-train.json").unlink()
    words, before = change(tmp_path), tree(run)
    with pytest.raises(SystemExit) as caught:
        cli.run(main, arguments(tmp_path, *words))
    name = "model_best.pth" if over else "checkpoint.pth"
    text = f"{run / name}: is kept, only --force replaces it; differences: {difference.format(tmp_path)}; another"
    assert caught.value.code == 1
    assert capsys.readouterr().err.startswith(f"error: {text}")
    assert tree(run) == before
    assert main(arguments(tmp_path, *words, "--force", "1")) == 0
    assert tree(run)[run / "model_best.pth"] != before[run / "model_best.pth"]


def test_what_the_checkpoint_can_restore_is_restored(
    trained: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    copy_inputs(trained, tmp_path)
    run = tmp_path / "clf-fold0"
    shutil.copytree(trained / "clf-fold0", run)
    before = tree(run)
    for name in ("metrics.json", "params.json", "vocabulary.json"):
        (run / name).write_text("{}")
    with caplog.at_level("INFO"):
        assert main(arguments(tmp_path)) == 0
    assert "epoch 1 of" not in caplog.text
    for name in ("model_best.pth", "vocabulary.json"):
        assert (run / name).read_bytes() == before[run / name]
    assert json.loads((run / "metrics.json").read_text())["best"] == json.loads(before[run / "metrics.json"])["best"]


def test_weights_are_known_by_their_content(tiny_root: Path, tmp_path: Path) -> None:
    """A file under another name is the same parameter, and another content under the same name is not."""
    weights = tmp_path / "a.pth"
    weights.write_text("weights")
    shutil.copy(weights, tmp_path / "b.pth")
    (tmp_path / "clf_gt.csv").write_text("image_id,labels\n")

    def record_with(path: Path) -> StageRecord:
        config = ClassifyConfig(clf_gt=tmp_path / "clf_gt.csv", output_dir=tmp_path / "out", weights=str(path))
        return TrainClassifier(config, DataRoot(tiny_root), tmp_path / "out" / "model_best.pth").record

    parameters, inputs = record_with(weights).parameters, record_with(weights).input_digests()
    assert record_with(tmp_path / "b.pth").differences(parameters, inputs) == []
    assert record_with(weights).differences({**parameters, "weights": "c.pth"}, inputs) == []  # of an earlier version
    weights.write_text("others")
    assert record_with(weights).differences(parameters, inputs) == [f"{weights} (another content)"]


def test_print_model(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments(trained, "--print-model", "1", output="none")) == 0
    printed = capsys.readouterr().out
    assert "RoIClassifier" in printed and "BatchNorm1d(16" in printed and "weights" in printed
    assert not (trained / "none").exists()


def remove(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def write(name: str, content: bytes) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)

    return change


def cut_off(name: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: len(content) // 2])

    return change


def keep(folder: Path) -> None:
    """Leave everything as it is."""


IMAGE = "data/train_images/100000001_00001_1.jpg"
TEST_IMAGE = "data/test_images/test_100000009_00001_1.jpg"
GIANT = b"\xff\xd8\xff\xc0\x00\x11\x08\xff\xff\xff\xff\x03" + bytes(50) + b"\xff\xd9"
"""A few bytes that promise 65535 x 65535 pixels."""
BEST = "{trained}/clf-fold0/model_best.pth"


@pytest.mark.parametrize(
    ("change", "words", "message"),
    [
        (keep, "--data-root {folder}/nowhere", "expected a folder with train.csv"),
        (remove("data/train.csv"), "", "train.csv"),
        (remove("clf_gt.csv"), "", "clf_gt.csv"),
        (write("clf_gt.csv", b"a,b\n1,2\n"), "", "clf_gt.csv"),
        (write("clf_gt.csv", b"image_id,labels\n100000001_00001_1,U+3042 1 1 5 5\n"), "", "expected all 8 pages"),
        (remove(IMAGE), "--train-limit 0", "100000001_00001_1.jpg"),
        (
            write(IMAGE, b""),
            "--train-limit 0",
            "100000001_00001_1.jpg: expected a JPEG, PNG, TIFF, WebP or JPEG 2000 image, got an empty file",
        ),
        (
            write(IMAGE, b"GIF89a and more"),
            "--train-limit 0",
            "100000001_00001_1.jpg: expected a JPEG, PNG, TIFF, WebP or JPEG 2000 image",
        ),
        (cut_off(IMAGE), "--train-limit 0", "100000001_00001_1.jpg: expected a whole JPEG"),
        (cut_off(IMAGE), "--train-limit 0 --cache-mib 0 --workers 2", "100000001_00001_1.jpg: expected a whole JPEG"),
        (write(IMAGE, GIANT), "--train-limit 0", "100000001_00001_1.jpg: expected a page of 1 to 200,000,000 pixels"),
        (
            cut_off(IMAGE),
            "--train-limit 0 --cache-mib 0 --strips {folder}/strips",
            "100000001_00001_1.jpg: expected a whole JPEG",
        ),
        (
            write(TEST_IMAGE, b""),
            f"--resume {BEST} --submission",
            "test_100000009_00001_1.jpg: expected a JPEG, PNG, TIFF, WebP or JPEG 2000 image",
        ),
        (write(TEST_IMAGE, GIANT), f"--resume {BEST} --submission", "test_100000009_00001_1.jpg: expected a page of 1"),
        (cut_off(TEST_IMAGE), f"--resume {BEST} --submission", "test_100000009_00001_1.jpg: expected a whole JPEG"),
        (remove("segment_test_predictions.csv"), f"--resume {BEST} --submission", "segment_test_predictions.csv"),
        (write("clf-fold0", b"a file"), "", "clf-fold0"),
        (keep, "--n-folds 7", "got 6 books for 7 folds"),
        (keep, "--base resnt18", "did you mean resnet18"),
        (keep, "--frozen-start 1", "--frozen-start 1: expected a backbone with a map at stride 4"),
        (keep, "--weights {folder}/none.pth", "none.pth"),
        (write("w.pth", b"no weights"), "--weights {folder}/w.pth", "w.pth: refused, expected a file of torch.save"),
        (keep, "--weights {folder}/clf_gt.csv", "clf_gt.csv: refused, expected a file of torch.save"),
        (keep, f"--resume {BEST} --base resnet18", "was trained with mobilenetv4_conv_small"),
        (keep, f"--resume {BEST} --head-size 32 --test-only", "was trained with 16"),
        (keep, "--resume {folder}/none.pth --test-only", "none.pth"),
        (
            write("m.pth", b"nothing"),
            "--resume {folder}/m.pth --test-only",
            "m.pth: refused, expected a file",
        ),
        (keep, "--batch-size 40", "expected at least one whole batch"),
        (keep, "--lr 1e30 --epochs 1 --repeat-train 3", "expected a finite loss"),
        (keep, "--device cuda:99", "expected a device of this machine"),
    ],
)
def test_bad_input(
    trained: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    change: Callable[[Path], None],
    words: str,
    message: str,
) -> None:
    """One line on standard error that says what and where, exit code 1, no traceback."""
    copy_inputs(trained, tmp_path)
    change(tmp_path)
    given = [word.format(folder=tmp_path, trained=trained) for word in words.split()]
    if "--base" in given or "--head-size" in given or "--resume" not in given:
        argv = arguments(tmp_path, *given)
    else:
        argv = [*arguments(tmp_path)[:5], "--n-folds", "3", "--workers", "0", *given]
    capsys.readouterr()
    with pytest.raises(SystemExit) as caught:
        cli.run(main, argv)
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert caught.value.code == 1
    assert len(lines) == 1 and message in lines[0], lines


@pytest.mark.parametrize("option", ["--weights", "--resume"])
def test_a_file_that_is_not_there_is_said_before_anything_else(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str
) -> None:
    """Not after "runs again: other parameters", as if something had begun."""
    for name in ("data", "clf-fold0"):
        shutil.copytree(trained / name, tmp_path / name)
    shutil.copy(trained / "clf_gt.csv", tmp_path)
    with pytest.raises(SystemExit):
        cli.run(main, arguments(tmp_path, option, str(tmp_path / "none.pth")))
    assert capsys.readouterr().err == f"error: {tmp_path / 'none.pth'}: expected a file with weights, got none\n"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (remove("segment_test_predictions.csv"), "segment_test_predictions.csv"),
        (remove("data/sample_submission.csv"), "sample_submission.csv"),
        (write("segment_test_predictions.csv", b"image_id,labels\n"), "a table without this one"),
    ],
)
def test_what_is_wrong_with_the_test_boxes_is_said_before_the_training(
    trained: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    change: Callable[[Path], None],
    message: str,
) -> None:
    copy_inputs(trained, tmp_path)
    change(tmp_path)
    with pytest.raises(SystemExit) as caught:
        cli.run(main, arguments(tmp_path, "--with-test", "1"))
    assert caught.value.code == 1
    assert message in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "clf-fold0").exists()


def test_a_checkpoint_of_another_stage(trained: Path, tmp_path: Path) -> None:
    state = torch.load(trained / "clf-fold0" / "model_best.pth", weights_only=True)
    state["meta"] = {"stage": "segment.train"}
    torch.save(state, tmp_path / "detector.pth")
    with pytest.raises(InputError, match=r"expected a checkpoint of classify, got one of segment\.train"):
        main(arguments(trained, "--resume", str(tmp_path / "detector.pth"), "--test-only"))


def test_help_needs_no_torch() -> None:
    show = "from kuzushiji.classify.main import Classify; Classify.get_parser().format_help()"
    code = f"import sys; {show}; print('torch' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"
