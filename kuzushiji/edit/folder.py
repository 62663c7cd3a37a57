"""The folder of results that is edited: its pages, and `corrections.json` in it."""

import hashlib
import json
import logging
import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from kuzushiji.data.labels import PageLabels, read_page_labels
from kuzushiji.edit.truth import with_truth
from kuzushiji.errors import InputError
from kuzushiji.files import atomic_write_json, read_json
from kuzushiji.forms.corrections import FILE, checked_page, content_of, pages_of
from kuzushiji.locks import hold
from kuzushiji.viewer.book import BOOK, ENDING, read_summary

logger = logging.getLogger(__name__)

_PATIENCE = 10.0
"""Seconds to wait for another server that writes into the same folder."""

_OF_PICTURE = (("sha256", "picture"), ("width", "width"), ("height", "height"))
"""Fields in which corrections must agree with their page, and what messages call them."""


class StaleError(InputError):
    """A page was changed by somebody else since it was loaded."""


def digest_of(page: Mapping[str, Any]) -> str:
    """Return 16 hexadecimal digits of a page of corrections; they differ also where the revision is the same."""
    return hashlib.sha256(json.dumps(page, sort_keys=True).encode()).hexdigest()[:16]


class EditedFolder:
    """A folder that `kuzushiji predict --formats viewer` wrote.

    Args:
        folder: The folder.
        truth: Table of labels of some of the pages; None without one.

    Attributes:
        pages: What the list of pages says of each, by name.

    Raises:
        InputError: it is no such folder; its corrections or the table are damaged; the table has none of its pages.
    """

    def __init__(self, folder: Path, truth: Path | None = None) -> None:
        if not (folder / BOOK).is_file():
            raise InputError(f"{folder}: expected a folder of kuzushiji predict --formats viewer, got none with {BOOK}")
        self._folder = folder
        self._lock = threading.Lock()
        found = [read_summary(path) for path in sorted(folder.glob(f"*{ENDING}"))]
        self.pages = {str(summary["name"]): summary for summary in found}
        for page in self.corrections():
            if page["page"] in self.pages and (field := self._differs(page)):
                logger.warning("%s: page %s is of another %s; move the file away to edit it", self.path, *field[:2])
        self._truth = None if truth is None else self._labels(truth)

    @property
    def path(self) -> Path:
        """The file of corrections."""
        return self._folder / FILE

    def text(self, name: str) -> str | None:
        """Return a file that the browser may ask for, a page with its truth where that is known; None of others.

        Raises:
            OSError: it cannot be read.
        """
        page = name.removesuffix(ENDING)
        if name != BOOK and (page == name or page not in self.pages):
            return None
        text = (self._folder / name).read_text(encoding="utf-8")
        if self._truth is None or page not in self._truth.image_ids:
            return text
        return with_truth(text, self._truth.of_pages([page]))

    def _labels(self, table: Path) -> PageLabels:
        labels = read_page_labels(table)
        if not self.pages.keys() & set(labels.image_ids):
            pages = f"the pages of {self._folder}, such as {next(iter(self.pages), 'none')}"
            others = f"those of {labels.image_ids[0]}" if labels.image_ids else "none"
            raise InputError(f"{table}: expected labels of {pages}, got {others}")
        return labels

    def corrections(self) -> list[Any]:
        """Return the pages that were saved.

        Raises:
            InputError: the file is damaged.
        """
        pages = pages_of(read_json(self.path), self.path) if self.path.is_file() else []
        return [checked_page(page, str(self.path)) for page in pages]

    def done(self) -> int:
        """Return how many pages of the folder are done."""
        return sum(page["done"] and page["page"] in self.pages for page in self.corrections())

    def _differs(self, page: Mapping[str, Any]) -> tuple[str, str, str] | None:
        """Return the first field in which corrections differ from their page: page, name of the field, both values."""
        summary = self.pages[page["page"]]
        for field, what in _OF_PICTURE:
            if page[field] != summary[field]:
                return page["page"], what, f"({summary[field]!s:.12}), got those of another ({page[field]!s:.12})"
        return None

    def save(self, name: str, value: Any, base: str | None = None) -> tuple[int, str]:
        """Put a page in the place of its former version, and return its new revision and digest.

        Args:
            name: Of the page.
            value: The page as in `corrections.json`, with the revision that it began from.
            base: Digest of the version that it began from; None where it is not known: then the revision decides.

        Raises:
            StaleError: somebody else has saved the page since, or changed it in the file.
            InputError: it is no such page, or of another picture; the file has one of another picture, is damaged or
                cannot be written.
        """
        page = checked_page(value, "the browser")
        if name not in self.pages or page["page"] != name:
            raise InputError(f"{self._folder}: expected one of its {len(self.pages)} pages, got {page['page']!r:.80}")
        if differs := self._differs(page):
            raise InputError(
                f"page {name}: expected corrections of the {differs[1]} in the folder {differs[2]}; load the page again"
            )
        with self._lock, self._alone():
            pages = self.corrections()
            former = next((other for other in pages if other["page"] == name), None)
            if former is not None and (differs := self._differs(former)):
                raise InputError(
                    f"{self.path}: page {name}: expected corrections of the {differs[1]} in the folder {differs[2]}; "
                    "move the file away: your version stays in this browser"
                )
            if former is not None and all(former[field] == page[field] for field in ("characters", "done")):
                return int(former["revision"]), digest_of(former)  # another window has saved the same
            if former is not None and (former["revision"] != page["revision"] or base not in (None, digest_of(former))):
                raise StaleError(
                    f"page {name}: somebody else has saved it (revision {former['revision']}, yours began from "
                    f"{page['revision']}); load the page again: your version stays in this browser"
                )
            saved = {**page, "revision": page["revision"] + 1}
            kept = [other for other in pages if other["page"] != name]
            place = list(self.pages)
            kept = sorted([*kept, saved], key=lambda each: place.index(each["page"]) if each["page"] in place else -1)
            atomic_write_json(self.path, content_of(kept))
        return int(saved["revision"]), digest_of(saved)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Let no other process write the file as long as the block runs."""
        ends = time.monotonic() + _PATIENCE
        with ExitStack() as stack:
            while True:
                try:
                    stack.enter_context(hold(self.path))
                    break
                except InputError:
                    if time.monotonic() > ends or not os.access(self._folder, os.W_OK):
                        raise
                    time.sleep(0.05)
            yield
