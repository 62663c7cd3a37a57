"""A training starts from exported models: the detector whole, the classifier with the rows of its head by code."""

import json
import shlex
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from kuzushiji import named_models
from kuzushiji.chain.listing import Job
from kuzushiji.chain.start_weights import needed_weights
from kuzushiji.classify.classifier import build_classifier
from kuzushiji.classify.inputs import BoxedPage, read_split
from kuzushiji.classify.main import Classify
from kuzushiji.classify.main import main as classify_main
from kuzushiji.classify.train import absent_classes
from kuzushiji.data.labels import PageLabels, read_page_labels, write_page_labels
from kuzushiji.data.paths import DataRoot
from kuzushiji.data.vocabulary import Vocabulary, read_vocabulary
from kuzushiji.engine.precision import Precision
from kuzushiji.engine.weights import read_state
from kuzushiji.errors import InputError, UsageError
from kuzushiji.export.__main__ import main as export
from kuzushiji.options import WEIGHTS
from kuzushiji.run_folder import BUNDLE_FILE, VOCABULARY
from kuzushiji.segment.detector import detector_config, read_model, read_start
from kuzushiji.segment.main import Segment
from tests.models import some_of

CPU = Precision.from_level("O0", torch.device("cpu"))


@pytest.fixture(scope="module")
def bundle(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An exported detector and classifier: read-only."""
    runs = some_of(models, tmp_path_factory.mktemp("start") / "runs", "segment-fold0", "clf-fold0")
    assert export([str(runs), str(runs.parent / "bundle"), "--float16"]) == 0
    return runs.parent / "bundle"


def classify_config(*words: str) -> object:
    return Classify.parse_args(["clf_gt.csv", "--output-dir", "out", "--device", "cpu", "--base", "resnet18", *words])


def segment_config(*words: str) -> object:
    return Segment.parse_args(["--output-dir", "out", "--model", "fasterrcnn_resnet18_fpn", *words])


def test_detector(bundle: Path) -> None:
    config = segment_config("--start", str(bundle))
    stored = read_start(config.start_model)
    adopted = stored.adopt(config)
    assert adopted.fpn_channels == 16 and detector_config(adopted).norm == "batch"
    state = stored.build(adopted).state_dict()
    assert all(torch.equal(state[name], value.to(state[name].dtype)) for name, value in stored.state.items())
    with pytest.raises(InputError, match="expected a model with --fpn-channels 32, got one with 16"):
        stored.adopt(segment_config("--start", str(bundle), "--fpn-channels", "32"))


def test_classifier_has_the_rows_of_its_codes(bundle: Path) -> None:
    theirs = read_vocabulary(bundle / VOCABULARY)
    ours = Vocabulary.from_codes(["U+3042", "U+4E00", "U+304A"])  # the second is new
    config = classify_config("--start", str(bundle))
    classifier = build_classifier(config, ours, CPU)
    state, stored = classifier.model.state_dict(), read_state(config.start_model.path)
    assert classifier.config.head_size == 8 and classifier.test_height == config.test_height
    for name, value in stored.items():
        if name not in ("head.5.weight", "head.5.bias"):
            assert torch.equal(state[name], value.to(state[name].dtype)), name
    for code in ("U+3042", "U+304A", "seg_fp"):
        for name in ("head.5.weight", "head.5.bias"):
            row = stored[name][theirs.codes.index(code)].float()
            assert torch.equal(state[name][ours.codes.index(code)], row)
    assert state["head.5.weight"].shape == (4, 8) and state["head.5.weight"][ours.codes.index("U+4E00")].abs().sum() > 0


def test_a_checkpoint_with_other_classes_has_the_rows_of_its_codes(
    models: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = models / "clf-fold0" / "model_best.pth"
    ours = Vocabulary.from_codes(["U+3042", "U+4E00"])
    config = Classify.parse_args(["clf_gt.csv", "--output-dir", "out", "--device", "cpu", "--resume", str(path)])
    with caplog.at_level("INFO"):
        classifier = build_classifier(config, ours, CPU)
    assert "of 3 classes it has 2" in caplog.text and "taken from it: --base resnet18, --head-size 8" in caplog.text
    assert classifier.vocabulary == ours and classifier.test_height == 120
    stored = torch.load(path, weights_only=True)
    row = stored["model"]["head.5.weight"][stored["meta"]["vocabulary"].index("U+3042")]
    assert torch.equal(classifier.model.state_dict()["head.5.weight"][ours.codes.index("U+3042")], row)


def test_a_checkpoint_that_is_trained_on_gives_sizes_and_thresholds(
    models: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = models / "segment-fold0" / "model_best.pth"
    config = Segment.parse_args(["--output-dir", "out", "--resume", str(path), "--score-threshold", "0.4"])
    with caplog.at_level("INFO"):
        adopted = read_model(path).adopt_for_training(config)
    assert (adopted.test_long_side, adopted.max_detections, adopted.nms_threshold) == (120, 12, 0.3)
    assert adopted.model == "fasterrcnn_resnet18_fpn" and adopted.score_threshold == 0.4
    assert "taken from it: --model fasterrcnn_resnet18_fpn" in caplog.text and "--test-long-side 120" in caplog.text
    assert "--score-threshold" not in caplog.text
    parameters = config.parameters_of(WEIGHTS)
    assert parameters["test_long_side"] is None and parameters["score_threshold"] == 0.4  # the checkpoint decides
    assert config.parameters_of(WEIGHTS)["epochs"] == 45


def test_named_models_of_the_package(bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(bundle, tmp_path / "reader")
    monkeypatch.setattr(named_models, "FOLDER", tmp_path)
    assert segment_config("--start", "reader").start_model.path.parent == tmp_path / "reader"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--start", "BUNDLE", "--base", "resnet50"], "expected one of its classifiers to be of resnet50, they are of"),
        (["--start", "BUNDLE", "--head-size", "9"], "--head-size 9: .* was trained with 8"),
        (["--start", "none-such"], "none-such: expected a folder of models"),
        (["--start", "."], "--start .: expected exported models .kuzushiji.export., got a folder without bundle.json"),
    ],
)
def test_what_cannot_start(bundle: Path, words: list[str], message: str) -> None:
    config = classify_config(*[str(bundle) if word == "BUNDLE" else word for word in words])
    with pytest.raises(InputError, match=message):
        build_classifier(config, Vocabulary.from_codes(["U+3042"]), CPU)


def test_damaged_files(bundle: Path, tmp_path: Path) -> None:
    folder = tmp_path / "bundle"
    shutil.copytree(bundle, folder)
    config = classify_config("--start", str(folder))
    (folder / VOCABULARY).write_text('["U+3042", "seg_fp"]')
    with pytest.raises(InputError, match="expected the weights of|expected an exported classifier"):
        build_classifier(config, Vocabulary.from_codes(["U+4E00"]), CPU)
    path = config.start_model.path
    path.write_bytes(b"other")
    with pytest.raises(InputError, match="expected the file that was written with bundle.json"):
        _ = config.start_model
    (folder / BUNDLE_FILE).write_text(json.dumps({"classifiers": [3]}))
    with pytest.raises(InputError, match="expected a description of models, got a damaged one"):
        _ = config.start_model


@pytest.fixture
def own_root(tiny_root: Path, tmp_path: Path) -> Path:
    """Pages with characters that the exported models lack, and without one that they have."""
    root = tmp_path / "root"
    shutil.copytree(tiny_root, root)
    table = root / "train.csv"
    table.write_text(table.read_text().replace("U+3042", "U+4E00"))
    return root


@pytest.mark.parametrize("origin", ["--start", "--resume"])
def test_classes_that_the_pages_lack_are_kept_on_demand(
    origin: str, bundle: Path, own_root: Path, tmp_path: Path
) -> None:
    """So that a run does not depend on which characters its held-out pages have."""
    of_model = bundle if origin == "--start" else bundle / "model_best.pth"  # beside it are its classes
    theirs, ours = (
        set(read_vocabulary(bundle / VOCABULARY).codes),
        set(Vocabulary.from_train_csv(own_root / "train.csv").codes),
    )
    assert theirs - ours and ours - theirs
    words = [str(own_root / "train.csv"), "--output-dir", str(tmp_path), "--base", "resnet18", origin, str(of_model)]
    for more, expected in ((), ours), (("--hold-absent", "1"), ours | theirs):
        config = Classify.parse_args([*words, *more])
        assert set(read_split(config, DataRoot(own_root)).vocabulary.codes) == expected


def test_they_are_kept_in_training_and_in_fine_tuning_with_pseudolabels(
    bundle: Path, own_root: Path, tmp_path: Path
) -> None:
    """A pseudolabel may be of any of them: here all are of a character that no training page has."""
    small = shlex.split(
        "--fold 0 --n-folds 3 --crop-width 64 --crop-height 64 --batch-size 4 --train-limit 4 --repeat-train 1 "
        "--epochs 1 --n-tta 1 --workers 0 --evaluate-every 0 --device cpu --hold-absent 1"
    )
    words = [str(own_root / "train.csv"), "--data-root", str(own_root), *small]
    first, second = tmp_path / "first", tmp_path / "second"
    start = ["--base", "resnet18", "--test-height", "120", "--start", str(bundle)]
    assert classify_main([*words, "--output-dir", str(first), *start]) == 0
    vocabulary = read_vocabulary(first / VOCABULARY)
    assert {"U+3042", "U+4E00"} <= set(vocabulary.codes)
    pseudolabels = tmp_path / "pseudolabels.csv"
    test_page = read_page_labels(own_root / "solution.csv")
    write_page_labels(pseudolabels, PageLabels(test_page.image_ids, test_page.boxes.assign(code="U+3042")))
    words += ["--pseudolabels", str(pseudolabels), "--resume", str(first / "model_best.pth")]
    assert classify_main([*words, "--output-dir", str(second)]) == 0
    assert read_vocabulary(second / VOCABULARY) == vocabulary


def test_only_rows_of_the_model_are_held(own_root: Path) -> None:
    """What neither the model nor a training page has is at random: the loss must see it."""
    vocabulary = Vocabulary.from_codes(["U+3042", "U+3044", "U+4E00"])
    crops = SimpleNamespace(pages=[BoxedPage("p", own_root, np.zeros((1, 4), np.float32), np.array([0]))])
    absent = absent_classes(crops, vocabulary, Vocabulary.from_codes(["U+3042", "U+3044"]))
    assert dict(zip(vocabulary.codes, absent.tolist(), strict=True)) == {
        "U+3042": False, "U+3044": True, "U+4E00": False, "seg_fp": True,
    }  # fmt: skip


def test_nothing_is_held_where_nothing_is_there() -> None:
    with pytest.raises(UsageError, match="--hold-absent .*: expected --start or --resume, got neither"):
        classify_config("--hold-absent", "1")


@pytest.mark.parametrize("other", ["--resume", "--weights"])
def test_two_starts(other: str) -> None:
    with pytest.raises(UsageError, match=f"expected --start or {other}, got both"):
        classify_config("--start", "reader", other, "file.pth")


def test_nothing_is_fetched_for_it(tmp_path: Path) -> None:
    words = ("kuzushiji.classify.main", "--output-dir", str(tmp_path), "--base", "resnet18")
    assert needed_weights([Job("a", words, False)], force=False) == ["resnet18"]
    assert needed_weights([Job("a", (*words, "--start", "books"), False)], force=False) == []
