"""Hours of the reference's recipe on a card, computed from the results of `gpu.sh`.

    bash benchmarks/gpu.sh                                    # on the card; writes benchmarks/results/DEVICE.json
    python benchmarks/recipe_hours.py benchmarks/results/DEVICE.json

Prints JSON: for each stage of `profiles/kaggle.env` the hours of its five folds together, one job on the card, and
their parts. Crops per second of training and pages per second of prediction are measured, at the recipe's sizes, with
random weights and ready crops. Multiplied by the passes of the recipe (_runs/reference) over the competition's pages
they give an extrapolation, not a measured run:

- training: float32 by the plain loop where the recipe is in float32 (`precision`), else by ours in mixed precision;
  `mixed` has the hours of `--opt-level O1` instead, which is another recipe. The loader is not in it: the `dataloader`
  part of the file has the crops per core.
- prediction: held-out pages at the end and after every epoch, test pages at the end; in mixed precision, and pages of
  other heights by their area.
- the detector's training is derived from the second classifier's, by the ratio of their hours of 2019, both on an
  RTX 2080 Ti (`ratio_of_2019`). The detector's step in the file is not used.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from measure import ROOT
from page_costs import FOLDS, STAGES, TEST_PAGES, TRAIN_PAGES, competition_passes

from kuzushiji.classify.config import heights_of

REFERENCE = ROOT / "_runs" / "reference"
SEGMENT, SECOND = "segment", "clf-wsl8d-mt256-frozen"


def recipe(reference: str) -> dict[str, Any]:
    """Return the parameters of a kind of the reference's models."""
    params: dict[str, Any] = json.loads((REFERENCE / reference / "params.json").read_text(encoding="utf-8"))
    return params


def measured(results: Mapping[str, Any], part: str, model: str) -> dict[str, Any]:
    """Return what a piece of `gpu.sh` measured.

    Raises:
        SystemExit: it is not there, failed, or is of another network.
    """
    piece = results.get(part, {}).get(model, {"failed": "it is not in the file"})
    if "failed" in piece:
        raise SystemExit(f"expected {part} of {model} by benchmarks/gpu.sh, got none: {piece['failed']}")
    if piece["model"] != model:
        raise SystemExit(f"expected {part} of {model} by benchmarks/gpu.sh, got {piece['model']}, as --tiny measures")
    return dict(piece)


def training_hours(results: Mapping[str, Any], reference: str, *, mixed: bool) -> float:
    """Return the hours of a classifier's training, five folds, in mixed precision or in float32."""
    piece = measured(results, "train_step", recipe(reference)["base"])
    crops_per_second = piece["ours" if mixed else "plain"]["steps_per_second"] * piece["batch_size"]
    return float(competition_passes(reference)["training"] / crops_per_second / 3600)


def prediction_hours(results: Mapping[str, Any], reference: str) -> float:
    """Return the hours of all predictions of five folds."""
    params = recipe(reference)
    speed = measured(results, "predict_pages", params.get("base") or params["model"])["pages_per_second"]
    area = 1.0
    if "base" in params:
        heights = params["tta_heights"] or heights_of(params["test_height"], params["n_tta"])
        area = sum((height / params["test_height"]) ** 2 for height in heights)
    every_epoch = TRAIN_PAGES * (params["epochs"] // params["evaluate_every"] if params["evaluate_every"] else 0)
    pages = (TRAIN_PAGES + FOLDS * TEST_PAGES) * area + every_epoch
    return float(pages / speed / 3600)


def ratio_of_2019() -> float:
    """Return the detector's hours of 2019 by those of the second classifier, on the same card."""
    hours = pd.read_csv(REFERENCE / "results.csv").groupby("run")["hours"].mean()
    return float(hours[SEGMENT] / hours[SECOND])


def stage_hours(results: Mapping[str, Any], reference: str) -> dict[str, Any]:
    """Return the hours of a stage, and of what they consist."""
    prediction = prediction_hours(results, reference)
    if reference == SEGMENT:
        whole = training_hours(results, SECOND, mixed=True) + prediction_hours(results, SECOND)
        training = max(whole * ratio_of_2019() - prediction, 0.0)
        return rounded({"training": training, "prediction": prediction}) | {"training_from": "ratio_of_2019"}
    mixed = recipe(reference)["opt_level"] != "O0"
    parts = {"training": training_hours(results, reference, mixed=mixed), "prediction": prediction}
    told = rounded(parts) | {"precision": "mixed" if mixed else "float32"}
    if not mixed:
        told["mixed"] = round(training_hours(results, reference, mixed=True) + prediction, 1)
    return told


def rounded(parts: Mapping[str, float]) -> dict[str, Any]:
    """Return the parts and their sum, to a tenth of an hour."""
    return {"hours": round(sum(parts.values()), 1), **{name: round(value, 1) for name, value in parts.items()}}


def main(argv: Sequence[str] | None = None) -> int:
    """Read and print; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path, help="what benchmarks/gpu.sh has written")
    args = parser.parse_args(argv)
    try:
        results = json.loads(args.results.read_text(encoding="utf-8"))
        device = results["device"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SystemExit(
            f"{args.results}: expected what benchmarks/gpu.sh writes, got something else ({error})"
        ) from error
    stages = {stage: stage_hours(results, reference) for stage, reference in STAGES.values()}
    told = {
        "device": device,
        "hours": round(sum(stage["hours"] for stage in stages.values()), 1),
        "stages": stages,
        "ratio_of_2019": round(ratio_of_2019(), 3),
    }
    print(json.dumps(told, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
