"""The cost of a training step and of a page on a GPU, counted without one.

    PYTHONPATH=. python benchmarks/step_counts.py [kaggle modern] [--opt-level O1 O0] [--stages segment classify]

For each network that the profiles train, at its crop and batch: floating-point operations, bytes moved, bytes that
autograd keeps for the backward pass, operations launched, waits for the device (blocking copies among them); for the
detector also a page of 1216 x 1728. Then the least milliseconds by data sheet: each operation takes what its
floating-point operations or its bytes take, whichever is longer, one after the other, and nothing waits.

The step is the real one with random weights: loss, backward pass, update, average. It runs on the CPU under the tests'
stand-in for a CUDA device, which counts launches and waits; large results are allocated and not computed
(`traffic.py`). Crops hold 6 to 30 boxes, 18 on average; a limit of the recipe applies. `gb_of_biases`: what cuDNN adds
to the bytes moved, since it adds the bias of a convolution by an operation of its own.
Prints JSON.
"""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from measure import ROOT
from multiplications import CLASSES, recipes
from torch import Tensor, nn
from traffic import Traffic, kept_for_backward

from kuzushiji.classify.dataset import Batch
from kuzushiji.classify.network import ModelConfig
from kuzushiji.classify.network import build_model as build_classifier
from kuzushiji.classify.targets import targets_kept
from kuzushiji.classify.train import Step
from kuzushiji.engine.assembly import assemble
from kuzushiji.engine.loader import SampleKey
from kuzushiji.engine.optim import build_optimizer
from kuzushiji.engine.precision import Precision, place
from kuzushiji.engine.progress import StepOutput
from kuzushiji.engine.update import Ema, WeightUpdate
from kuzushiji.segment.config import MODELS, SegmentConfig
from kuzushiji.segment.dataset import Crop, collate_crops
from kuzushiji.segment.detector import build_model as build_detector
from kuzushiji.segment.train import build_step

sys.path.insert(0, str(ROOT))
from tests.cuda_stand_in import StandIn, cuda_stand_in  # noqa: E402

CUDA = torch.device("cuda", 0)
PAGE = (1728, 1216)
BOX = 40

CARDS = {
    "H200": (989e12, 67e12, 4800e9),
    "A100 80 GB": (312e12, 19.5e12, 2039e9),
    "RTX 4090": (165e12, 82.6e12, 1008e9),
    "RTX 2080 Ti": (53.8e12, 13.4e12, 616e9),
    "T4": (65e12, 8.1e12, 320e9),
}
"""By NVIDIA's data sheets: operations a second in half precision (sums in float32, dense) and in float32, bytes a
second."""


def boxes_of(crop: int, width: int, height: int) -> Tensor:
    """Return the boxes (n, 4) xyxy of a crop by its number, 6 to 30 of them."""
    n = 6 + 8 * (crop % 4)
    random = torch.Generator().manual_seed(crop)
    start = torch.rand(n, 2, generator=random) * torch.tensor([width - BOX, height - BOX])
    return torch.cat([start, start + BOX], dim=1)


def pinned(batch: Any) -> Any:
    """Return a batch of the detector in memory from which a GPU copies by itself."""
    return batch._replace(**{name: getattr(batch, name).pin_memory() for name in ("images", "boxes_xyxy", "seeds")})


def detector(params: dict[str, Any], level: str) -> tuple[nn.Module, Callable[[], StepOutput], Precision]:
    """Return a detector, its step on a batch of the recipe, and its precision."""
    precision = Precision.from_level(level, CUDA)
    config = SegmentConfig(
        output_dir=Path("none"), model=params["model"], pretrained=False, norm="frozen", trainable_layers=3
    )  # fmt: skip
    model = place(build_detector(config), CUDA)
    width, height = params["crop_width"], params["crop_height"]
    image = torch.zeros(3, height, width, dtype=torch.uint8)
    crops = [Crop(image, boxes_of(number, width, height), "page", number) for number in range(params["batch_size"])]
    step, batch = build_step(model, CUDA), pinned(collate_crops(crops))
    return model, lambda: step(batch), precision


def classifier(params: dict[str, Any], level: str) -> tuple[nn.Module, Callable[[], StepOutput], Precision]:
    """Return a classifier, its step on a batch of the recipe, and its precision."""
    config = ModelConfig(params["base"], params["head_size"], params["head_dropout"])
    precision = Precision.from_level(level, CUDA)
    model = build_classifier(config, CLASSES, pretrained=False, frozen_start=params["frozen_start"])
    place(model, CUDA)
    width, height, crops = params["crop_width"], params["crop_height"], params["batch_size"]
    boxes = [boxes_of(number, width, height) for number in range(crops)]
    rois = torch.cat([torch.cat([torch.full((len(own), 1), n), own], dim=1) for n, own in enumerate(boxes)])
    kept = targets_kept(len(rois), params["max_targets"])
    batch = Batch(
        torch.zeros(crops, height, width, 3, dtype=torch.uint8), rois[:kept], torch.zeros(kept, dtype=torch.int64),
        (SampleKey(0, 0, 0),),
    ).pin_memory()  # fmt: skip
    named: Any = SimpleNamespace(pages=[SimpleNamespace(image_id="page")])
    step = Step(model, named, params["label_smoothing"], CUDA)
    return model, lambda: step(batch), precision


def count_step(params: dict[str, Any], level: str) -> dict[str, Any]:
    """Return what a training step of a recipe costs: the second, when what is made once is there."""
    traffic = Traffic()
    with traffic, cuda_stand_in() as device:
        model, step, precision = (detector if "model" in params else classifier)(params, level)
        optimizer = build_optimizer(
            model.parameters(), params["optimizer"], params["lr"], weight_decay=params["wd"]
        )  # fmt: skip
        model, optimizer = assemble(model, optimizer, precision)
        update = WeightUpdate(optimizer, precision, params["clip_grad"] or None)
        average = Ema(model, params["ema"]) if params["ema"] else None
        model.train()
        for _ in range(2):
            device.reset()
            traffic.clear()
            with kept_for_backward([*model.parameters(), *model.buffers()]) as kept, precision.autocast():
                output = step()
            update.add(output.loss, output.weight)
            update.finish()
            if average:
                average.update()
    return {**counts(traffic, device, level), "gib_kept_for_backward": round(kept[0] / 2**30, 2)}


def count_page(params: dict[str, Any], level: str) -> dict[str, Any]:
    """Return what a page costs in a detector."""
    traffic = Traffic()
    with traffic, cuda_stand_in() as device:
        model, _, precision = detector(params, level)
        model.eval()
        image = torch.zeros(3, *PAGE, dtype=torch.uint8).to(CUDA)
        for _ in range(2):
            device.reset()
            traffic.clear()
            with torch.no_grad(), precision.autocast():  # in inference mode convolutions come under another name
                model([image])
    return counts(traffic, device, level)


def counts(traffic: Traffic, device: StandIn, level: str) -> dict[str, Any]:
    """Return what was counted, and the least milliseconds of each card."""
    speed = 1 if level == "O0" else 0
    return {
        "teraflops": round(traffic.flops / 1e12, 3),
        "gb_moved": round(traffic.bytes / 1e9, 1),
        "gb_of_biases": round(traffic.bytes_of_biases / 1e9, 1),
        "launches": sum(device.launches.values()),
        "waits": sum(device.waits.values()),
        "least_ms": {
            card: round(1e3 * traffic.least_seconds(numbers[speed], numbers[2]), 1) for card, numbers in CARDS.items()
        },
    }


def counted(level: str, profiles: Sequence[str], stages: Sequence[str]) -> dict[str, Any]:
    """Return what the steps of the profiles' networks cost at a level, and a page in their detectors."""
    found: dict[str, Any] = {}
    for profile in profiles:
        for stage, params in recipes(profile).items():
            if stage not in stages:
                continue
            network = MODELS[params["model"]] if "model" in params else params["base"]
            size = f"{params['batch_size']} crops {params['crop_width']} x {params['crop_height']}"
            found[f"{profile}, {stage}"] = {"network": network, "step": size, **count_step(params, level)}
            if "model" in params:
                page = {"network": network, "step": f"a page {PAGE[1]} x {PAGE[0]}"}
                found[f"{profile}, {stage}, page"] = {**page, **count_page(params, level)}
    return found


def main(argv: Sequence[str] | None = None) -> int:
    """Count and print; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("profiles", nargs="*", default=["kaggle", "modern"])
    parser.add_argument("--opt-level", nargs="+", default=["O1", "O0"], choices=("O0", "O1"))
    parser.add_argument("--stages", nargs="+", default=["segment", "classify", "classify-second"])
    args = parser.parse_args(argv)
    steps = {level: counted(level, args.profiles, args.stages) for level in args.opt_level}
    print(json.dumps({"steps": steps}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
