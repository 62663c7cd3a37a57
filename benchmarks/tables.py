"""Seconds and memory of the table stages at the competition's size.

    PYTHONPATH=. python benchmarks/tables.py SCALE   # kept in benchmarks/results/tables.json

SCALE is a folder with tables of the real size in the reference's format: `data/`, `_runs/*/detailed.csv.gz`.
Reads and writes a fold's table in both formats, makes the features of one fold of four kinds of models, blends ten
tables, selects pseudolabels from twenty and scores a blend; each as a whole process with its imports. Every command
runs --repeats times: the figures are those of the run of median seconds, beside the seconds of all. Writes Parquet
tables beside the text tables of SCALE once, and everything else into SCALE/benchmark.
"""

import argparse
import json
from collections.abc import Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from measure import machine, measured

KINDS = ("", "-wsl8d-mt256-frozen", "-wsl8d-mt256-frozen-pseudo", "-wsl8d-mt256-frozen-pseudo-ft")
READ = "import sys; from pathlib import Path; from kuzushiji.artifacts import *\n"
READ += "from kuzushiji.data.paths import DataRoot\n"
READ += "table = read_detailed(Path(sys.argv[1]), data_root=DataRoot(Path(sys.argv[2])))\n"
WRITE = READ + "write_detailed(Path(sys.argv[3]), table)\n"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scale", type=Path)
    parser.add_argument("--repeats", type=int, default=3, help="runs of each command")
    args = parser.parse_args()
    scale: Path = args.scale

    def median(words: Sequence[str], rows: int | None = None) -> dict[str, Any]:
        took = sorted((measured(words, rows) for _ in range(args.repeats)), key=itemgetter("seconds"))
        return {**took[len(took) // 2], "all_seconds": [each["seconds"] for each in took]}

    runs, root, out = scale / "_runs", str(scale / "data"), scale / "benchmark"
    out.mkdir(exist_ok=True)
    for text in sorted(runs.glob("*/*detailed.csv.gz")):
        parquet = text.with_name(text.name.replace(".csv.gz", ".parquet"))
        if not parquet.exists():
            measured(["-c", WRITE, str(text), root, str(parquet)])
    rows = pq.read_metadata(runs / "clf-fold0/detailed.parquet").num_rows
    first = {suffix: str(runs / f"clf-fold0/detailed.{suffix}") for suffix in ("parquet", "csv.gz")}
    import_alone = median(["-c", READ.splitlines()[0] + "; import pyarrow.parquet, pyarrow.csv"])
    report = {"import of pandas and pyarrow, within each": import_alone}
    for suffix, path in first.items():
        report[f"read a fold, {suffix}"] = median(["-c", READ, path, root], rows)
        report[f"read and write a fold, {suffix}"] = median(
            ["-c", WRITE, path, root, str(out / f"copy.{suffix}")], rows
        )
    for suffix in first:
        groups = json.dumps([[str(runs / f"clf-fold0{kind}/detailed.{suffix}")] for kind in KINDS])
        words = ["-m", "kuzushiji.classify.level2_features", groups, str(out / "features.parquet")]
        report[f"features of a fold, 4 kinds, {suffix}"] = median([*words, "--data-root", root, "--force"], rows)
    tests = [str(path) for path in sorted(runs.glob("clf-fold*/test_detailed.parquet"))]
    blend = ["-m", "kuzushiji.classify.blend", "--data-root", root, "--force"]
    report["blend of 10 tables"] = median(
        [*blend, *tests[:10], "--output-detailed", str(out / "blend.parquet")], 10 * rows
    )
    pseudo = ["-m", "kuzushiji.classify.pseudolabel", *tests, str(out / "pseudolabels.csv.gz"), "--force"]
    report["pseudolabels of 20 tables"] = median(pseudo, 20 * rows)
    total = sum(pq.read_metadata(path).num_rows for path in runs.glob("clf-fold*/detailed.parquet"))
    folds = [str(path) for path in sorted(runs.glob("clf-fold*/detailed.parquet"))]
    report["score of 20 tables of 5 folds"] = median([*blend, *folds, "--score"], total)
    print(json.dumps({"machine": machine(), **report}, indent=2))


if __name__ == "__main__":
    main()
