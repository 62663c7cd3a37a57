"""Pictures of pages: one rule, whatever the file and whatever decodes it."""

import io
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from kuzushiji.data import pages
from kuzushiji.data.pages import page_size, read_page
from kuzushiji.errors import InputError

WIDTH, HEIGHT = 83, 61


@pytest.fixture(params=["jpeg4py", "opencv"])
def decoder(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Each test of reading runs with either decoder."""
    pages._jpeg4py.cache_clear()
    if request.param == "opencv":
        monkeypatch.setitem(sys.modules, "jpeg4py", None)
    elif pages._jpeg4py() is None:
        pytest.skip("libturbojpeg is not installed")
    yield request.param
    pages._jpeg4py.cache_clear()


def picture() -> Image.Image:
    """A smooth colour picture, so that JPEG keeps it closely."""
    random = np.random.default_rng(0)
    small = random.integers(0, 256, (4, 5, 3), dtype=np.uint8)
    return Image.fromarray(cv2.resize(small, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC))


def jpeg(image: Image.Image, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=95, **options)
    return file.getvalue()


def rotated_by_exif() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: turn by 90 degrees
    return jpeg(picture(), exif=exif)


KINDS = {
    "colour": jpeg(picture()),
    "progressive": jpeg(picture(), progressive=True),
    "full chroma": jpeg(picture(), subsampling=0),
    "half chroma": jpeg(picture(), subsampling=1),
    "grey": jpeg(picture().convert("L")),
    "cmyk": jpeg(picture().convert("CMYK")),
    "rotated by exif": rotated_by_exif(),
    "bytes behind the end": jpeg(picture()) + bytes(50),
    "comment": jpeg(picture(), comment=b"\xff\xd9 \xff\xc0"),
}


@pytest.mark.parametrize(("kind", "content"), KINDS.items(), ids=KINDS.keys())
def test_all_kinds_give_the_stored_picture(kind: str, content: bytes, decoder: str, tmp_path: Path) -> None:
    path = tmp_path / "page.jpg"
    path.write_bytes(content)
    page = read_page(path)
    expected = np.asarray(picture().convert("L").convert("RGB") if kind == "grey" else picture(), int)
    assert (page.shape, page.dtype) == ((HEIGHT, WIDTH, 3), np.uint8)
    assert np.abs(page - expected).mean() < 3
    assert page_size(path) == (WIDTH, HEIGHT)
    assert page.flags.c_contiguous and page.flags.writeable
    if kind == "grey":
        assert (page[..., 0] == page[..., 1]).all() and (page[..., 0] == page[..., 2]).all()


@pytest.mark.parametrize("kind", KINDS)
def test_both_decoders_give_the_same_picture(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "page.jpg"
    path.write_bytes(KINDS[kind])
    pages._jpeg4py.cache_clear()
    if pages._jpeg4py() is None:
        pytest.skip("libturbojpeg is not installed")
    first = read_page(path).astype(int)
    pages._jpeg4py.cache_clear()
    monkeypatch.setitem(sys.modules, "jpeg4py", None)
    assert np.abs(first - read_page(path)).max() <= 3
    pages._jpeg4py.cache_clear()


def header_with(offset: int, value: bytes) -> bytes:
    """The colour picture with some bytes of its frame header replaced: 5 height, 7 width, 9 number of components."""
    content = KINDS["colour"]
    start = content.index(b"\xff\xc0") + offset
    return content[:start] + value + content[start + len(value) :]


def png() -> bytes:
    file = io.BytesIO()
    picture().save(file, "PNG")
    return file.getvalue()


WHOLE = KINDS["colour"]
BAD_FILES = {
    # content, what the line says
    "empty": (b"", "expected a JPEG image, got an empty file"),
    "zeros": (bytes(1000), "expected a JPEG image, got 1000 bytes that are none: it does not begin like one"),
    "PNG": (png(), "expected a JPEG image, got"),
    "text": (b"<html>404</html>", "expected a JPEG image, got 16 bytes that are none"),
    "only the start": (WHOLE[:2], "its header is cut off"),
    "cut in the header": (WHOLE[: WHOLE.index(b"\xff\xc0") + 6], "its header is cut off"),
    "no frame": (b"\xff\xd8\xff\xda\x00\x02\xff\xd9", "its header is damaged"),
    "segment without length": (b"\xff\xd8\xff\xe0\x00\x00" + WHOLE[2:], "its header is damaged"),
    "no marker": (b"\xff\xd8\x00" + WHOLE[2:], "its header is damaged"),
    "cut behind the header": (WHOLE[: WHOLE.index(b"\xff\xda")], "got one without its end"),
    "cut in the middle": (WHOLE[: len(WHOLE) // 2], "got one without its end"),
    "cut before the end": (WHOLE[:-2], "got one without its end"),
    "no scan": (WHOLE[: WHOLE.index(b"\xff\xda")] + b"\xff\xd9", "got a damaged one"),
    "huge": (header_with(5, b"\xff\xff\xff\xff"), "of 1 to 200,000,000 pixels, got one of 65535 x 65535"),
    "no height": (header_with(5, b"\x00\x00"), "got one of 83 x 0"),
    "no width": (header_with(7, b"\x00\x00"), "got one of 0 x 61"),
    "two components": (header_with(9, b"\x02"), "got a damaged one"),
}  # fmt: skip


@pytest.mark.parametrize(("content", "line"), BAD_FILES.values(), ids=BAD_FILES.keys())
def test_bad_files_are_refused(content: bytes, line: str, decoder: str, tmp_path: Path) -> None:
    path = tmp_path / "page.jpg"
    path.write_bytes(content)
    with pytest.raises(InputError) as error:
        read_page(path)
    assert line in str(error.value)
    assert str(error.value).startswith(f"{path}: ") and "\n" not in str(error.value)


def test_missing_files_and_folders(tmp_path: Path) -> None:
    for read in (read_page, page_size):
        with pytest.raises(InputError, match=r"page.jpg: expected the image of a page, cannot be read: No such file"):
            read(tmp_path / "page.jpg")
        with pytest.raises(InputError, match="cannot be read: Is a directory"):
            read(tmp_path)


def test_damage_in_the_middle_is_seen_by_jpeg4py(tmp_path: Path) -> None:
    pages._jpeg4py.cache_clear()
    if pages._jpeg4py() is None:
        pytest.skip("libturbojpeg is not installed: OpenCV does not tell")
    path = tmp_path / "page.jpg"
    middle = len(WHOLE) * 3 // 4
    for damage in (bytes(60), b"\xff\xd9"):  # zeros; an end that comes too early
        path.write_bytes(WHOLE[:middle] + damage + WHOLE[middle + len(damage) :])
        with pytest.raises(InputError, match="expected a whole JPEG image, got a damaged one"):
            read_page(path)


def test_bad_files_leave_the_next_page_alone(tmp_path: Path) -> None:
    # a decompressor of jpeg4py that failed corrupts memory when it is used again
    bad, good = tmp_path / "bad.jpg", tmp_path / "good.jpg"
    good.write_bytes(WHOLE)
    expected = read_page(good)
    for content, _ in BAD_FILES.values():
        bad.write_bytes(content)
        with pytest.raises(InputError):
            read_page(bad)
        assert (read_page(good) == expected).all()


def test_opencv_is_used_where_the_library_is_missing_and_that_is_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "page.jpg"
    path.write_bytes(WHOLE)

    class WithoutLibrary:
        JPEG = staticmethod(lambda _: (_ for _ in ()).throw(OSError("Could not load libturbojpeg")))

    monkeypatch.setitem(sys.modules, "jpeg4py", WithoutLibrary)
    pages._jpeg4py.cache_clear()
    assert read_page(path).shape == read_page(path).shape == (HEIGHT, WIDTH, 3)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "Could not load libturbojpeg" in caplog.text
    pages._jpeg4py.cache_clear()
