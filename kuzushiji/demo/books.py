"""Which books there are, and which of their pages are for training and which for the test."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from kuzushiji.demo.frame import FrameStyle, draw_frame_style
from kuzushiji.demo.hand import Hand, draw_hand
from kuzushiji.demo.paper import PaperStyle, draw_paper_style
from kuzushiji.demo.text import Paragraph
from kuzushiji.demo.typesetting import TextStyle, draw_text_style

_BOOK, _PLAN = 1, 2  # what a seed is used for
_FIRST_ID = 100_000_001
_EMPTY_SHARE = 0.06
_UNSEEN_SHARE = 0.5  # of the test pages


@dataclass(frozen=True)
class Book:
    """What all pages of a book have in common."""

    ratio: float
    hand: Hand
    text: TextStyle
    frame: FrameStyle
    paper: PaperStyle


@dataclass(frozen=True)
class PagePlan:
    """One page to be made; everything on it follows from these values.

    Attributes:
        image_id: Name of the page.
        book_seed: Seed of the book's look.
        page_seed: Seed of what is particular to this page.
        book: Number of the book.
        page: Number of the page within the book.
        test: Whether it is a test page.
        kind: `text`, `drawing` (without text) or `blank`.
        must: Characters out of the texts' own set that the page has to carry.
        text: What the page says; only pages of the kind `text` have any.
    """

    image_id: str
    book_seed: int
    page_seed: int
    book: int
    page: int
    test: bool
    kind: str
    must: str = ""
    text: tuple[Paragraph, ...] = ()


@lru_cache(maxsize=64)
def book_of(seed: int, number: int) -> Book:
    """Return book `number` of a seed."""
    rng = np.random.default_rng([seed, number, _BOOK])
    printed = bool(rng.random() < 0.65)
    return Book(
        ratio=float(rng.uniform(0.64, 0.74)),
        hand=draw_hand(rng, printed=printed),
        text=draw_text_style(rng, printed=printed),
        frame=draw_frame_style(rng, printed=printed),
        paper=draw_paper_style(rng),
    )


def book_name(number: int) -> str:
    """Return the name of book `number`, with which its training pages' names begin."""
    return str(_FIRST_ID + 1013 * number)


def plan_pages(
    seed: int, hidden_seed: int, *, books: int, pages: int, test_books: int, test_pages: int, extra: str
) -> list[PagePlan]:
    """Return all pages, those for training first, in the order of the tables.

    Args:
        seed: Seed of the training books.
        hidden_seed: Seed of the test pages and of the books that only they come from.
        books: Number of training books.
        pages: Number of training pages, over all books; the books differ in size.
        test_books: Number of further books that only test pages come from.
        test_pages: Number of test pages: half from the training books, half from the further books.
        extra: Characters that the texts lack and the training pages must carry.
    """
    rng = np.random.default_rng([seed, _PLAN])
    hidden = np.random.default_rng([hidden_seed, _PLAN, 1])
    train_sizes = _split(pages, books, rng)
    unseen = round(test_pages * _UNSEEN_SHARE) if test_books else 0
    unseen_sizes = _split(unseen, test_books, hidden) if test_books else []
    seen_sizes = _spread(test_pages - unseen, books, hidden)
    plan = _train_pages(seed, train_sizes, rng, extra)
    test = [(seed, book, size + k + 1) for book, size in enumerate(train_sizes) for k in range(seen_sizes[book])]
    test += [(hidden_seed, books + book, k + 1) for book, size in enumerate(unseen_sizes) for k in range(size)]
    kinds = _kinds(len(test), hidden)
    rows = [
        PagePlan(_hidden_name(hidden_seed, book, page), book_seed, hidden_seed, book, page, True, kind)
        for (book_seed, book, page), kind in zip(test, kinds, strict=True)
    ]
    return plan + sorted(rows, key=lambda row: row.image_id)


def _train_pages(seed: int, sizes: Sequence[int], rng: np.random.Generator, extra: str) -> list[PagePlan]:
    kinds = _kinds(sum(sizes), rng)
    with_text = max(1, kinds.count("text"))
    rows: list[PagePlan] = []
    texts = 0
    for book, size in enumerate(sizes):
        for k in range(size):
            kind = kinds[len(rows)]
            must = extra[texts::with_text] if kind == "text" else ""
            texts += kind == "text"
            name = f"{book_name(book)}_{k // 2 + 1:05d}_{k % 2 + 1}"
            rows.append(PagePlan(name, seed, seed, book, k + 1, False, kind, must))
    return rows


def _split(total: int, parts: int, rng: np.random.Generator) -> list[int]:
    """Return `parts` sizes of at least 1 that sum to `total`, some several times as large as others."""
    shares = rng.uniform(0.35, 1.0, parts) ** 1.5
    sizes = 1 + np.floor((total - parts) * shares / shares.sum()).astype(int)
    sizes[: total - int(sizes.sum())] += 1
    return [int(size) for size in sizes]


def _spread(total: int, parts: int, rng: np.random.Generator) -> list[int]:
    """Return `parts` sizes that sum to `total` and differ by at most 1."""
    sizes = np.full(parts, total // parts)
    sizes[rng.permutation(parts)[: total % parts]] += 1
    return [int(size) for size in sizes]


def _kinds(count: int, rng: np.random.Generator) -> list[str]:
    """Return the kinds of `count` pages: a few drawings and blank pages among the text."""
    empty = max(round(count * _EMPTY_SHARE), 1) if count >= 8 else 0
    kinds = ["text"] * count
    for number, at in enumerate(rng.permutation(count)[:empty].tolist()):
        kinds[at] = "drawing" if number % 2 == 0 else "blank"
    return kinds


def _hidden_name(seed: int, book: int, page: int) -> str:
    return "test_" + hashlib.sha256(f"{seed} {book} {page}".encode()).hexdigest()[:8]
