"""A data root in the competition's layout, written page by page on all cores."""

import multiprocessing
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kuzushiji.data.characters import char_to_code
from kuzushiji.data.labels import PageLabels, write_page_labels
from kuzushiji.data.paths import DataRoot
from kuzushiji.data.strokes import known_characters
from kuzushiji.demo.books import PagePlan, book_name, plan_pages
from kuzushiji.demo.division import with_texts
from kuzushiji.demo.material import Sources, read_material
from kuzushiji.demo.text import CharacterSet, choose_characters
from kuzushiji.errors import InputError
from kuzushiji.files import atomic_path, atomic_write_text
from kuzushiji.terminal import progress

_PLACEHOLDER = "U+003F 1 1"  # what the competition's sample submission says for every page


@dataclass(frozen=True)
class PageJob:
    """What a worker needs to write one page."""

    plan: PagePlan
    folder: Path
    page_height: int
    characters: CharacterSet
    sources: Sources | None = None


@dataclass(frozen=True)
class Size:
    """How many books and pages, and how large."""

    seed: int
    hidden_seed: int
    books: int
    pages: int
    test_books: int
    test_pages: int
    page_height: int
    classes: int | None
    sources: Sources | None = None


def plan_root(size: Size) -> tuple[list[PagePlan], CharacterSet]:
    """Return all pages of a data root, those for training first, and the characters on them."""
    if size.sources is None:
        characters = choose_characters(size.seed, size.classes)
    else:  # the training pages carry every class at least once
        allowed = read_material(size.sources).allowed
        characters = CharacterSet(allowed, "".join(sorted(allowed)))
    plan = plan_pages(
        size.seed, size.hidden_seed, books=size.books, pages=size.pages,
        test_books=size.test_books, test_pages=size.test_pages, extra=characters.extra,
    )  # fmt: skip
    if size.sources is None:
        plan = with_texts(plan, size.seed, characters.allowed)
    return plan, characters


def image_paths(out: Path, plan: Sequence[PagePlan]) -> list[Path]:
    """Return the image of every page."""
    root = DataRoot(out)
    return [root.test_image(page.image_id) if page.test else root.train_image(page.image_id) for page in plan]


def write_root(out: Path, size: Size, workers: int) -> dict[str, int]:
    """Write images and tables; the content does not depend on the number of workers.

    Returns:
        Counts of what was written: pages, characters, classes, and how many of the classes no training page has, with
        the characters of the test pages that are of these.
    """
    plan, characters = plan_root(size)
    root = DataRoot(out)
    for folder in (root.train_images, root.test_images):
        folder.mkdir(parents=True, exist_ok=True)
    paths = image_paths(out, plan)
    jobs = [
        PageJob(page, path.parent, size.page_height, characters, size.sources)
        for page, path in zip(plan, paths, strict=True)
    ]
    pages = list(_in_order(jobs, workers))
    table = _table([page.image_id for page in plan], pages)
    train = table.of_pages([page.image_id for page in plan if not page.test])
    test = table.of_pages([page.image_id for page in plan if page.test])
    write_page_labels(root.train_csv, train)
    write_page_labels(root.solution_csv, test)
    sample = "".join(f"{image_id},{_PLACEHOLDER}\n" for image_id in test.image_ids)
    atomic_write_text(root.sample_submission_csv, "image_id,labels\n" + sample)
    books = "".join(f"{page.image_id},{book_name(page.book)}\n" for page in plan if page.test)
    atomic_write_text(root.test_books_csv, "image_id,book\n" + books)
    codes = "".join(f"{char_to_code(character)},{_quoted(character)}\n" for character in _characters(size.sources))
    atomic_write_text(root.unicode_translation_csv, "Unicode,char\n" + codes)
    return {
        "train_pages": len(train.image_ids), "test_pages": len(test.image_ids),
        "characters": len(table.boxes), "classes": int(table.boxes["code"].nunique()), **_test_only(train, test),
    }  # fmt: skip


def write_page(job: PageJob) -> "PageArrays":
    """Write one page's image and return its labels.

    Raises:
        InputError: it cannot be written.
    """
    import cv2

    if job.sources is None:
        from kuzushiji.demo.page import make_page

        page, labels, quality = make_page(job.plan, job.page_height, job.characters)
    else:
        from kuzushiji.demo.real_page import make_real_page

        page, labels, quality = make_real_page(job.plan, job.page_height, job.sources)
    path = job.folder / f"{job.plan.image_id}.jpg"
    try:
        with atomic_path(path) as temporary:
            temporary.write_bytes(cv2.imencode(".jpg", page, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes())
    except OSError as error:
        raise InputError(f"{path}: cannot write the page: {error.strerror or error}") from error
    boxes = np.array([label[1:] for label in labels], dtype=np.int32).reshape(-1, 4)
    return PageArrays([label[0] for label in labels], boxes)


@dataclass(frozen=True)
class PageArrays:
    """One page's labels: codes, and boxes (n, 4) as x, y, width, height."""

    codes: list[str]
    boxes_xywh: NDArray[np.int32]


def _in_order(jobs: Sequence[PageJob], workers: int) -> Iterator[PageArrays]:
    """Yield the labels of each page in the order of the jobs, written by so many processes."""
    if workers == 1 or len(jobs) < 2:
        _start_worker()
        yield from _with_progress(map(write_page, jobs), len(jobs))
        return
    context = multiprocessing.get_context("spawn")
    with context.Pool(min(workers, len(jobs)), initializer=_start_worker) as pool:
        yield from _with_progress(pool.imap(write_page, jobs, chunksize=1), len(jobs))


def _with_progress(pages: Iterable[PageArrays], total: int) -> Iterator[PageArrays]:
    return iter(progress(pages, total=total, title="demo books", unit="page"))


def _start_worker() -> None:
    """One thread a worker: the pages run side by side already."""
    import cv2

    cv2.setNumThreads(1)


def _table(image_ids: Sequence[str], pages: Sequence[PageArrays]) -> PageLabels:
    numbers = np.repeat(np.arange(len(pages)), [len(page.codes) for page in pages])
    codes = [code for page in pages for code in page.codes]
    boxes = np.concatenate([page.boxes_xywh for page in pages])
    return PageLabels.from_arrays(image_ids, numbers, codes, boxes.astype(np.float64))


def _characters(sources: Sources | None) -> Sequence[str]:
    """Return the characters that pages may have, sorted."""
    return known_characters() if sources is None else sorted(read_material(sources).allowed)


def _test_only(train: PageLabels, test: PageLabels) -> dict[str, int]:
    """Return the number of classes that only test pages have, and of the characters there that no model can know."""
    unknown = test.boxes["code"][~test.boxes["code"].isin(set(train.boxes["code"]))]
    return {"test_only_classes": int(unknown.nunique()), "test_only_characters": len(unknown)}


def _quoted(character: str) -> str:
    return f'"{character * (2 if character == chr(34) else 1)}"' if character in ',"\n' else character
