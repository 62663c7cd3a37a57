"""A window read from strips is the window of the decoded page, bit for bit."""

import json
import os
import zlib
from pathlib import Path

import numpy as np
import pytest
import simplejpeg
from PIL import Image as Pillow

from kuzushiji.data.jpeg import NotJpegError
from kuzushiji.data.pages import read_page
from kuzushiji.imaging.scan import read_scan
from kuzushiji.imaging.strips import StripsLostError, open_strips, write_strips
from kuzushiji.imaging.window import Window


def page_file(
    folder: Path,
    width: int,
    height: int,
    mode: str = "RGB",
    *,
    quality: int = 85,
    subsampling: int = 2,
    **options: object,
) -> Path:
    """Write a picture of strong colours that change from pixel to pixel and over the page."""
    rng = np.random.default_rng(width + height)
    coarse = np.kron(rng.integers(0, 256, (height // 7 + 1, width // 5 + 1, 3)), np.ones((7, 5, 1)))
    noise = rng.integers(-30, 30, (height, width, 3))
    pixels = np.clip(coarse[:height, :width] + noise, 0, 255).astype(np.uint8)
    path = folder / "page.jpg"
    Pillow.fromarray(pixels).convert(mode).save(path, quality=quality, subsampling=subsampling, **options)
    return path


def windows(width: int, height: int, n: int) -> list[Window]:
    rng = np.random.default_rng(0)
    found = [Window(0, 0, width, height), Window(width - 1, height - 1, width, height), Window(0, 0, 1, 1)]
    for _ in range(n):
        x0, x1 = sorted(rng.choice(width + 1, 2, replace=False).tolist())
        y0, y1 = sorted(rng.choice(height + 1, 2, replace=False).tolist())
        found.append(Window(x0, y0, x1, y1))
    return found


@pytest.mark.parametrize(
    ("width", "height"),
    [
        (1, 1),  # a pixel
        (16, 16),  # a block
        (256, 128),  # a strip
        (257, 129),  # a strip and a pixel
        (240, 400),  # a strip, the next of which is all margin
        (530, 333),  # three strips, the last one narrow
        (768, 64),  # three whole strips
    ],
)
def test_every_window_is_that_of_the_page(width: int, height: int, tmp_path: Path) -> None:
    source, path = page_file(tmp_path, width, height), tmp_path / "page.strips"
    assert write_strips(path, source)
    strips = open_strips(path, source)
    assert strips is not None
    assert (strips.width, strips.height) == (width, height)
    page = read_page(source)
    for window in windows(width, height, 20) if width > 1 else [Window(0, 0, 1, 1)]:
        np.testing.assert_array_equal(
            strips.read(window), page[window.y0 : window.y1, window.x0 : window.x1], err_msg=str(window)
        )


@pytest.mark.parametrize(
    ("mode", "options"),
    [
        ("RGB", {"subsampling": 0}),  # 4:4:4: blocks of 8 x 8
        ("RGB", {"subsampling": 1}),  # 4:2:2: blocks of 16 x 8
        ("RGB", {"optimize": True}),  # words for what the page has alone
        ("RGB", {"restart_marker_rows": 3}),  # markers of its own
        ("RGB", {"exif": b"Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x00"}),
        ("RGB", {"quality": 100}),
        ("RGB", {"quality": 5}),
        ("L", {}),  # grey
    ],
)
def test_kinds_of_jpeg(mode: str, options: dict[str, object], tmp_path: Path) -> None:
    source, path = page_file(tmp_path, 300, 170, mode, **options), tmp_path / "page.strips"  # type: ignore[arg-type]
    assert write_strips(path, source)
    strips = open_strips(path, source)
    assert strips is not None
    page = read_page(source)
    for window in windows(300, 170, 10):
        np.testing.assert_array_equal(strips.read(window), page[window.y0 : window.y1, window.x0 : window.x1])


def test_words_that_a_part_needs_and_the_page_lacks(tmp_path: Path) -> None:
    """A ramp: each value is close to the one before it, but a strip begins with a value that is far from 0."""
    source, path = tmp_path / "page.jpg", tmp_path / "page.strips"
    ramp = np.linspace(0, 255, 1500).astype(np.uint8)
    Pillow.fromarray(np.broadcast_to(ramp, (32, 1500)).copy()).save(source, optimize=True)
    assert write_strips(path, source)
    strips = open_strips(path, source)
    assert strips is not None
    np.testing.assert_array_equal(strips.read(Window(1100, 5, 1400, 30)), read_page(source)[5:30, 1100:1400])


@pytest.mark.parametrize(
    ("mode", "options"),
    [
        ("CMYK", {}),
        ("RGB", {"progressive": True}),  # several scans
        ("RGB", {"restart_marker_blocks": 3}),  # markers within rows
        ("RGB", {"format": "PNG"}),
    ],
)
def test_a_page_that_cannot_be_cut_is_left_as_it_is(mode: str, options: dict[str, object], tmp_path: Path) -> None:
    source, path = page_file(tmp_path, 90, 70, mode, **options), tmp_path / "page.strips"  # type: ignore[arg-type]
    assert not write_strips(path, source)
    assert not path.exists()


@pytest.mark.parametrize("subsampling", ["4:1:1", "4:4:0"])
def test_rare_samplings(subsampling: str, tmp_path: Path) -> None:
    """4:1:1 has blocks of 32 pixels, which do not fit the margins."""
    source, path = tmp_path / "page.jpg", tmp_path / "page.strips"
    pixels = np.random.default_rng(0).integers(0, 256, (70, 300, 3)).astype(np.uint8)
    source.write_bytes(simplejpeg.encode_jpeg(pixels, colorsubsampling=subsampling.replace(":", "")))
    assert write_strips(path, source) == (subsampling == "4:4:0")
    if subsampling == "4:4:0":
        strips = open_strips(path, source)
        assert strips is not None
        np.testing.assert_array_equal(strips.read(Window(130, 20, 290, 50)), read_page(source)[20:50, 130:290])


@pytest.mark.parametrize("at", range(20))
def test_damaged_pages_are_not_cut(at: int, tmp_path: Path) -> None:
    """The walk over the blocks ends, whatever the bits are."""
    content = bytearray(page_file(tmp_path, 90, 70).read_bytes())
    rng = np.random.default_rng(at)
    for place in rng.integers(20, len(content), 3):
        content[place] = rng.integers(256)
    try:
        scan = read_scan(bytes(content))
        scan.part(0, 0, 1)
    except NotJpegError:
        pass


@pytest.mark.parametrize("size", [0, 100, None])  # None: one byte less
def test_a_file_that_is_cut_off_later_is_lost(size: int | None, tmp_path: Path) -> None:
    source, path = page_file(tmp_path, 60, 40), tmp_path / "page.strips"
    assert write_strips(path, source)
    strips = open_strips(path, source)
    assert strips is not None
    os.truncate(path, path.stat().st_size - 1 if size is None else size)
    with pytest.raises(StripsLostError, match=r"page\.strips: it is cut off"):
        strips.read(Window(0, 0, 60, 40))


@pytest.mark.parametrize("content", [b"", b"kuzushiji", bytes(100), b"\xff" * 100, b"{}" * 50])
def test_other_files_are_no_strips(content: bytes, tmp_path: Path) -> None:
    source, path = page_file(tmp_path, 20, 20), tmp_path / "page.strips"
    path.write_bytes(content)
    assert open_strips(path, source) is None


@pytest.mark.parametrize(
    "change",
    [
        {"width": 5000},  # more strips than there are
        {"height": -1},
        {"rows": []},
        {"rows": "none"},
        {"heads": ["xyz"]},
        {"heads": []},
        {"heights_at": [None]},
        {"row": 0},
        {"of": None},
    ],
)
def test_contents_that_do_not_fit_are_no_strips(change: dict[str, object], tmp_path: Path) -> None:
    """Also where the checksum is right: somebody else may have written the file."""
    source, path = page_file(tmp_path, 20, 20), tmp_path / "page.strips"
    assert write_strips(path, source)
    content = path.read_bytes()
    length = int.from_bytes(content[:4], "little")
    meta = json.dumps({**json.loads(content[8 : 8 + length]), **change}).encode()
    body = meta + content[8 + length :]
    path.write_bytes(len(meta).to_bytes(4, "little") + zlib.crc32(body).to_bytes(4, "little") + body)
    assert open_strips(path, source) is None


def test_size_on_disk(tmp_path: Path) -> None:
    """On noise as on pages: little more than the JPEG itself (the aim was three times as much)."""
    source, path = page_file(tmp_path, 2000, 600, quality=90), tmp_path / "page.strips"
    assert write_strips(path, source)
    assert path.stat().st_size < 1.4 * source.stat().st_size
