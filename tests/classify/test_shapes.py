"""Shapes repeat from batch to batch: what cuDNN's choice of algorithms and compiled kernels live on."""

import shlex
from pathlib import Path

import pytest

from kuzushiji.classify.classifier import build_classifier
from kuzushiji.classify.inputs import read_split
from kuzushiji.classify.main import Classify
from kuzushiji.classify.train import build_crops, training_of
from kuzushiji.data.paths import DataRoot
from kuzushiji.engine.machine import set_up

SMALL = """--n-folds 3 --base mobilenetv4_conv_small --pretrained 0 --head-size 8 --test-height 240 --crop-width 160
    --crop-height 240 --batch-size 7 --repeat-train 12 --scale-aug 0.1 --epochs 2
    --workers 0 --cache-mib 0 --device cpu"""


@pytest.mark.parametrize(("max_targets", "counts"), [(32, {32}), (64, {32, 64}), (0, None)])
def test_boxes_of_a_batch_come_in_few_numbers(
    tiny_root: Path, tmp_path: Path, max_targets: int, counts: set[int] | None
) -> None:
    words = shlex.split(f"{tiny_root / 'train.csv'} --output-dir {tmp_path} --max-targets {max_targets} {SMALL}")
    config, root = Classify.parse_args(words), DataRoot(tiny_root)
    split, precision = read_split(config, root), set_up(config)
    classifier = build_classifier(config, split.vocabulary, precision)
    training = training_of(config, classifier, build_crops(config, root, split, 240), precision, {})
    shapes = [(tuple(batch.images.shape), tuple(batch.rois.shape), len(batch.classes)) for batch in training.loader]
    assert len(shapes) >= 10
    assert {images for images, _, _ in shapes} == {(7, 240, 160, 3)}
    if counts is None:
        assert len(set(shapes)) > 3  # without the limit nearly every batch has a shape of its own
    else:
        assert {rois for _, rois, _ in shapes} <= {(count, 5) for count in counts}


def test_cudnn_is_asked_to_choose_only_where_that_was_said(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    for words, expected in ((["--benchmark", "1"], True), (["--benchmark", "0"], False)):
        set_up(Classify.parse_args(["clf_gt.csv", "--output-dir", "out", "--device", "cpu", *words]), training=True)
        assert torch.backends.cudnn.benchmark is expected
