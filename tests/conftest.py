"""Fixtures for all tests: a small data root."""

import signal
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

PAGE_WIDTH, PAGE_HEIGHT = 160, 240
CODES = ("U+3042", "U+3044", "U+3046", "U+3048", "U+304A")
CHARACTERS = "あいうえお"
TRAIN_BOOKS = {"100000001": 2, "100000002": 2, "100000003": 3, "brsk": 2, "hnsd": 2, "umgy": 2}
TEST_BOOKS = {"100000001": 1, "100000009": 2}
_COLUMN_X = (115, 70, 25)
_ROW_Y = (15, 55, 95, 135, 175)
_EMPTY_PAGE = "hnsd001-002"
_MINUTES = ("test_reference_commands.py", "test_chain.py", "test_torchrun.py", "test_kill.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that take minutes come first: of two processes none is left alone with one of them at the end."""
    items.sort(key=lambda item: item.path.name not in _MINUTES)


@pytest.fixture(scope="session", autouse=True)
def _ctrl_c_is_heard() -> None:
    """Shells start what goes on in the background with SIGINT ignored, and so would be everything that tests start."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def _a_cache_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What the tests remember of files does not go into the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def tiny_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root: 6 books of 2 or 3 training pages, 3 test pages of 2 books, 5 classes, truth in solution.csv.

    Pages are 160 x 240 pixels with up to 15 characters in 3 columns; one page has no text. Use it read-only: a test
    that damages something makes a copy.
    """
    root = tmp_path_factory.mktemp("tiny_root")
    random = np.random.default_rng(0)
    train = {page_id(book, number): None for book, pages in TRAIN_BOOKS.items() for number in range(1, pages + 1)}
    test = {
        f"test_{page_id(book, number)}": None for book, pages in TEST_BOOKS.items() for number in range(1, pages + 1)
    }
    _write_pages(root / "train_images", root / "train.csv", list(train), random)
    _write_pages(root / "test_images", root / "solution.csv", list(test), random)
    sample = pd.DataFrame({"image_id": list(test), "labels": "U+3042 1 1"})
    sample.to_csv(root / "sample_submission.csv", index=False)
    translation = pd.DataFrame({"Unicode": CODES, "char": list(CHARACTERS)})
    translation.to_csv(root / "unicode_translation.csv", index=False)
    return root


@pytest.fixture(scope="session")
def models(tiny_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of untrained detectors, classifiers of two kinds, and a second level: read-only."""
    from tests.models import write_models  # torch, which most tests can do without

    runs = tmp_path_factory.mktemp("models")
    write_models(runs, tiny_root)
    return runs


@pytest.fixture(scope="session")
def light(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of these models one detector and one classifier: quick to load; read-only."""
    from tests.models import some_of

    return some_of(models, tmp_path_factory.mktemp("light") / "runs", "segment-fold0", "clf-fold0")


def page_id(book: str, number: int) -> str:
    """Return an image id of the competition's two kinds: `100000001_00001_1`, `umgy001-001`."""
    return f"{book}_{number:05d}_1" if book.isdigit() else f"{book}001-{number:03d}"


def _write_pages(folder: Path, labels: Path, image_ids: list[str], random: np.random.Generator) -> None:
    folder.mkdir()
    texts = []
    for image_id in image_ids:
        n = 0 if image_id == _EMPTY_PAGE else int(random.integers(8, len(_COLUMN_X) * len(_ROW_Y) + 1))
        page, text = draw_page(n, random)
        cv2.imwrite(str(folder / f"{image_id}.jpg"), page)
        texts.append(text)
    pd.DataFrame({"image_id": image_ids, "labels": texts}).to_csv(labels, index=False)


def draw_page(n_characters: int, random: np.random.Generator) -> tuple[np.ndarray, str]:
    """Return a page (240, 160, 3) and its label string: dark shapes on light paper, column by column from the right."""
    paper = random.integers(190, 230, 3)
    page = np.clip(paper + random.normal(0, 4, (PAGE_HEIGHT, PAGE_WIDTH, 1)), 0, 255).astype(np.uint8)
    items = []
    for place in range(n_characters):
        x = _COLUMN_X[place // len(_ROW_Y)] + int(random.integers(-3, 4))
        y = _ROW_Y[place % len(_ROW_Y)] + int(random.integers(-3, 4))
        w, h = (int(size) for size in random.integers(20, 29, 2))
        shape = int(random.integers(len(CODES)))
        _draw_shape(page, shape, x, y, w, h)
        items.append(f"{CODES[shape]} {x} {y} {w} {h}")
    return page, " ".join(items)


def _draw_shape(page: np.ndarray, shape: int, x: int, y: int, w: int, h: int) -> None:
    """Draw one of five shapes that fill the box: frame, cross, disc, T, two bars."""
    ink, thick = (30, 30, 40), 4
    right, bottom = x + w - 3, y + h - 3
    left, top = x + 2, y + 2
    middle_x, middle_y = x + w // 2, y + h // 2
    if shape == 0:
        cv2.rectangle(page, (left, top), (right, bottom), ink, thick)
    elif shape == 1:
        cv2.line(page, (left, top), (right, bottom), ink, thick)
        cv2.line(page, (right, top), (left, bottom), ink, thick)
    elif shape == 2:
        cv2.ellipse(page, (middle_x, middle_y), (w // 2 - 1, h // 2 - 1), 0, 0, 360, ink, -1)
    elif shape == 3:
        cv2.line(page, (left, top), (right, top), ink, thick)
        cv2.line(page, (middle_x, top), (middle_x, bottom), ink, thick)
    else:
        cv2.line(page, (left, top), (left, bottom), ink, thick)
        cv2.line(page, (right, top), (right, bottom), ink, thick)
