"""Which book says what: each has a text of its own, so that no passage is in two books."""

import zlib
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

import numpy as np

from kuzushiji.demo.books import Book, PagePlan, book_of
from kuzushiji.demo.text import HEADINGS, Paragraph, passage, texts

_KEPT_SHARE = 0.2  # of the texts: whole works that only books which nobody trains on may have
_HEADING_SHARE = 0.2  # of the pages
_PASSAGE_LIMIT = 10_000  # tries to find a passage that no page has yet
_ORDER, _HEADINGS, _PASSAGES = 4, 5, 6  # what a seed is used for


def with_texts(plan: Sequence[PagePlan], seed: int, allowed: Collection[str]) -> list[PagePlan]:
    """Return the pages with what they say.

    A book's pages continue one text, from the first to the last, those for training and those of the test. No book says
    what another says. Books that only test pages come from have works of their own, which depend on the `seed` of the
    training books alone. Where the works end, generated passages follow.

    Args:
        plan: The pages.
        seed: Seed of the training books.
        allowed: Characters that may occur; the others are left out.
    """
    works, kept = _divided(seed)
    hidden_seed = next((page.page_seed for page in plan if page.test), seed)
    trained, hidden = _Source(works, seed, 0, allowed), _Source(kept, hidden_seed, 1, allowed)
    said: dict[str, tuple[Paragraph, ...]] = {}
    for pages in _by_book(plan):
        source = hidden if pages[0].test else trained
        source.begin_book()
        for page in pages:
            text = tuple(_page_text(page, source))
            said[page.image_id] = text if page.kind == "text" else ()
    return [replace(page, text=said[page.image_id]) for page in plan]


def _by_book(plan: Sequence[PagePlan]) -> list[list[PagePlan]]:
    """Return the pages of each book in their order, training books first.

    Every training book has as many test pages as the one with the most, so that what the books after it say does not
    depend on the seed of the test pages: where a book has fewer, further pages that are not in the plan.
    """
    books: dict[tuple[int, int], list[PagePlan]] = {}
    for page in sorted(plan, key=lambda page: (page.book, page.page)):
        books.setdefault((page.book_seed, page.book), []).append(page)
    tested = {key: sum(page.test for page in pages) for key, pages in books.items() if not pages[0].test}
    most = max(tested.values(), default=0)
    for key, count in tested.items():
        last = books[key][-1]
        books[key] += [replace(last, image_id="", page=last.page + k + 1) for k in range(most - count)]
    return list(books.values())


def capacity(book: Book) -> tuple[int, int]:
    """Return how many columns a page of the book has, and how many characters of prose a column; rather too many.

    Counted on 40 books: a column holds 0.87 to 1.11 of the characters below, a page 0.76 to 1.00 of the columns.
    """
    style, frame = book.text, book.frame
    across = (book.ratio - frame.inner - frame.outer) / (style.pitch * style.column_pitch)
    down = (1 - frame.top - frame.bottom) / style.pitch / (0.5 * style.kana_size + 0.34 + style.gap)
    return int(np.ceil(across)), int(np.ceil(1.05 * down))


class _Source:
    """Gives one book after the other its words, none of them twice."""

    def __init__(
        self, works: Sequence[tuple[Paragraph, ...]], seed: int, parity: int, allowed: Collection[str]
    ) -> None:
        self._allowed = frozenset(allowed)
        self._works = deque(deque(self._kept(paragraph) for paragraph in work) for work in works)
        self._rng = np.random.default_rng([seed, _PASSAGES])
        self._parity, self._passed = parity, set[int]()

    def begin_book(self) -> None:
        """Go on with another work."""
        self._works.rotate(-1)

    def take(self, length: int) -> Paragraph:
        """Return the next paragraph, or so many characters of it; the rest comes next."""
        while self._works:
            work = self._works[0]
            while work and not work[0].text:
                work.popleft()
            if work:
                paragraph = work.popleft()
                if len(paragraph.text) > length:
                    work.appendleft(replace(paragraph, text=paragraph.text[length:]))
                return replace(paragraph, text=paragraph.text[:length])
            self._works.popleft()
        return self._passage(length)

    def _passage(self, length: int) -> Paragraph:
        """Return a generated passage that no page has; the parity of a checksum keeps both sides apart."""
        for _ in range(_PASSAGE_LIMIT):
            paragraph = self._kept(Paragraph(passage(self._rng)))
            checksum = zlib.crc32(paragraph.text.encode())
            if paragraph.text and checksum % 2 == self._parity and checksum not in self._passed:
                self._passed.add(checksum)
                return replace(paragraph, text=paragraph.text[:length])
        raise ValueError("no passage is left")  # pragma: no cover

    def _kept(self, paragraph: Paragraph) -> Paragraph:
        return replace(paragraph, text="".join(c for c in paragraph.text if c in self._allowed))


def _divided(seed: int) -> tuple[list[tuple[Paragraph, ...]], list[tuple[Paragraph, ...]]]:
    """Return the works of training books and those of books that only test pages come from, in a random order."""
    works = [texts()[number] for number in np.random.default_rng([seed, _ORDER]).permutation(len(texts()))]
    lengths = np.array([sum(len(paragraph.text) for paragraph in work) for work in works])
    kept = 1 + int(np.searchsorted(np.cumsum(lengths), _KEPT_SHARE * lengths.sum()))
    return works[kept:], works[:kept]


def _page_text(page: PagePlan, source: _Source) -> Iterator[Paragraph]:
    """Yield as many paragraphs as the page may hold."""
    rng = np.random.default_rng([page.page_seed, page.book, page.page, _HEADINGS])
    columns, rows = capacity(book_of(page.book_seed, page.book))
    if rng.random() < _HEADING_SHARE:
        yield Paragraph(HEADINGS[int(rng.integers(len(HEADINGS)))], "heading")
        columns -= 1
    while columns > 0:
        paragraph = source.take(columns * rows)
        columns -= -(-len(paragraph.text) // rows)
        yield paragraph
