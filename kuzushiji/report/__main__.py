"""What a run brought: `python -m kuzushiji.report RUNS` prints the table and writes `report.html`."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kuzushiji import cli
from kuzushiji.options import add_options, config_from, option

if TYPE_CHECKING:
    import pandas as pd

    from kuzushiji.data.labels import PageLabels
    from kuzushiji.data.paths import DataRoot
    from kuzushiji.report.collect import Collected
    from kuzushiji.report.html import Picture


@dataclass(frozen=True)
class Config:
    """What the command line asks for."""

    runs: Path = option(dataclasses.MISSING, "run folder", positional=True, metavar="RUNS")
    solution: Path | None = option(
        None, "truth of the test pages; without it solution.csv of the data root, where it is there", metavar="FILE"
    )
    data_root: Path | None = option(
        None, "folder with the images; without it RUNS/books, $KUZUSHIJI_DATA, else data/", metavar="DIR"
    )
    output: Path | None = option(None, "HTML file to write; without it RUNS/report.html", metavar="FILE")
    pages: int = option(4, "pages to show with what was read on them", type=cli.non_negative_int)


def get_parser() -> cli.ArgumentParser:
    """Return the command line."""
    parser = cli.ArgumentParser(
        prog="python -m kuzushiji.report",
        description="Prints how good each model, each blend and the second level are, and writes a page to look at.",
    )
    add_options(parser, Config)
    return parser


def parse_args(argv: Sequence[str] | None = None) -> Config:
    """Return what the command line asks for."""
    return config_from(get_parser().parse_args(argv), Config)


def main(argv: Sequence[str] | None = None) -> int:
    """Print the table, write the page."""
    config = parse_args(argv)
    from kuzushiji.files import atomic_write_text
    from kuzushiji.report.collect import collect
    from kuzushiji.report.html import Report, render
    from kuzushiji.report.source import find_root
    from kuzushiji.report.table import format_table, stage_table

    root = find_root(config.data_root, config.runs)
    truth = _read_truth(config.solution, root)
    collected = collect(config.runs)
    rows = stage_table(collected, truth)
    scores = _scores_of_pages(collected, truth)
    output = config.output or config.runs / "report.html"
    pages = _pages(collected, root, truth, scores, config.pages)
    report = Report(f"Report of {config.runs}", rows, _books(collected, root), _curves(collected), pages)
    atomic_write_text(output, render(report))
    print(format_table(rows))
    if collected.final is not None:
        print(f"submission: {collected.final}")
    print(f"report: {output}")
    return 0


def _read_truth(given: Path | None, root: "DataRoot") -> "PageLabels | None":
    from kuzushiji.data.labels import read_page_labels

    path = given or root.solution_csv
    return read_page_labels(path) if given is not None or path.exists() else None


def _scores_of_pages(collected: "Collected", truth: "PageLabels | None") -> "pd.DataFrame | None":
    """Return tp, fp and fn of each test page in the final submission; None where the truth or the result is missing."""
    from kuzushiji.data.labels import read_page_points
    from kuzushiji.metric import score_pages

    if truth is None or collected.final is None:
        return None
    return score_pages(truth, read_page_points(collected.final))


def _books(collected: "Collected", root: "DataRoot") -> "Picture":
    from kuzushiji.data.labels import read_page_labels
    from kuzushiji.report.books import f1_of_books
    from kuzushiji.report.html import Picture
    from kuzushiji.report.plots import f1_by_book

    return Picture("F1 by book, held-out pages", f1_by_book(f1_of_books(collected, read_page_labels(root.train_csv))))


def _curves(collected: "Collected") -> "list[Picture]":
    from kuzushiji.report.html import Picture
    from kuzushiji.report.plots import learning_curves

    return [Picture(kind, learning_curves(collected.of_kind(kind))) for kind in collected.kinds]


def _pages(
    collected: "Collected", root: "DataRoot", truth: "PageLabels | None", scores: "pd.DataFrame | None", count: int
) -> "list[Picture]":
    from kuzushiji.artifacts import characters_path
    from kuzushiji.data.characters import read_unicode_translation
    from kuzushiji.data.pages import read_page
    from kuzushiji.report.html import Picture
    from kuzushiji.report.marks import choose_pages, marks_of_test_page
    from kuzushiji.report.pages import page_svg
    from kuzushiji.report.source import read_final

    if collected.final is None or not characters_path(collected.final).exists():
        return []
    characters = read_final(collected.folder)
    chars = read_unicode_translation(root.unicode_translation_csv)
    pictures = []
    for image_id, title in choose_pages(characters.pages, scores, count):
        marks = marks_of_test_page(image_id, characters, truth, chars)
        pictures.append(Picture(title, page_svg(read_page(root.test_image(image_id)), marks, title=image_id)))
    return pictures


if __name__ == "__main__":
    cli.run(main)
