"""All forms by their names, which of them a source is, and writers for the formats of `predict`."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kuzushiji.data.labels import whole_pixels
from kuzushiji.errors import InputError
from kuzushiji.files import atomic_path
from kuzushiji.forms import (
    alto_xml,
    coco,
    coordinates,
    corrections,
    data_root,
    label_studio,
    labelme,
    page_xml,
    predicted,
    via,
    yolo,
)
from kuzushiji.forms.labelled_page import LabelledPage, RawPage
from kuzushiji.forms.notes import SUMMARY, Notes
from kuzushiji.forms.picture_files import Placer
from kuzushiji.predict.transcription import Transcription


def transcription_of(page: LabelledPage, image: str) -> Transcription:
    """Return the page with a picture of this name; nobody doubted its characters, so there is no probability (NaN).

    Raises:
        InputError: as `LabelledPage.layout`.
    """
    unknown = np.full(len(page.codes), np.nan, np.float32)
    return Transcription(
        page.name, image, page.width, page.height, whole_pixels(page.boxes_xywh), page.codes, unknown, unknown, {},
        page.layout(),
    )  # fmt: skip


def writer_of(name: str) -> Callable[[Path, Iterable[LabelledPage], Placer], int]:
    """Return what writes pages in a format of `predict`, each beside its picture, and returns their number."""

    def write(out: Path, pages: Iterable[LabelledPage], place: Placer) -> int:
        from kuzushiji.predict.formats import DOCUMENTS

        document, count = DOCUMENTS[name], 0
        for page in pages:
            content = document.render(transcription_of(page, place(page, out).name))
            with atomic_path(out / f"{page.name}{document.ending}") as temporary:
                temporary.write_bytes(content)
            count += 1
        return count

    return write


Writer = Callable[[Path, Iterable[LabelledPage], Placer], int]


class NoPagesError(InputError):
    """A source has no pages of the form that is asked for, or of any."""


@dataclass(frozen=True)
class Form:
    """A form of labelled pages.

    Attributes:
        suffixes: Of the files that describe pages.
        recognises: Whether a file with such a suffix is of this form; raises `InputError` where it cannot be read.
        read: Yields the pages that a file describes; raises `InputError` where it cannot be read or is something else.
        write: Writes pages into a folder; None where nothing writes it.
    """

    suffixes: tuple[str, ...]
    recognises: Callable[[Path], bool]
    read: Callable[[Path, Notes], Iterator[RawPage]]
    write: Writer | None = None


FORMS = {
    "root": Form((".csv",), data_root.recognises, data_root.read),
    "csv": Form((".csv",), coordinates.recognises, coordinates.read, coordinates.write),
    "page": Form((".xml",), page_xml.recognises, page_xml.read, writer_of("page")),
    "alto": Form((".xml",), alto_xml.recognises, alto_xml.read, writer_of("alto")),
    "coco": Form((".json",), coco.recognises, coco.read, coco.write),
    "yolo": Form((".yaml", ".yml", ".txt", ".names"), yolo.recognises, yolo.read, yolo.write),
    "labelme": Form((".json",), labelme.recognises, labelme.read, labelme.write),
    "labelstudio": Form((".json",), label_studio.recognises, label_studio.read),
    "via": Form((".json", ".csv"), via.recognises, via.read),
    "predict": Form((".json",), predicted.recognises, predicted.read),
    "corrections": Form((".json",), corrections.recognises, corrections.read, corrections.write),
}
"""By their names on the command line; `csv` is CODH's."""

WRITERS: Mapping[str, Writer] = {
    **{name: form.write for name, form in FORMS.items() if form.write is not None},
    **{name: writer_of(name) for name in ("tei", "hocr", "koji")},
}
"""By their names on the command line; some of these forms are not read."""

_TOLD = frozenset((".xml", ".json"))
"""Endings of files that are told where they are of no known form: others are often something else."""


def files_of(source: Path, name: str | None, notes: Notes) -> tuple[str, list[Path]]:
    """Return the form of a source, and the files that describe its pages, by name.

    Args:
        source: A file or a folder, which is searched at any depth; what is hidden is left out.
        name: The form that the user says, None for whichever it is.
        notes: Are told of files that cannot be read.

    Raises:
        NoPagesError: nothing is of this form, or of any.
        InputError: nothing is there, files are of several forms, or the only ones cannot be read.
    """
    if not source.exists():
        raise InputError(f"{source}: expected labelled pages, there is no such file or folder")
    found: dict[str, list[Path]] = {}
    unreadable: dict[Path, InputError] = {}
    files = [source] if source.is_file() else _below(source)
    for path in files:
        try:
            for form in _forms_of(path, FORMS if name is None else {name: FORMS[name]}):
                found.setdefault(form, []).append(path)
        except InputError as error:
            unreadable[path] = error
    if {*found} == {"predict", "corrections"}:  # what was read, and what somebody has made of it
        notes.add("pages that were corrected", source, "the corrections are taken, not what was read")
        del found["predict"]
        files = found["corrections"]
    if len(found) > 1:
        counts = ", ".join(f"{form} ({len(paths):,} files, {paths[0]})" for form, paths in found.items())
        raise InputError(f"{source}: expected pages of one form, got {counts}: --form chooses")
    if not found:
        forms = ", ".join(FORMS) if name is None else name
        none = NoPagesError(f"{source}: expected labelled pages ({forms}), found none")
        raise next(iter(unreadable.values()), none)
    form, paths = next(iter(found.items()))
    others = {path for path in files if path.suffix.lower() in _TOLD & {*FORMS[form].suffixes}}
    for path in sorted(others.difference(paths, unreadable)):
        notes.add("files of another form", path, f"expected a file of the form {form}, got another; left out")
    for unreadable_error in unreadable.values():
        notes.fail(str(unreadable_error))
    return form, paths


def _forms_of(path: Path, forms: Mapping[str, Form]) -> list[str]:
    suffix = path.suffix.lower()
    return [name for name, form in forms.items() if suffix in form.suffixes and form.recognises(path)]


def read_pages(form: str, files: Sequence[Path], notes: Notes) -> Iterator[RawPage]:
    """Yield the pages of files; a file that cannot be read is noted, and the next one follows."""
    for path in files:
        try:
            yield from FORMS[form].read(path, notes)
        except InputError as error:
            notes.fail(str(error))


def _below(folder: Path) -> list[Path]:
    found = []
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.is_file() and not hidden and path.name != SUMMARY:
            found.append(path)
    return found
