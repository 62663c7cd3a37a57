from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
import pytest

from kuzushiji.data.folds import fold_of_pages
from kuzushiji.demo.books import PagePlan
from kuzushiji.demo.root import Size, plan_root
from kuzushiji.demo.text import Paragraph, texts
from kuzushiji.demo.variants import PLAIN

DEMO = Size(1, 1, books=36, pages=200, test_books=3, test_pages=20, page_height=800, classes=None)
"""The profile demo."""


def plan(size: Size = DEMO) -> list[PagePlan]:
    return plan_root(size)[0]


def plain(paragraphs: Iterable[Paragraph]) -> str:
    """The words without headings and voicing marks."""
    text = "".join(paragraph.text for paragraph in paragraphs if paragraph.kind != "heading")
    return "".join(PLAIN.get(character, character) for character in text)


WORKS = [plain(text) for text in texts()]


def works_of(pages: Iterable[PagePlan]) -> set[int]:
    """The works out of which the pages say something."""
    said = [text for page in pages for text in (plain([paragraph]) for paragraph in page.text) if len(text) > 30]
    return {number for number, work in enumerate(WORKS) if any(text in work for text in said)}


def written(page: PagePlan) -> str:
    return plain(page.text)


def pieces(pages: Iterable[PagePlan]) -> list[str]:
    """All eight characters in a row."""
    return [text[at : at + 8] for text in map(written, pages) for at in range(len(text) - 7)]


def shared(pages: Sequence[PagePlan], others: Sequence[PagePlan]) -> float:
    known = set(pieces(others))
    return float(np.mean([piece in known for piece in pieces(pages)]))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_nothing_but_formulas_of_a_test_page_is_on_a_training_page(seed: int) -> None:
    """Texts drawn page by page from all works, as it was: 0.95."""
    pages = plan(Size(seed, seed, 36, 200, 3, 20, 800, None))
    assert shared([page for page in pages if page.test], [page for page in pages if not page.test]) < 0.003


def test_nothing_but_formulas_of_a_held_out_page_is_in_other_folds() -> None:
    train = [page for page in plan() if not page.test]
    folds = fold_of_pages([page.image_id for page in train], 3)
    for fold in range(3):
        sides = [[page for page, own in zip(train, folds, strict=True) if (own == fold) == inside] for inside in (1, 0)]
        assert shared(*sides) < 0.003


def test_every_book_says_something_else() -> None:
    books: dict[int, list[PagePlan]] = {}
    for page in plan():
        books.setdefault(page.book, []).append(page)
    counts = Counter(piece for pages in books.values() for piece in set(pieces(pages)))
    assert sum(count - 1 for count in counts.values()) < 0.003 * len(counts)


def test_a_book_that_only_test_pages_come_from_has_a_work_of_its_own() -> None:
    pages = plan()
    unseen = works_of(page for page in pages if page.book >= DEMO.books)
    assert unseen
    assert not unseen & works_of(page for page in pages if page.book < DEMO.books)


def test_pages_of_a_book_continue_its_text() -> None:
    pages = sorted((page for page in plan() if page.book == 0 and page.text), key=lambda page: page.page)
    assert len(pages) > 3
    assert any("".join(map(written, pages))[:400] in work for work in WORKS)


def test_what_training_pages_say_does_not_depend_on_the_test_pages_seed() -> None:
    one, other = (plan(Size(1, hidden, 4, 30, 2, 11, 800, None)) for hidden in (1, 2))
    assert [page.text for page in one if not page.test] == [page.text for page in other if not page.test]


def test_pages_without_text_say_nothing_and_others_do() -> None:
    assert all(bool(page.text) == (page.kind == "text") for page in plan())


def test_passages_follow_where_the_works_end() -> None:
    """Hundreds of pages more than the works fill: each page has words, and no passage comes twice."""
    pages = plan(Size(1, 1, 12, 800, 3, 200, 800, None))
    assert all(len(written(page)) > 40 for page in pages if page.kind == "text")
    paragraphs = Counter(p.text for page in pages for p in page.text if p.kind != "heading" and len(p.text) > 30)
    assert max(paragraphs.values()) == 1


def test_few_characters_are_enough() -> None:
    pages = plan(Size(1, 1, 4, 8, 1, 4, 160, 20))
    assert all(len(written(page)) > 40 for page in pages if page.kind == "text")
