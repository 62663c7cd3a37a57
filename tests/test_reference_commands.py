"""The command lines of the reference solution, with its names of flags: understood, and run one after the other.

The reference's scripts call each stage by itself: train, then the held-out pages by `--resume … --test-only`, then the
test pages by `--resume … --submission`. Nothing here goes through `run-all.sh`.
"""

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from kuzushiji.data.labels import read_page_labels, read_page_points
from kuzushiji.metric import score_points
from kuzushiji.submission import read_sample
from tests.commands import command_of, module_of

SEGMENT = """
kuzushiji.segment.main --output-dir _runs/segment-fold2 --fold 2 --model fasterrcnn_resnet152_fpn --device cuda
  --batch-size 16 --workers 4 --lr 0.01 --momentum 0.9 --wd 1e-4 --epochs 45 --lr-steps 35 --lr-gamma 0.1 --cosine 0
  --pretrained 1 --score-threshold 0.5 --nms-threshold 0.25 --repeat-train-step 2 --n-folds 5
"""
CLASSIFY = """
kuzushiji.classify.main segment_clf_gt.csv --output-dir _runs/clf-fold1 --fold 1 --base resnet152 --test-height 2528
  --crop-height 768 --crop-width 512 --scale-aug 0.3 --color-hue-aug 7 --color-sat-aug 30 --color-val-aug 30 --n-tta 4
  --pseudolabels p1.csv.gz p2.csv.gz --pseudolabels-oversample 2 --test-book umgy --n-folds 5 --train-limit 100
  --test-limit 10 --head-dropout 0.5 --frozen-start 1 --device cuda --opt-level O1 --benchmark 1 --batch-size 12
  --max-targets 256 --workers 8 --lr 16e-3 --wd 1e-4 --optimizer sgd --accumulation-steps 1 --epochs 50
  --repeat-train 6 --cosine 1 --drop-lr-epoch 0 --print-model 0 --detailed-postfix _tta
"""
COMMANDS: dict[str, tuple[str, dict[str, Any]]] = {
    "segment, training": (SEGMENT, {"fold": 2, "lr_steps": (35,), "wd": 1e-4, "cosine": False, "pretrained": True}),
    "segment, held-out pages": (
        SEGMENT + "--resume D/model_best.pth --test-only", {"resume": Path("D/model_best.pth"), "test_only": True},
    ),
    "segment, test pages": (SEGMENT + "--resume D/model_best.pth --submission 1", {"submission": True}),
    "classify, training": (
        CLASSIFY,
        {
            "pseudolabels": (Path("p1.csv.gz"), Path("p2.csv.gz")), "test_book": "umgy", "frozen_start": True,
            "opt_level": "O1", "max_targets": 256, "lr": 0.016, "print_model": False, "detailed_postfix": "_tta",
        },
    ),
    "classify, held-out pages": (CLASSIFY + "--resume D/model_best.pth --test-only 1", {"test_only": True}),
    "classify, test pages": (CLASSIFY + "--resume D/model_best.pth --submission", {"submission": True}),
    "pseudolabel": (
        "kuzushiji.classify.pseudolabel a.csv.gz b.csv.gz out.csv.gz --min-gap 5 --max-second-score 10 --drop-seg-fp 1",
        {"detailed": (Path("a.csv.gz"), Path("b.csv.gz")), "output": Path("out.csv.gz"), "min_gap": 5.0},
    ),
    "blend, submission": (
        "kuzushiji.classify.blend a.csv.gz=2 b.csv.gz --output submission.csv",
        {"given_weights": [2.0, 1.0], "output": Path("submission.csv")},
    ),
    "blend, score": (
        "kuzushiji.classify.blend a.csv.gz b.csv.gz --score",
        {"score": True, "given_weights": [1.0, 1.0]},
    ),
    "level2_features": (
        """kuzushiji.classify.level2_features '[["a","b"],["c"]]' out.parquet --top-k 3""",
        {"groups": (("a", "b"), ("c",)), "top_k": 3},
    ),
    "level2, training": (
        "kuzushiji.classify.level2 a.csv.gz f.parquet --save-model M --use-xgb 1 --use-lgb 1 --num-boost-round 400 "
        "--lr 0.05 --eta 0.15 --n-folds 5 --seg-fp-adjust 0.1",
        {"save_model": Path("M"), "use_xgb": True, "num_boost_round": 400, "eta": 0.15, "seg_fp_adjust": 0.1},
    ),
    "level2, test pages": (
        "kuzushiji.classify.level2 a.csv.gz f.parquet --load-model M --output submission.csv --use-xgb 0",
        {"load_model": Path("M"), "output": Path("submission.csv"), "use_xgb": False},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("line", "values"), COMMANDS.values(), ids=COMMANDS)
def test_each_command_line_is_understood_with_all_its_flags(line: str, values: dict[str, Any]) -> None:
    module, *words = shlex.split(line)
    config = command_of(module).parse_args(words)
    assert {name: getattr(config, name) for name in values} == values
    given = {word[2:].replace("-", "_") for word in words if word.startswith("--")}
    assert [name for name in given if not hasattr(config, name)] == []


# The chain, small: other networks and sizes by flags, packaged weights and models where a new model begins. So it
# learns to read twelve characters in seconds.
N_FOLDS = 2
SMALL = (
    "--optimizer adamw --cosine 1 --warmup-steps 5 --epochs 1 --evaluate-every 0 --batch-size 2 --opt-level auto "
    "--workers 0 --device cpu"
)
SMALL_DETECTOR = (
    f"{SMALL} --model fasterrcnn_resnet18_fpn --trainable-layers 5 --long-side 448 --test-long-side 448 "
    "--crop-width 256 --crop-height 192 --crop-min-height 180 --crop-max-height 205 --rois-per-image 96 "
    "--proposals-train 200 --proposals-test 400 --max-detections 300 --score-threshold 0.15 --match-iou 0.25 "
    "--nms-threshold 0.25 --lr 1e-3 --wd 0.01 --repeat-train-step 1"
)
SMALL_CLASSIFIER = (
    f"{SMALL} --test-height 352 --crop-width 224 --crop-height 320 --scale-aug 0.1 --color-hue-aug 7 "
    "--color-sat-aug 30 --color-val-aug 30 --head-dropout 0.1 --lr 5e-4 --wd 0.02 --n-tta 1 --repeat-train 1"
)
NEW = "--start books"
SMALL_BOOKS = "--seed 1 --books 4 --pages 14 --test-books 1 --test-pages 3 --page-height 400 --classes 12 --workers 1"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder after the commands of the reference's two scripts."""
    runs = tmp_path_factory.mktemp("reference")
    root = runs / "data"
    run("kuzushiji.demo.__main__", f"{root} {SMALL_BOOKS}")
    at = f"--data-root {root} --n-folds {N_FOLDS}"
    folds = range(N_FOLDS)

    for k in folds:
        where = f"--output-dir {runs}/segment-fold{k} --fold {k} {at} {SMALL_DETECTOR}"
        three_steps("kuzushiji.segment.main", where, NEW, runs / f"segment-fold{k}")
    tables = " ".join(f"{runs}/segment-fold{k}/clf_gt.csv" for k in folds)
    run("kuzushiji.segment.merge", f"{tables} {runs}/segment_clf_gt.csv --data-root {root}")

    boxes = f"{runs}/segment_clf_gt.csv --test-boxes {runs}/segment-fold0/test_predictions.csv"

    def classify(kind: str, flags: str, start: str) -> None:
        for k in folds:
            where = f"{boxes} --output-dir {runs}/clf-fold{k}{kind} --fold {k} {at} {SMALL_CLASSIFIER} {flags}"
            three_steps("kuzushiji.classify.main", where, start.format(fold=k), runs / f"clf-fold{k}{kind}")

    second = "--base resnet18 --max-targets 256 --frozen-start 1 --benchmark 1"
    classify("", "--base resnet18 --head-size 64", "--weights books --head-start-epochs 10")
    new = f"{NEW} --head-start-epochs 3"
    classify("-wsl", second, new)
    test_tables = " ".join(f"{runs}/clf-fold{k}{kind}/test_detailed.parquet" for kind in ("", "-wsl") for k in folds)
    pseudolabels = f"{runs}/pseudolabels.csv.gz"
    run("kuzushiji.classify.pseudolabel", f"{test_tables} {pseudolabels} --min-gap 0 --max-second-score 1000")
    classify(
        "-wsl-pseudo-ft",
        f"{second} --pseudolabels {pseudolabels} --lr 1e-4",
        f"--resume {runs}/clf-fold{{fold}}-wsl/model_best.pth",
    )
    classify("-wsl-pseudo", f"{second} --pseudolabels {pseudolabels} --pseudolabels-oversample 2", new)
    run("kuzushiji.classify.blend", f"{test_tables} --output {runs}/blend.csv --data-root {root}")
    held_out = " ".join(f"{runs}/clf-fold0{kind}/detailed.parquet" for kind in ("", "-wsl"))
    run("kuzushiji.classify.blend", f"{held_out} --score --json --data-root {root}")
    second_level(runs, root)
    return runs


def second_level(runs: Path, root: Path) -> None:
    """The commands of the reference's `level2.sh`."""
    kinds = ("", "-wsl", "-wsl-pseudo", "-wsl-pseudo-ft")
    for name, features in (("detailed", "features"), ("test_detailed", "test_features")):
        groups = [[f"{runs}/clf-fold{k}{kind}/{name}.parquet" for k in range(N_FOLDS)] for kind in kinds]
        run("kuzushiji.classify.level2_features", f"'{json.dumps(groups)}' {runs}/{features}.parquet --top-k 3")
    tables = " ".join(f"{runs}/clf-fold{k}/detailed.parquet" for k in range(N_FOLDS))
    common = f"--data-root {root} --use-xgb --use-lgb --num-boost-round 5 --lr 0.05 --eta 0.15 --n-folds {N_FOLDS}"
    run("kuzushiji.classify.level2", f"{tables} {runs}/features.parquet --save-model {runs}/M {common}")
    test = f"{runs}/clf-fold0/test_detailed.parquet {runs}/test_features.parquet"
    run(
        "kuzushiji.classify.level2",
        f"{test} --load-model {runs}/M --output {runs}/submission.csv --data-root {root}",
    )


def run(module: str, line: str) -> None:
    assert module_of(module).main(shlex.split(line)) == 0, f"{module} {line}"


def three_steps(module: str, where: str, start: str, folder: Path) -> None:
    """Train from `start`; then the held-out pages and the test pages with what was trained."""
    run(module, f"{where} {start}")
    run(module, f"{where} --resume {folder}/model_best.pth --test-only")
    run(module, f"{where} --resume {folder}/model_best.pth --submission")


@pytest.mark.chain
@pytest.mark.parametrize("name", ["submission.csv", "blend.csv"])
def test_the_commands_chained_as_in_the_references_scripts_reach_a_submission_that_scores(
    runs: Path, name: str
) -> None:
    """Far better than chance: every box found and given the commonest character."""
    root = runs / "data"
    submission = read_page_points(runs / name)
    assert submission.image_ids == read_sample(root / "sample_submission.csv")
    truth = read_page_labels(root / "solution.csv")
    counts = score_points(truth, submission)
    chance = truth.boxes["code"].value_counts(normalize=True).max()
    assert counts.tp > 0 and counts.f1 > 2 * chance


@pytest.mark.chain
def test_each_kind_of_model_has_read_the_same_boxes(runs: Path) -> None:
    from kuzushiji.artifacts import read_detailed

    boxes = read_page_labels(runs / "segment-fold0" / "test_predictions.csv").boxes
    for kind in ("", "-wsl", "-wsl-pseudo", "-wsl-pseudo-ft"):
        assert len(read_detailed(runs / f"clf-fold1{kind}" / "test_detailed.parquet")) == len(boxes)
