# PYTHON_ARGCOMPLETE_OK
"""Reads new pages: `python -m kuzushiji.predict PAGES… --output OUT`."""

import dataclasses
import logging
import sys
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from kuzushiji import cli
from kuzushiji.errors import InputError
from kuzushiji.options import parameters
from kuzushiji.predict.config import PredictConfig
from kuzushiji.stage import Command

if TYPE_CHECKING:
    from kuzushiji.bundle.model_files import ModelFiles
    from kuzushiji.predict.fence import Failure
    from kuzushiji.predict.records import Output, PageSource, Summary
    from kuzushiji.predict.sources import PageToRead

logger = logging.getLogger(__name__)

CSV = "submission.csv"


class Predict(Command):
    """Read pictures of pages that nobody has labelled.

    Finds the characters with the detectors of all folds, reads them with all classifiers and the second level, and
    writes the text and all that is known of it.
    """

    config: PredictConfig

    def execute(self) -> int:
        """Read the pages, print what that took, or the text; return the exit code: 1 where a page failed."""
        from kuzushiji.bundle.model_files import find_models
        from kuzushiji.locks import hold
        from kuzushiji.named_models import models_folder
        from kuzushiji.predict.records import shard_place
        from kuzushiji.predict.sources import find_pages

        config = self.config
        if config.boxes is not None and not config.boxes.is_file():
            raise InputError(f"{config.boxes}: expected a table with boxes, got none")
        files = find_models(models_folder(config.models))
        pages, failures = find_pages(config.pages, sys.stdin, () if config.output is None else [config.output])
        _warn_of_models(config, files, pages)
        if config.output is None:
            with TemporaryDirectory() as folder:
                to_print = dataclasses.replace(config, output=Path(folder), formats=("text",))
                summary = _run(to_print, files, pages, failures, Path(folder))
                _print_text(Path(folder), pages)
            _print_failures(summary)
        else:
            place = config.output if config.shard is None else shard_place(config.output, *config.shard)
            with hold(place):
                try:
                    summary = _run(config, files, pages, failures, config.output)
                except KeyboardInterrupt as stop:
                    stop.args = stop.args or ("interrupted: the same command with --resume goes on",)
                    raise
            _print(summary, as_json=config.json)
        return cli.EXIT_FAILED if summary.failures else 0


def _run(
    config: PredictConfig, files: "ModelFiles", pages: "list[PageToRead]", failures: "list[Failure]", folder: Path
) -> "Summary":
    """Read the pages and write what was read into a folder."""
    from kuzushiji.bundle.model_files import digest_of
    from kuzushiji.predict.records import Output, Summary

    output = Output(folder)
    output.prepare(resume=config.resume, force=config.force, shared=config.shard is not None)
    if config.shard is not None:
        number, count = config.shard
        pages, failures = pages[number - 1 :: count], failures if number == 1 else []
    todo, done = _divide(config, pages, failures, output, digest_of(files.paths()))
    summary = Summary()
    if todo:
        from kuzushiji.predict.all_pages import read_pages

        summary = read_pages(config, files, todo, output)
    summary.failures[:0] = failures
    summary.skipped = len(done)
    if config.shard is not None:
        return summary
    if "csv" in config.formats:
        _write_csv(output, pages, summary)
    if "viewer" in config.formats:
        _write_viewer(output, pages)
    return summary


def _warn_of_models(config: PredictConfig, files: "ModelFiles", pages: "list[PageToRead]") -> None:
    """Warn where models that have seen machine-written pages alone are to read other pages."""
    from kuzushiji.bundle.model_files import trained_by_machine
    from kuzushiji.data.paths import DataRoot

    if trained_by_machine(files) and not all(
        DataRoot(page.picture.path.parent.parent).written_by_machine for page in pages
    ):
        logger.warning(
            "%s: these models were trained on machine-written pages alone; they read real pages badly", config.models
        )


def _print_text(folder: Path, pages: "list[PageToRead]") -> None:
    """Print what was read, under the page's name where there are several pages."""
    for page in pages:
        path = folder / f"{page.name}.txt"
        if path.is_file():
            title = f"{page.name}\n" if len(pages) > 1 else ""
            end = "\n" if len(pages) > 1 else ""
            print(title + path.read_text(encoding="utf-8"), end=end)


def _divide(
    config: PredictConfig, pages: "list[PageToRead]", failures: "list[Failure]", output: "Output", models: str
) -> "tuple[list[tuple[PageToRead, PageSource]], list[PageToRead]]":
    """Return the pages to read with what their results depend on, and those that are done."""
    from kuzushiji.files import sha256_of_file
    from kuzushiji.predict.fence import fence
    from kuzushiji.predict.formats import PAGE_FORMATS
    from kuzushiji.predict.iiif import fetch
    from kuzushiji.predict.records import PageSource

    boxes = {} if config.boxes is None else {"boxes": sha256_of_file(config.boxes)[:16]}
    settings = {**parameters(config), **boxes}
    todo, done = [], []
    digest = cache(sha256_of_file)  # a file may have many pages
    for page in pages:
        with fence(page.place, failures):
            if page.url:
                fetch(page.url, page.picture.path)
            source = PageSource(digest(page.picture.path), page.picture.frame, models, settings)
            files = [f"{page.name}{PAGE_FORMATS[name].ending}" for name in config.formats if name in PAGE_FORMATS]
            if (config.resume or config.shard) and output.is_done(page.name, source, files):
                done.append(page)
            else:
                todo.append((page, source))
    return todo, done


def _write_csv(output: "Output", pages: "list[PageToRead]", summary: "Summary") -> None:
    """Write the table of all pages that were read, now or before."""
    from kuzushiji.submission import write_submission
    from kuzushiji.terminal import printable

    failed = {failure.where for failure in summary.failures}
    names = [page.name for page in pages if printable(page.place) not in failed]
    write_submission(output.path(CSV), output.points(names), names)


def _write_viewer(output: "Output", pages: "list[PageToRead]") -> None:
    """Write the document that shows all pages of the folder: those of this command first, then those read before."""
    from kuzushiji.files import atomic_write_text
    from kuzushiji.viewer.book import BOOK, ENDING, read_summary, render_book

    named = [output.path(f"{page.name}{ENDING}") for page in pages]
    others = sorted(set(output.folder.glob(f"*{ENDING}")).difference(named))
    summaries = []
    for path in [*filter(Path.is_file, named), *others]:
        try:
            summaries.append(read_summary(path))
        except InputError as error:
            logger.warning("%s; left out", error)
    atomic_write_text(output.path(BOOK), render_book(summaries, output.folder.resolve().name))


def _print(summary: "Summary", *, as_json: bool) -> None:
    """Print the result on standard output, and the pages that failed on standard error."""
    from kuzushiji.terminal import format_table, print_result

    _print_failures(summary)
    if as_json:
        print_result(summary.as_dict(), as_json=True)
        return
    if summary.read:
        rows = [(stage, seconds, seconds / summary.read) for stage, seconds in summary.seconds.items()]
        total = sum(summary.seconds.values())
        print(format_table(["stage", "seconds", "a page"], [*rows, ("together", total, total / summary.read)]))
        print(f"models loaded in {summary.loading:.1f} s")
    print(
        f"{summary.read} pages read, {summary.characters:,} characters; {summary.skipped} done before, "
        f"{len(summary.failures)} failed, {len(summary.doubtful)} doubtful"
    )


def _print_failures(summary: "Summary") -> None:
    """Print what is odd, and what could not be read, on standard error."""
    from kuzushiji.terminal import printable

    for failure in summary.failures:
        print(f"failed: {failure.message}", file=sys.stderr)
    for note in summary.notes:
        print(f"note: {printable(note)}", file=sys.stderr)


main = Predict.main

if __name__ == "__main__":
    cli.run(main)
