"""The cost of a page in each stage of a finished run, extrapolated to the competition's pages and recipe.

    for stage in books check segment merge classify classify-second pseudolabel pseudo-ft pseudo blend level2 report; do
      /usr/bin/time -a -o times.txt -f "$stage %e %U %S %M" bash run-all.sh fullsize --stage $stage
    done
    python benchmarks/page_costs.py RUNS [--times times.txt] [--machine TEXT]

Reads the records that the stages leave in RUNS (profile fullsize; any other will do). Prints JSON, kept in
benchmarks/results/page_costs.json: seconds of every part of the networks' stages by page that passes through, and the
hours of as many passes as the reference's recipe (_runs/reference) makes over 3,881 training and 4,150 test pages in
five folds. A pass is one page once: in training one crop of it, in prediction the page at one height. Seconds are those
of one job; others may run beside it. --times, lines of stage, seconds, user and system processor seconds and KiB, adds
processor seconds: those of a stage go to its parts as their seconds do, which were measured at the same time; and for
each stage the extrapolation by pages alone, with the run's own epochs. Passes, seconds and memory of the run are
measured. The rest is extrapolated, for the run's own networks and sizes, which are not the reference's.
"""

import argparse
import json
import re
from pathlib import Path
from typing import Any

from measure import ROOT, machine

TRAIN_PAGES, TEST_PAGES, FOLDS = 3_881, 4_150, 5
STAGES = {
    "segment": ("segment", "segment"),
    "": ("classify", "clf"),
    "second": ("classify-second", "clf-wsl8d-mt256-frozen"),
    "pseudo-ft": ("pseudo-ft", "clf-wsl8d-mt256-frozen-pseudo-ft"),
    "pseudo": ("pseudo", "clf-wsl8d-mt256-frozen-pseudo"),
}
"""The stage that makes each kind of model, and the reference's name of the kind."""


def kind_of(folder: Path) -> str:
    """Return the kind of model in a folder of a run, a key of `STAGES`."""
    if folder.name.startswith("segment"):
        return "segment"
    suffix = re.sub(r"^clf-fold\d+", "", folder.name)
    found = re.search(r"pseudo(-ft)?$", suffix)
    return found[0] if found else "second" if suffix else ""


def passes_of(params: dict[str, Any], train_pages: float, pseudo_pages: float) -> float:
    """Return how many pages pass through in one training."""
    repeat = params.get("repeat_train", params.get("repeat_train_step"))
    pages = train_pages + pseudo_pages * params.get("pseudolabels_oversample", 1)
    return float(params["epochs"] * repeat * pages)


def read_parts(run: Path) -> dict[str, dict[str, dict[str, float]]]:
    """Return passes and seconds of training, head start and both predictions, of all folds together, by kind."""
    parts: dict[str, dict[str, dict[str, float]]] = {}
    label_record = run / "pseudolabels.csv.gz.record.json"
    labelled = json.loads(label_record.read_text())["facts"]["pages"] if label_record.exists() else 0
    folders = sorted(path.parent for path in run.glob("*-fold*/record-train.json"))
    held_out = {folder: _facts(folder, "oof")["pages"] for folder in folders}
    for folder in folders:
        kind = kind_of(folder)
        of_kind = parts.setdefault(kind, {})
        pages = sum(n for other, n in held_out.items() if kind_of(other) == kind) - held_out[folder]
        params = json.loads((folder / "params.json").read_text())
        train = json.loads((folder / "record-train.json").read_text())
        loop = _facts(folder, "train").get("seconds", train["seconds"])
        heights = len(params.get("tta_heights") or range(params.get("n_tta", 1)))
        extra = labelled if kind.startswith("pseudo") else 0
        _add(of_kind, "training", passes_of(params, pages, extra), loop)
        if params.get("head_start_epochs"):
            _add(of_kind, "head start", pages + extra, train["seconds"] - loop)
        for part, name in (("held-out pages", "oof"), ("test pages", "test")):
            facts = _facts(folder, name)
            _add(of_kind, part, facts["pages"] * heights, facts["seconds"])
    return parts


def pages_of(run: Path) -> dict[str, int]:
    """Return how many training and test pages the run has."""
    folders = sorted(run.glob("segment-fold*"))
    held_out = sum(_facts(folder, "oof")["pages"] for folder in folders)
    return {"training": held_out, "test": _facts(folders[0], "test")["pages"]}


def _facts(folder: Path, name: str) -> dict[str, Any]:
    facts = json.loads((folder / f"record-{name}.json").read_text())["facts"]
    return {**facts, **facts.get("metrics", {})}  # within `metrics` where an older version has run


def _add(parts: dict[str, dict[str, float]], name: str, passes: float, seconds: float) -> None:
    part = parts.setdefault(name, {"passes": 0, "seconds": 0.0})
    part["passes"] += passes
    part["seconds"] += seconds


def competition_passes(reference: str) -> dict[str, float]:
    """Return the passes of the reference's recipe of a kind over the competition's pages, five folds together."""
    params = json.loads((ROOT / "_runs" / "reference" / reference / "params.json").read_text())
    labelled = TEST_PAGES if params.get("pseudolabels") else 0
    training = FOLDS * passes_of(params, TRAIN_PAGES * (FOLDS - 1) / FOLDS, labelled)
    heights = params.get("n_tta", 1)
    return {"training": training, "held-out pages": TRAIN_PAGES * heights, "test pages": FOLDS * TEST_PAGES * heights}


def with_lines(parts: dict[str, dict[str, float]], reference: str, busy: float | None) -> dict[str, Any]:
    """Return the parts of a kind with what a page takes and the straight lines; `busy` are its processor seconds."""
    wall, passes = sum(part["seconds"] for part in parts.values()), competition_passes(reference)
    told: dict[str, Any] = {}
    for name, part in parts.items():
        per_page = {"seconds": part["seconds"] / part["passes"]}
        if busy is not None:
            per_page["processor_seconds"] = busy * part["seconds"] / wall / part["passes"]
        told[name] = {"passes": round(part["passes"]), "seconds": round(part["seconds"], 1)}
        told[name]["per_page"] = {key: round(value, 3) for key, value in per_page.items()}
        if name in passes:
            hours = {key: round(value * passes[name] / 3600, 1) for key, value in per_page.items()}
            line = {key.replace("seconds", "hours"): value for key, value in hours.items()}
            told[name]["competition"] = {"passes": round(passes[name]), **line}
    return told


def read_times(path: Path, pages: float) -> dict[str, dict[str, float]]:
    """Return seconds, processor seconds and GB of each stage, and the straight line from `pages` of a run."""
    times = {}
    for line in path.read_text().splitlines():
        stage, wall, user, system, kib = line.split()
        busy = float(user) + float(system)
        times[stage] = {
            "seconds": float(wall), "processor_seconds": round(busy, 1), "peak_gb": round(int(kib) / 2**20, 2),
            "processor_seconds_per_page": round(busy / pages, 3),
            "competition_processor_hours": round(busy / pages * (TRAIN_PAGES + TEST_PAGES) / 3600, 2),
        }  # fmt: skip
    return times


def disk(run: Path) -> dict[str, float]:
    """Return MB of the books, the checkpoints and everything else."""
    sizes = {"books": 0, "checkpoints": 0, "tables": 0}
    for path in filter(Path.is_file, run.rglob("*")):
        name = "books" if path.is_relative_to(run / "books") else "checkpoints" if path.suffix == ".pth" else "tables"
        sizes[name] += path.stat().st_size
    return {name: round(size / 1e6, 1) for name, size in sizes.items()}


def main() -> None:
    """Read and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--times", type=Path)
    parser.add_argument("--machine", default=machine(), help="on which the run was")
    args = parser.parse_args()
    pages = pages_of(args.run)
    times = read_times(args.times, sum(pages.values())) if args.times else {}
    networks = {}
    for kind, parts in read_parts(args.run).items():
        stage, reference = STAGES[kind]
        networks[stage] = with_lines(parts, reference, times.get(stage, {}).get("processor_seconds"))
    result = {"machine": args.machine, "pages": pages, "stages": times, "networks": networks, "mb": disk(args.run)}
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
