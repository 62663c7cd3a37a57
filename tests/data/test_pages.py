"""Pictures of pages: one rule, whatever the file and whatever decodes it."""

import io
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from kuzushiji.data import pages
from kuzushiji.data.jpeg import read_header
from kuzushiji.data.pages import page_size, read_page
from kuzushiji.errors import InputError

WIDTH, HEIGHT = 83, 61


HAS_LIBRARY = pages._jpeg4py() is not None


@pytest.fixture(params=["simplejpeg", "jpeg4py"] if HAS_LIBRARY else ["simplejpeg"])
def decoder(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Each test of reading runs with either decoder."""
    pages._jpeg4py.cache_clear()
    if request.param == "simplejpeg":
        monkeypatch.setitem(sys.modules, "jpeg4py", None)
    assert (pages._jpeg4py() is None) == (request.param == "simplejpeg")
    yield request.param
    pages._jpeg4py.cache_clear()


@pytest.mark.skipif(not HAS_LIBRARY, reason="libturbojpeg0 is not installed: jpeg4py is not tested")
def test_the_systems_library_is_preferred(decoder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if decoder == "jpeg4py":
        monkeypatch.setitem(sys.modules, "simplejpeg", None)
    path = tmp_path / "page.jpg"
    path.write_bytes(KINDS["colour"])
    assert read_page(path).shape == (HEIGHT, WIDTH, 3)


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


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "cmyk"])
def test_all_decoders_give_the_same_pixels(kind: str, decoder: str, tmp_path: Path) -> None:
    """OpenCV and Pillow have libjpeg-turbo too, and its default is the accurate transformation."""
    path = tmp_path / "page.jpg"
    path.write_bytes(KINDS[kind])
    page = read_page(path)
    with path.open("rb") as file:
        header = read_header(file)
    np.testing.assert_array_equal(pages._decode_with_opencv(KINDS[kind], header, path), page)
    np.testing.assert_array_equal(np.asarray(Image.open(path).convert("RGB")), page)


@pytest.mark.parametrize(
    ("suffix", "options"),
    [
        ("png", {}),
        ("tif", {"compression": "tiff_lzw"}),
        ("webp", {"lossless": True}),
        ("jp2", {}),
        ("jpg", {"format": "PNG"}),  # the content decides
    ],
)
def test_other_files_without_loss(suffix: str, options: dict[str, object], tmp_path: Path) -> None:
    path = tmp_path / f"page.{suffix}"
    exif = Image.Exif()
    exif[0x0112] = 6 if suffix != "tif" else 1  # a rotation that is noted is ignored, as in JPEGs
    picture().save(path, exif=exif, **options)
    page = read_page(path)
    np.testing.assert_array_equal(page, np.asarray(picture()))
    assert page_size(path) == (WIDTH, HEIGHT)
    assert page.flags.c_contiguous and page.flags.writeable


def test_a_file_of_several_pictures_is_no_page(tmp_path: Path) -> None:
    path = tmp_path / "page.tif"
    picture().save(path, save_all=True, append_images=[picture()])
    with pytest.raises(InputError, match=r"page\.tif: expected the image of one page, got a file with 2 pictures"):
        read_page(path)


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
    "empty": (b"", "expected a JPEG, PNG, TIFF, WebP or JPEG 2000 image, got an empty file"),
    "zeros": (bytes(1000), "expected a JPEG, PNG, TIFF, WebP or JPEG 2000 image, got 1,000 bytes that are none"),
    "text": (b"<html>404</html>", "expected a JPEG, PNG, TIFF, WebP or JPEG 2000 image, got 16 bytes that are none"),
    "PNG that is cut off": (png()[:-300], "expected a whole PNG image, got a damaged one"),
    "only the start": (WHOLE[:2], "its header is cut off"),
    "cut in the header": (WHOLE[: WHOLE.index(b"\xff\xc0") + 6], "its header is cut off"),
    "no frame": (b"\xff\xd8\xff\xda\x00\x02\xff\xd9", "its header is damaged"),
    "segment without length": (b"\xff\xd8\xff\xe0\x00\x00" + WHOLE[2:], "its header is damaged"),
    "no marker": (b"\xff\xd8" + bytes(70_000) + WHOLE[2:], "its header is damaged"),
    "cut behind the header": (WHOLE[: WHOLE.index(b"\xff\xda")], "got one without its end"),
    "cut in the middle": (WHOLE[: len(WHOLE) // 2], "got one without its end"),
    "cut before the end": (WHOLE[:-40], "got one without its end"),
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


def test_damage_in_the_middle_is_seen(decoder: str, tmp_path: Path) -> None:
    path = tmp_path / "page.jpg"
    middle = len(WHOLE) * 3 // 4
    for damage in (bytes(60), b"\xff\xd9"):  # zeros; an end that comes too early
        path.write_bytes(WHOLE[:middle] + damage + WHOLE[middle + len(damage) :])
        with pytest.raises(InputError, match="expected a whole JPEG image, got a damaged one"):
            read_page(path)


def test_bad_files_leave_the_next_page_alone(decoder: str, tmp_path: Path) -> None:
    # a decompressor of jpeg4py that failed corrupts memory when it is used again
    bad, good = tmp_path / "bad.jpg", tmp_path / "good.jpg"
    good.write_bytes(WHOLE)
    expected = read_page(good)
    for content, _ in BAD_FILES.values():
        bad.write_bytes(content)
        with pytest.raises(InputError):
            read_page(bad)
        assert (read_page(good) == expected).all()


def test_a_missing_library_prints_nothing(tmp_path: Path) -> None:
    """jpeg4py's own objects print a traceback when they go without a library: one for each process that reads pages."""
    path = tmp_path / "page.jpg"
    path.write_bytes(WHOLE)
    code = """
import sys, jpeg4py._cffi
def missing(*_): raise OSError("Could not load libturbojpeg")
jpeg4py._cffi.initialize = missing
from pathlib import Path
from kuzushiji.data.jpeg import read_header
from kuzushiji.data.pages import read_page
print(read_page(Path(sys.argv[1])).shape)
"""
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert done.stdout == f"({HEIGHT}, {WIDTH}, 3)\n"
    assert not done.stderr


def test_a_broken_colour_profile_changes_no_pixel(decoder: str, tmp_path: Path) -> None:
    """Scans of one library have a profile whose parts count from 0; damage of the pixels is seen all the same."""
    rng = np.random.default_rng(0)
    jpeg = cv2.imencode(".jpg", rng.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8))[1].tobytes()
    segment = b"ICC_PROFILE\0\0\0" + bytes(40)
    broken = jpeg[:2] + b"\xff\xe2" + (len(segment) + 2).to_bytes(2, "big") + segment + jpeg[2:]
    good, odd, bad = (tmp_path / name for name in ("good.jpg", "odd.jpg", "bad.jpg"))
    good.write_bytes(jpeg)
    odd.write_bytes(broken)
    assert np.array_equal(read_page(odd), read_page(good))
    middle = len(broken) * 2 // 3
    bad.write_bytes(broken[:middle] + b"\xff\xd5" + broken[middle + 2 :])
    with pytest.raises(InputError, match="got a damaged one"):
        read_page(bad)
