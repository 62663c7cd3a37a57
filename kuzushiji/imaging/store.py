"""Where the networks' pages come from: memory, strips on disk, or the JPEG."""

import logging
import os
import signal
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from random import Random

from kuzushiji.data.pages import page_size, read_page
from kuzushiji.files import fitting_name
from kuzushiji.imaging.strips import PageStrips, StripsLostError, open_strips, write_strips
from kuzushiji.imaging.window import Image, Window, cut, pad
from kuzushiji.terminal import progress

logger = logging.getLogger(__name__)

_MIB = 1 << 20
_IGNORED = (signal.SIGINT, signal.SIG_IGN)
_HELD_OUT_SHARE = 4
"""One part in so many of the memory for pages is for the held-out pages: with five folds, their share of the pages."""


def split_memory(cache_mib: int, *, evaluates: bool) -> tuple[int, int]:
    """Divide the memory for decoded pages between training and held-out pages, MiB; these need none without use."""
    held_out = cache_mib // _HELD_OUT_SHARE if evaluates else 0
    return cache_mib - held_out, held_out


class PageStore:
    """Reads pages, and keeps some of them at hand; what it returns is the same wherever it comes from.

    Make it before the data loader's workers start: they share what it holds, and what they read later each would keep
    for itself, so it is not kept.

    Args:
        paths: JPEGs of the pages that will be read; others can be read too.
        cache_mib: Memory for decoded pages, MiB: as many of the first pages as fit.
        strips: Folder where the other pages are kept as strips, written where they are missing; None for none. They
            pay where crops are small parts of pages. Folds and stages may share it.
        processes: Pages that are cut into strips at a time.

    Raises:
        InputError: a page that is read here already cannot be; strips cannot be written.
    """

    def __init__(
        self, paths: Iterable[Path] = (), *, cache_mib: int = 0, strips: Path | None = None, processes: int = 1
    ) -> None:
        self._pages: dict[Path, Image] = {}
        self._strips: dict[Path, PageStrips] = {}
        distinct = list(dict.fromkeys(paths))
        self._fill(distinct, cache_mib * _MIB)
        if strips is not None:
            self._cut(distinct[len(self._pages) :], strips, processes)

    def __len__(self) -> int:
        """Return how many pages are in memory."""
        return len(self._pages)

    @property
    def n_strips(self) -> int:
        """How many pages are kept as strips."""
        return len(self._strips)

    def size(self, path: Path) -> tuple[int, int]:
        """Return width and height of a page, pixels.

        Raises:
            InputError: as `page_size`.
        """
        if path in self._pages:
            height, width = self._pages[path].shape[:2]
            return width, height
        strips = self._strips.get(path)
        return (strips.width, strips.height) if strips is not None else page_size(path)

    def read(self, path: Path) -> Image:
        """Return a page, not to be written to.

        Raises:
            InputError: as `read_page`.
        """
        kept = self._pages.get(path)
        return read_page(path) if kept is None else kept

    def read_window(self, path: Path, window: Window) -> Image:
        """Return the window of a page in the page's pixels, not to be written to; black beyond the page.

        Raises:
            InputError: as `read_page`.
        """
        strips = self._strips.get(path)
        if strips is not None:
            inner = window.within(strips.width, strips.height)
            try:
                return pad(strips.read(inner), inner, window)
            except StripsLostError as error:
                _say_lost(str(error))
        return cut(self.read(path), window)

    def _fill(self, paths: Sequence[Path], free: int) -> None:
        """Read pages until the memory is full."""
        for path in paths:
            width, height = page_size(path) if free > 0 else (0, 0)
            free -= 3 * width * height
            if free <= 0:
                break
            self._pages[path] = read_page(path)

    def _cut(self, paths: Sequence[Path], folder: Path, processes: int) -> None:
        """Open the strips of pages, and write those that are missing.

        Several processes may be at it at the same time: each takes the missing pages in an order of its own, and leaves
        out what another has written meanwhile.
        """

        def strips_of(path: Path) -> Path:
            return folder / path.parent.name / fitting_name(path.stem, ".strips")

        found = {path: open_strips(strips_of(path), path) for path in paths}
        missing = [path for path, strips in found.items() if strips is None]
        Random(os.getpid()).shuffle(missing)
        jobs = [(strips_of(path), path) for path in missing]
        n = min(processes, len(jobs))
        # An interrupt is for this process, which ends the others.
        with get_context("spawn").Pool(n, signal.signal, _IGNORED) if n > 1 else nullcontext() as pool:
            results = pool.imap(_cut_unless_there, jobs) if pool else map(_cut_unless_there, jobs)
            bar = progress(results, total=len(jobs), title="strips", unit="page", leave=False)
            cut_now = [path for path, done in zip(missing, bar, strict=True) if done]
        if cut_now:
            logger.info("%s: %d pages cut into strips", folder, len(cut_now))
        found.update({path: open_strips(strips_of(path), path) for path in cut_now})
        self._strips = {path: strips for path, strips in found.items() if strips is not None}


def _cut_unless_there(job: tuple[Path, Path]) -> bool:
    strips, path = job
    return open_strips(strips, path) is not None or write_strips(strips, path)


@cache
def _say_lost(message: str) -> None:
    """Say it once a file."""
    logger.warning("%s; the page is decoded for each of its crops: remove the file, and it is written again", message)
