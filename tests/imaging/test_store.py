"""Pages are the same wherever they are kept: in memory, as strips, or not at all."""

import logging
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from kuzushiji.data.labels import read_page_labels
from kuzushiji.data.pages import read_page
from kuzushiji.data.paths import DataRoot
from kuzushiji.errors import InputError
from kuzushiji.imaging import store as store_module
from kuzushiji.imaging import strips as strips_module
from kuzushiji.imaging.store import PageStore, split_memory
from kuzushiji.imaging.window import Window, cut


@pytest.fixture(scope="module")
def paths(tiny_root: Path) -> list[Path]:
    image_ids = read_page_labels(tiny_root / "train.csv").image_ids
    return [DataRoot(tiny_root).train_image(image_id) for image_id in image_ids]


@pytest.mark.parametrize(
    ("cache_mib", "kept"),
    [
        (0, 0),  # nothing
        (1, 9),  # 160 x 240 x 3 bytes: 9 pages in a MiB
        (100, 13),  # all
    ],
)
@pytest.mark.parametrize("with_strips", [False, True])
def test_what_fits_is_kept(cache_mib: int, kept: int, with_strips: bool, paths: list[Path], tmp_path: Path) -> None:
    store = PageStore(paths, cache_mib=cache_mib, strips=tmp_path if with_strips else None)
    assert len(store) == kept
    assert store.n_strips == (len(paths) - kept if with_strips else 0)
    window = Window(-5, 30, 90, 250)
    for path in paths:
        np.testing.assert_array_equal(store.read(path), read_page(path))
        np.testing.assert_array_equal(store.read_window(path, window), cut(read_page(path), window))
        assert store.size(path) == (160, 240)


def test_pages_that_were_not_announced_can_be_read(paths: list[Path]) -> None:
    store = PageStore()
    np.testing.assert_array_equal(store.read(paths[0]), read_page(paths[0]))
    assert store.size(paths[0]) == (160, 240)


def test_strips_are_cut_once(paths: list[Path], tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    PageStore(paths, strips=tmp_path, processes=2)
    assert f"{tmp_path}: 13 pages cut into strips" in caplog.text
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.strips")}
    assert len(before) == len(paths)
    caplog.clear()
    assert PageStore(paths, strips=tmp_path).n_strips == len(paths)
    assert not caplog.text
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.strips")} == before


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    "change",
    [
        damage,  # one bit
        lambda path: path.write_bytes(path.read_bytes()[:-1]),  # cut off
        lambda path: path.write_bytes(b""),
        lambda path: path.unlink(),
    ],
)
def test_strips_that_are_not_whole_are_cut_again(
    change: Callable[[Path], None], paths: list[Path], tmp_path: Path
) -> None:
    PageStore(paths[:1], strips=tmp_path)
    (path,) = tmp_path.rglob("*.strips")
    whole = path.read_bytes()
    change(path)
    assert PageStore(paths[:1], strips=tmp_path).n_strips == 1
    assert path.read_bytes() == whole


def test_strips_that_another_process_cuts_meanwhile_are_not_cut_twice(
    paths: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has cut all pages by the time that this one has cut its first."""
    cut: list[Path] = []

    def write(strips: Path, path: Path) -> bool:
        if not cut:
            PageStore([other for other in paths if other != path], strips=tmp_path)
        cut.append(path)
        return strips_module.write_strips(strips, path)

    with monkeypatch.context() as patch:
        patch.setattr(store_module, "write_strips", lambda *given: patch.undo() or write(*given))
        store = PageStore(paths, strips=tmp_path)
    assert store.n_strips == len(paths)
    assert len(cut) == 1


def test_strips_of_a_page_that_was_replaced_are_cut_again(tmp_path: Path) -> None:
    page = tmp_path / "page.jpg"
    for grey in (50, 200):
        cv2.imwrite(str(page), np.full((40, 30, 3), grey, np.uint8))
        store = PageStore([page], strips=tmp_path / "strips")
        assert store.n_strips == 1
        np.testing.assert_array_equal(store.read_window(page, Window(0, 0, 30, 40)), read_page(page))


def test_strips_that_vanish_during_a_run_change_nothing(
    paths: list[Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = PageStore(paths[:1], strips=tmp_path)
    next(tmp_path.rglob("*.strips")).unlink()
    for _ in range(2):
        np.testing.assert_array_equal(store.read_window(paths[0], Window(0, 0, 160, 240)), read_page(paths[0]))
    assert caplog.text.count("is decoded for each of its crops") == 1


def test_pages_that_cannot_be_cut_are_decoded_whole(tmp_path: Path) -> None:
    page = tmp_path / "page.png"
    cv2.imwrite(str(page), np.full((40, 30, 3), 90, np.uint8))
    store = PageStore([page], strips=tmp_path / "strips")
    assert store.n_strips == 0
    assert store.read_window(page, Window(0, 0, 10, 10)).shape == (10, 10, 3)


@pytest.mark.parametrize("with_strips", [False, True])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read"),
        (b"", "an empty file"),
        (b"GIF89a" + bytes(50), "expected a JPEG, PNG, TIFF, WebP or JPEG 2000 image"),
        (b"\xff\xd8\xff\xc0\x00\x11\x08\xff\xff\xff\xff\x03" + bytes(50) + b"\xff\xd9", "65535 x 65535"),
    ],
)
def test_pages_that_cannot_be_read_are_named(
    content: bytes | None, message: str, with_strips: bool, tmp_path: Path
) -> None:
    page = tmp_path / "page_7.jpg"
    if content is not None:
        page.write_bytes(content)
    with pytest.raises(InputError, match=rf"page_7\.jpg.*{message}"):
        PageStore([page], strips=tmp_path if with_strips else None).read(page)
    with pytest.raises(InputError, match=rf"page_7\.jpg.*{message}"):
        PageStore([page], cache_mib=1)


@pytest.mark.parametrize(
    ("evaluates", "expected"),
    [
        (True, (75, 25)),  # a quarter for the held-out pages
        (False, (100, 0)),  # which are not read where nothing is evaluated
    ],
)
def test_memory_is_divided(evaluates: bool, expected: tuple[int, int]) -> None:
    assert split_memory(100, evaluates=evaluates) == expected
