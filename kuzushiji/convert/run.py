"""Reads pages of one form, settles what is odd, and writes them in another."""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from kuzushiji.convert.config import ConvertConfig
from kuzushiji.convert.new_root import book_prefix, choose_test_pages, write_root
from kuzushiji.data.characters import char_to_code
from kuzushiji.data.folds import book_id
from kuzushiji.data.paths import image_path
from kuzushiji.errors import InputError
from kuzushiji.files import atomic_folder, atomic_write_json, atomic_write_text, read_json
from kuzushiji.forms.character_codes import new_forms, read_character_map
from kuzushiji.forms.cleaning import Cleaner
from kuzushiji.forms.labelled_page import LabelledPage, RawPage
from kuzushiji.forms.notes import LIST, SUMMARY, Notes
from kuzushiji.forms.picture_files import Finder, Placer
from kuzushiji.forms.registry import WRITERS, files_of, read_pages
from kuzushiji.terminal import progress

FORMAT = "kuzushiji-conversion-1"
_NO_BOOKS = frozenset(("images", "image", "img", "imgs", "train", "val", "test", "train_images", "jpg", "png"))
"""Names of folders with pictures that are no books: the folder above them is."""


_WITH_BOOKS = ("root", "csv")
"""Forms whose pages are named for their books."""


def convert(config: ConvertConfig) -> tuple[dict[str, Any], Notes]:
    """Convert; return counts to print, and everything that was odd.

    Raises:
        InputError: there is nothing to convert, OUT is not free, or cannot be written.
    """
    table = new_forms() if config.new_forms else {}
    table |= {} if config.map is None else read_character_map(config.map)
    _check_free(config)
    notes = Notes()
    form, files = files_of(config.source, config.form, notes)
    folder = config.source if config.source.is_dir() else config.source.parent
    cleaner = Cleaner(Finder([folder, *config.images], notes), notes, table, config.normalise)
    pages = _cleaned(config, form, files, cleaner)
    if not pages:
        reason = next(iter([*notes.failures, *notes.lines]), "it has no page")
        raise InputError(f"{config.source}: expected pages that can be converted, got none: {reason}")
    for path in cleaner.finder.pictures() if form != "root" and config.source.is_dir() else ():
        if path.resolve() not in cleaner.finder.found:
            notes.add("pictures without labels", path, "no page has it; left out")
    test = choose_test_pages([page.name for page in pages], config.test_share, config.test_books)
    for (old, new), count in sorted(cleaner.changed.items(), key=lambda item: -item[1]):
        message = f"became {new} {char_to_code(new)}, boxes: {count:,}"
        notes.add("characters that were changed", f"{old} {_codes(old)}", message)
    _note_books(form, pages, test, notes)
    if config.to in ("page", "alto", "tei", "hocr"):
        _note_cut_boxes(pages, notes)
    return _write(config, form, pages, test, notes), notes


def _check_free(config: ConvertConfig) -> None:
    """Refuse a folder in which there is anything else than an earlier conversion that is to be replaced."""
    out = config.out
    if out.exists() and not out.is_dir():
        raise InputError(f"{out}: expected a folder to write, got a file")
    if not out.exists() or not any(path.is_file() for path in out.rglob("*")):
        return
    summary = read_json(out / SUMMARY) if (out / SUMMARY).is_file() else {}
    if not isinstance(summary, dict) or summary.get("format") != FORMAT:
        raise InputError(f"{out}: expected a new or empty folder, got one with other files")
    if not config.force:
        raise InputError(f"{out}: holds an earlier conversion; --force replaces it")


def _cleaned(config: ConvertConfig, form: str, files: Sequence[Path], cleaner: Cleaner) -> list[LabelledPage]:
    pages: dict[str, LabelledPage] = {}
    raw_pages = read_pages(form, files, cleaner.notes)
    for raw in progress(raw_pages, title="pages", unit="page", leave=False):
        if not (raw.done or config.all):
            cleaner.notes.add("pages that are not done", f"{raw.file}, page {raw.name}", "left out (--all takes them)")
            continue
        try:
            page = cleaner.clean(raw)
            page = replace(page, name=_name_of(config, raw, page))
            image_path(config.out, page.name)
            if page.name in pages:
                other = pages[page.name].picture
                raise InputError(f"{raw.file}: expected each page once, got {page.name} again (also {other})")
            pages[page.name] = page
        except InputError as error:
            cleaner.notes.fail(str(error))
    return list(pages.values())


def _name_of(config: ConvertConfig, raw: RawPage, page: LabelledPage) -> str:
    if config.book is not None:
        return f"{book_prefix(config.book)}_{raw.name}"
    if config.book_folders:
        parts = [part for part in page.picture.resolve().parent.parts if part.lower() not in _NO_BOOKS]
        return f"{book_prefix(parts[-1])}_{raw.name}"
    return raw.name


def _note_books(form: str, pages: Sequence[LabelledPage], test: set[str], notes: Notes) -> None:
    """Say what the names of pages make of books, where that may not be meant."""
    books = {book_id(page.name) for page in pages}
    if len(pages) > 2 and len(books) == len(pages) and form not in _WITH_BOOKS:
        message = "by its name every page is a book of its own; if pages are of one book: --book or --book-folders"
        notes.add("names without a book", pages[0].name, message)
    both = {book_id(name) for name in test} & {book_id(page.name) for page in pages if page.name not in test}
    if both:
        message = "there are training pages and test pages of this book: a score on the test pages flatters"
        notes.add("books on both sides", min(both), message)


def _note_cut_boxes(pages: Sequence[LabelledPage], notes: Notes) -> None:
    for page in pages:
        start, end = page.boxes_xywh[:, :2], page.boxes_xywh[:, :2] + page.boxes_xywh[:, 2:]
        count = int(((start < 0) | (end > (page.width, page.height))).any(axis=1).sum())
        if count:
            notes.add("boxes over the edge", f"page {page.name}", f"{count} boxes end at the page's edge in this form")


def _write(
    config: ConvertConfig, form: str, pages: Sequence[LabelledPage], test: set[str], notes: Notes
) -> dict[str, Any]:
    place = Placer(copy=config.copy)
    with atomic_folder(config.out, SUMMARY) as folder:
        writer = WRITERS.get(config.to)
        if writer is None:
            write_root(folder, pages, place, test)
        else:
            writer(folder, pages, place)
        facts = {
            "form": form, "pages": len(pages), "books": len({book_id(page.name) for page in pages}),
            "test pages": len(test), "characters": sum(len(page.codes) for page in pages),
            "classes": len({code for page in pages for code in page.codes}),
            "pictures": dict(place.how), "odd": dict(notes.counts), "left out": len(notes.failures),
        }  # fmt: skip
        atomic_write_text(folder / LIST, "".join(f"{line}\n" for line in notes.lines))
        names = sorted(path.name for path in folder.iterdir())
        atomic_write_json(folder / SUMMARY, {"format": FORMAT, "to": config.to, **facts, "files": names})
        _clear(config.out)
    return facts


def _clear(out: Path) -> None:
    """Remove what an earlier conversion wrote into a folder, now that the new one is whole; other files stay."""
    if not (out / SUMMARY).is_file():
        return
    for name in read_json(out / SUMMARY).get("files", []):
        path = out / Path(str(name)).name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _codes(text: str) -> str:
    return " ".join(map(char_to_code, text))
