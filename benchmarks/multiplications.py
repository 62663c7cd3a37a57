"""Multiplications in the training of a profile, compared with the reference's: an estimate of its hours.

    PYTHONPATH=. python benchmarks/multiplications.py modern

Counts multiplications of one training crop going forward through each network (convolutions and matrix products, by
torch's counter; a step's backward pass is about twice as many, for all networks alike) and the passes of the recipe
over the competition's pages. Prints JSON, kept in benchmarks/results/multiplications.json: for each stage the numbers
of both profiles and `share`, the part of the reference's multiplications that the profile's training needs. Its hours
are estimated as that part of the reference's of 2019 (HOURS_SHARE in the profile, printed by `run-all.sh --dry-run`).
Not included are predictions, number formats, and the memory limit of depthwise layers (ConvNeXt, EfficientNet).
"""

import argparse
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any

import torch
from measure import ROOT, machine
from page_costs import FOLDS, STAGES, TEST_PAGES, TRAIN_PAGES, kind_of, passes_of
from torch.utils.flop_counter import FlopCounterMode

from kuzushiji.classify.main import Classify
from kuzushiji.classify.network import ModelConfig
from kuzushiji.classify.network import build_model as build_classifier
from kuzushiji.options import all_parameters
from kuzushiji.segment.config import MODELS
from kuzushiji.segment.detector import build_model as build_detector
from kuzushiji.segment.main import Segment

BOXES = 21
"""Characters of a crop: a batch of the reference's second backbone has 256 in twelve."""

CLASSES = 4213
PARSERS: dict[str, Callable[[Sequence[str]], Any]] = {
    "segment": Segment.parse_args,
    "classify": Classify.parse_args,
}


def recipes(profile: str) -> dict[str, dict[str, Any]]:
    """Return the parameters of each stage that trains, of fold 0, by the name of the stage."""
    done = subprocess.run(
        ["bash", "run-all.sh", profile, "--dry-run"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    found = {}
    for line in done.stdout.splitlines():
        match = re.match(
            r"python -m kuzushiji\.(segment|classify)\.main (.*--output-dir \S*?([^/\s]+-fold0\S*) .*)", line
        )
        if match:
            config = PARSERS[match[1]](shlex.split(match[2]))
            found[STAGES[kind_of(config.output_dir)][0]] = all_parameters(config)
    return found


def multiplications_of_a_crop(network: str, width: int, height: int) -> float:
    """Return how many billions of multiplications a crop takes forward, with random weights."""
    torch.manual_seed(0)
    corners = torch.stack([torch.randint(0, side - 50, (BOXES,)) for side in (width, height)], dim=1).float()
    boxes_xyxy = torch.cat([corners, corners + 44], dim=1)
    counter = FlopCounterMode(display=False)
    if network in MODELS:
        detector = build_detector(Segment.parse_args(["--output-dir", "none", "--model", network, "--pretrained", "0"]))
        targets = [{"boxes": boxes_xyxy, "labels": torch.ones(BOXES, dtype=torch.int64)}]
        with counter:
            detector.train()([torch.rand(3, height, width)], targets)
    else:
        classifier = build_classifier(ModelConfig(network), CLASSES, pretrained=False)
        images = torch.randint(0, 255, (1, height, width, 3), dtype=torch.uint8)
        with counter:
            classifier(images, torch.cat([torch.zeros(BOXES, 1), boxes_xyxy], dim=1))
    return float(counter.get_total_flops() / 2e9)


def stage(params: dict[str, Any]) -> dict[str, Any]:
    """Return network, crop, multiplications of a crop, and millions of crops in the training of five folds."""
    network = params.get("base") or params["model"]
    labelled = TEST_PAGES if params.get("pseudolabels") else 0
    size = params["crop_width"], params["crop_height"]
    return {
        "network": network,
        "crop": list(size),
        "billions_a_crop": round(multiplications_of_a_crop(network, *size), 1),
        "million_crops": round(FOLDS * passes_of(params, TRAIN_PAGES * (FOLDS - 1) / FOLDS, labelled) / 1e6, 3),
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Count and print; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("profile", help="its stages are set beside those of the profile kaggle")
    args = parser.parse_args(argv)
    reference, ours = recipes("kaggle"), recipes(args.profile)
    stages = {}
    for name, params in ours.items():
        both = {"reference": stage(reference[name]), args.profile: stage(params)}
        products = [row["billions_a_crop"] * row["million_crops"] for row in both.values()]
        stages[name] = {**both, "share": round(products[1] / products[0], 2)}
    print(json.dumps({"machine": machine(), "boxes_of_a_crop": BOXES, "stages": stages}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
