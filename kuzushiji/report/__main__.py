# PYTHON_ARGCOMPLETE_OK
"""What a run brought: `python -m kuzushiji.report RUNS` prints the table and writes `report.html`."""

import dataclasses
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kuzushiji import cli
from kuzushiji.errors import InputError
from kuzushiji.options import option
from kuzushiji.stage import Command
from kuzushiji.terminal import print_result

if TYPE_CHECKING:
    from kuzushiji.data.labels import PageLabels
    from kuzushiji.data.paths import DataRoot
    from kuzushiji.report.collect import Collected
    from kuzushiji.report.compare import Comparison
    from kuzushiji.report.reference import Reference
    from kuzushiji.report.stage_rows import Row

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ReportConfig:
    """What the command line asks for."""

    runs: Path = option(dataclasses.MISSING, "run folder", positional=True, metavar="RUNS")
    solution: Path | None = option(
        None, "truth of the test pages; without it solution.csv of the data root, where it is there", metavar="FILE"
    )
    data_root: Path | None = option(
        None, "folder with the images; without it RUNS/books, $KUZUSHIJI_DATA, else data/", metavar="DIR"
    )
    output: Path | None = option(None, "HTML file to write; without it RUNS/report.html", metavar="FILE")
    pages: int = option(200, "rows of the table by page, the worst first", type=cli.non_negative_int)
    viewer_pages: int = option(
        8, "pages of the viewer: so many test pages, and so many held-out pages", type=cli.non_negative_int
    )
    pairs: int = option(12, "pairs of characters that are taken for each other", type=cli.non_negative_int)
    json: bool = option(False, "print the tables as one JSON object, and write no file")

    compare: bool = option(
        False, "put the run beside the reference, fold by fold, and mark what is off by more than chance",
        group="beside the reference",
    )  # fmt: skip
    seeds: tuple[Path, ...] = option(
        (), "run folders of the same recipes with other seeds: how far they differ counts as chance", nargs="+",
        metavar="RUNS", group="beside the reference",
    )  # fmt: skip
    reference: Path | None = option(
        None, "folder with the reference's results.csv and params.json; without it _runs/reference", metavar="DIR",
        group="beside the reference",
    )  # fmt: skip

    def __post_init__(self) -> None:
        if self.json and self.output is not None:
            raise InputError(f"--output {self.output}: expected no file with --json, which prints the tables alone")
        if self.seeds and not self.compare:
            raise InputError("--seeds goes with --compare")
        folders = [path.resolve() for path in (self.runs, *self.seeds)]
        for path, folder in zip(self.seeds, folders[1:], strict=True):
            if folders.count(folder) > 1:
                raise InputError(
                    f"--seeds {path}: expected the folders of other runs, each once, got the same run again"
                )


class MakeReport(Command):
    """Print how good each model, each blend and the second level are, and write a page to look at."""

    config: ReportConfig

    def execute(self) -> int:
        """Print the table, write the page."""
        from kuzushiji.report.collect import collect, find_root
        from kuzushiji.report.compare import compare, format_comparison
        from kuzushiji.report.stage_rows import format_stages, stage_table

        config = self.config
        root = find_root(config.data_root, config.runs)
        truth = _read_truth(config.solution, root)
        reference = _read_reference(config)
        collected = collect(config.runs)
        others = [collect(_folder(path)) for path in config.seeds]
        rows = stage_table(collected, truth)
        comparison = compare(collected, reference, others, _size_of(root)) if config.compare else None
        if config.json:
            print_result(_as_json(rows, comparison, collected.final), as_json=True)
            return 0
        written = write_report(config, collected, root, truth, rows, reference, comparison)
        print(format_stages(rows))
        if comparison is not None:
            print(f"\n{format_comparison(comparison)}\n")
        if collected.final is not None:
            print(f"submission: {collected.final}")
        for name, path in written.items():
            print(f"{name}: {path}")
        return 0


def write_report(
    config: ReportConfig,
    collected: "Collected",
    root: "DataRoot",
    truth: "PageLabels | None",
    rows: "Sequence[Row]",
    reference: "Reference",
    comparison: "Comparison | None",
) -> dict[str, Path]:
    """Write the page and its tables; return their paths by what they are, the page last."""
    from kuzushiji.files import atomic_write_text
    from kuzushiji.report.build import build_report
    from kuzushiji.report.html import render

    output = config.output or config.runs / "report.html"
    report = build_report(
        collected, root, truth, rows, reference, comparison,
        n_pages=config.pages, viewer_pages=config.viewer_pages, n_pairs=config.pairs,
    )  # fmt: skip
    tables = {name: output.with_name(f"{output.stem}-{name}.csv") for name in report.grids}
    atomic_write_text(output, render(report, {name: path.name for name, path in tables.items()}))
    for name, path in tables.items():
        atomic_write_text(path, report.grids[name].as_csv())
    for line in report.missing:
        logger.info("%s", line)
    return {**tables, "report": output}


def _read_truth(given: Path | None, root: "DataRoot") -> "PageLabels | None":
    from kuzushiji.data.labels import read_page_labels

    path = given or root.solution_csv
    return read_page_labels(path) if given is not None or path.exists() else None


def _size_of(root: "DataRoot") -> tuple[int, int]:
    """Return how many training pages and classes there are."""
    from kuzushiji.data.labels import read_page_labels

    labels = read_page_labels(root.train_csv)
    return len(labels.image_ids), int(labels.boxes["code"].nunique())


def _read_reference(config: ReportConfig) -> "Reference":
    """Return the reference; an empty one where it is not there and nobody asked for it."""
    from kuzushiji.report.reference import Reference, default_folder, read_reference

    folder = config.reference or default_folder()
    if not (config.compare or config.reference or folder.is_dir()):
        return Reference({}, {})
    return read_reference(folder)


def _as_json(rows: "Sequence[Row]", comparison: "Comparison | None", final: Path | None) -> dict[str, Any]:
    """Return what is printed for machines; the counts of test pages with what follows from them."""
    table = [{**dataclasses.asdict(row), "test": row.test and row.test.as_dict()} for row in rows]
    compared = [{**dataclasses.asdict(row), "mark": row.mark} for row in comparison.rows] if comparison else None
    return {"table": table, "compared": compared, "submission": final and str(final)}


def _folder(path: Path) -> Path:
    if not path.is_dir():
        raise InputError(f"{path}: expected a run folder, got none")
    return path


main = MakeReport.main

if __name__ == "__main__":
    cli.run(main)
