"""Pictures as scanners, cameras and libraries really write them: pixels as they are meant, or one clear line."""

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from kuzushiji.data.images import MAX_PIXELS
from kuzushiji.data.pages import page_size, read_page
from kuzushiji.data.pictures import Picture, pictures_in, read_picture
from kuzushiji.errors import InputError

GREY = np.arange(0, 240, 10, dtype=np.uint16).reshape(6, 4)
"""A page of 6 rows and 4 columns, 8 bits."""

NOISE = np.random.default_rng(0).integers(0, 255, (48, 32, 3)).astype(np.uint8)

Tag = tuple[int, int, int, bytes]


def short(tag: int, *values: int, order: str = "<") -> Tag:
    return tag, 3, len(values), struct.pack(f"{order}{len(values)}H", *values)


def tiff(pages: list[tuple[bytes, list[Tag]]], order: str = "<", *, big: bool = False, last: int = 0) -> bytes:
    """Return a TIFF file: of each page the pixels and the tags but those of the strip; `last` follows the last."""
    pointer, count, at = ("Q", "Q", 16) if big else ("I", "H", 8)
    size = struct.calcsize("<" + pointer)
    start = (b"II" if order == "<" else b"MM") + struct.pack(order + "H", 43 if big else 42)
    start += struct.pack(order + "HH", 8, 0) if big else b""
    body, link = b"", at
    links = []
    for pixels, tags in pages:
        offset = at + len(body)
        body += pixels + b"\0" * (-len(pixels) % 8)
        strip = [(273, 4, 1, struct.pack(order + "I", offset)), (279, 4, 1, struct.pack(order + "I", len(pixels)))]
        outside = b""
        entries = []
        here = at + len(body)
        n = len(tags) + 2
        end = here + struct.calcsize("<" + count) + n * (4 + 2 * size) + size
        for tag, kind, number, value in sorted(tags + strip):
            if len(value) > size:
                field = struct.pack(order + pointer, end + len(outside))
                outside += value
            else:
                field = value.ljust(size, b"\0")
            entries.append(struct.pack(order + "HH" + pointer, tag, kind, number) + field)
        links.append(here)
        body += struct.pack(order + count, n) + b"".join(entries) + b"NEXT".ljust(size) + outside
        body += b"\0" * (-len(body) % 8)
    for following in [*links[1:], last]:
        body = body.replace(b"NEXT".ljust(size), struct.pack(order + pointer, following), 1)
    del link
    return start + struct.pack(order + pointer, links[0]) + body


def grey_tags(
    bits: int, *more: Tag, photometric: int = 1, order: str = "<", size: tuple[int, int] = (4, 6)
) -> list[Tag]:
    width, height = size
    pairs = ((256, width), (257, height), (258, bits), (259, 1), (262, photometric), (277, 1), (278, height))
    return [*(short(tag, value, order=order) for tag, value in pairs), *more]


def packed(values: np.ndarray, bits: int) -> bytes:
    """Return rows of numbers, the highest bit first, each row in whole bytes."""
    planes = (values[:, :, None] >> np.arange(bits)[::-1]) & 1
    return np.packbits(planes.reshape(len(values), -1).astype(np.uint8), axis=1).tobytes()


def read(path: Path, content: bytes) -> tuple[np.ndarray, list[str]]:
    path.write_bytes(content)
    (picture,) = pictures_in(path)
    notes: list[str] = []
    return read_picture(picture, notes), notes


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    ("pixels", "bits", "more", "photometric", "notes"),
    [
        (lambda order: (GREY << 8).astype(f"{order}u2").tobytes(), 16, [], 1, []),  # all 16 bits
        (lambda order: (GREY << 4).astype(f"{order}u2").tobytes(), 16, [], 1, ["12 of 16 bits are used"]),
        (lambda order: (GREY << 2).astype(f"{order}u2").tobytes(), 16, [], 1, ["10 of 16 bits are used"]),
        (lambda _: packed(GREY << 4, 12), 12, [], 1, []),  # two pixels in three bytes
        (lambda _: packed(4095 - (GREY << 4), 12), 12, [], 0, []),
        (lambda order: (65535 - (GREY << 8)).astype(f"{order}u2").tobytes(), 16, [], 0, []),  # white is zero
        (lambda order: (GREY << 7).astype(f"{order}i2").tobytes(), 16, [2], 1, ["15 of 16 bits are used"]),  # signed
        (lambda order: ((GREY.astype(int) << 8) - 32768).astype(f"{order}i2").tobytes(), 16, [2], 1, []),
    ],
    ids=["16", "12 in 16", "10 in 16", "12", "12 inverted", "16 inverted", "signed, above zero", "signed"],
)
def test_deep_grey(
    tmp_path: Path, order: str, pixels: Callable[[str], bytes], bits: int, more: list[int], photometric: int,
    notes: list[str],
) -> None:  # fmt: skip
    """What is stored is shown as the scanner meant it, within what the bits below the eighth hold."""
    tags = grey_tags(bits, *(short(339, value, order=order) for value in more), photometric=photometric, order=order)
    found, noted = read(tmp_path / "page.tif", tiff([(pixels(order), tags)], order))
    assert np.abs(found[:, :, 0].astype(int) - GREY).max() <= 1
    assert noted == notes


def test_12_bits_in_16_of_png_and_of_colours(tmp_path: Path) -> None:
    deep = (GREY << 4).astype(np.uint16)
    file = io.BytesIO()
    Image.fromarray(deep).save(file, "PNG")
    assert np.array_equal(read(tmp_path / "grey.png", file.getvalue())[0][:, :, 0], GREY)
    colour = np.stack([deep, deep[::-1], deep // 2], axis=2)
    tags = [short(256, 4), short(257, 6), short(258, 16, 16, 16), short(259, 1), short(262, 2), short(277, 3)]
    found, notes = read(tmp_path / "colour.tif", tiff([(colour.astype("<u2").tobytes(), tags)]))
    assert np.array_equal(found, colour >> 4) and notes == ["12 of 16 bits are used"]


def test_real_numbers_are_refused(tmp_path: Path) -> None:
    tags = grey_tags(32, short(339, 3))
    with pytest.raises(InputError, match="its pixels are real numbers"):
        read(tmp_path / "page.tif", tiff([(GREY.astype("<f4").tobytes(), tags)]))


def byte_page(value: int, *more: Tag, photometric: int = 1) -> tuple[bytes, list[Tag]]:
    return bytes([value]) * 24, grey_tags(8, *more, photometric=photometric)


@pytest.mark.parametrize("big", [False, True])
def test_thumbnails_smaller_copies_and_masks_are_no_pages(tmp_path: Path, big: bool) -> None:
    pages = [
        byte_page(10, short(254, 1)), byte_page(20), byte_page(30, short(255, 2)), byte_page(40, short(254, 4)),
        byte_page(50, short(254, 2)),
    ]  # fmt: skip
    (tmp_path / "book.tif").write_bytes(tiff(pages, big=big))
    pictures = pictures_in(tmp_path / "book.tif")
    assert [int(read_picture(picture).max()) for picture in pictures] == [20, 50]
    assert [picture.number for picture in pictures] == ["_001", "_002"]


def test_a_labelled_page_with_a_thumbnail_is_one_page(tmp_path: Path) -> None:
    (tmp_path / "page.tif").write_bytes(tiff([byte_page(10, short(254, 1)), byte_page(20)]))
    assert read_page(tmp_path / "page.tif").max() == 20 and page_size(tmp_path / "page.tif") == (4, 6)
    (tmp_path / "book.tif").write_bytes(tiff([byte_page(10), byte_page(20)]))
    for reader in (read_page, page_size):
        with pytest.raises(InputError, match="got a file with 2 pictures"):
            reader(tmp_path / "book.tif")


def outcomes(path: Path) -> list[int | str]:
    """Return the largest value of each picture in a file, or what is wrong with it."""
    found: list[int | str] = []
    for picture in pictures_in(path):
        try:
            found.append(int(read_picture(picture).max()))
        except InputError as error:
            assert "\n" not in str(error)
            found.append(str(error).partition(": ")[2])
    return found


def test_a_broken_chain_of_pictures_has_those_before_it(tmp_path: Path) -> None:
    path = tmp_path / "book.tif"
    path.write_bytes(tiff([byte_page(10), byte_page(20)], last=1 << 30))  # the next lies past the end
    first, second, third = outcomes(path)
    assert (first, second) == (10, 20)
    assert str(third).startswith("expected a whole TIFF image, got a damaged one (its directory at byte 1073741824")
    whole = tiff([byte_page(10), byte_page(20), byte_page(30)])
    for size in range(len(whole) - 8):  # cut off anywhere
        path.write_bytes(whole[:size])
        try:
            found = outcomes(path)
        except InputError as error:
            assert "\n" not in str(error) and size < 16
        else:
            assert any(isinstance(item, str) for item in found)
    path.write_bytes(tiff([byte_page(10), byte_page(20)], last=8 + 24))  # a circle
    assert outcomes(path) == [10, 20]


def test_one_bad_picture_of_a_tiff_leaves_the_others(tmp_path: Path) -> None:
    path = tmp_path / "book.tif"
    path.write_bytes(tiff([byte_page(10), byte_page(20, photometric=999), byte_page(30)]))
    first, second, third = outcomes(path)
    assert (first, third) == (10, 30) and str(second).startswith("expected a ")
    huge = b"\1" * 24, grey_tags(8, size=(60000, 60000))
    path.write_bytes(tiff([huge, byte_page(20)]))
    first, second = outcomes(path)
    assert first == "expected a page of 1 to 200,000,000 pixels, got one of 60000 x 60000" and second == 20


def exif(kind: int, count: int, value: bytes) -> bytes:
    """Return EXIF data with an orientation of some type; what is longer than 4 bytes lies behind."""
    field = struct.pack("<I", 26) if len(value) > 4 else value.ljust(4, b"\0")
    tail = value if len(value) > 4 else b""
    return b"Exif\0\0II*\0\x08\0\0\0\x01\0" + struct.pack("<HHI", 0x0112, kind, count) + field + b"\0\0\0\0" + tail


@pytest.mark.parametrize("ending", ["jpg", "png"])
@pytest.mark.parametrize(
    ("data", "turned"),
    [
        (exif(3, 1, b"\6\0"), True),
        (exif(7, 2, b"\6\0"), True),  # two bytes of no type
        (exif(2, 9, b"top, left"), False),
        (exif(5, 1, struct.pack("<II", 0, 0)), False),  # 0/0
        (exif(3, 1, b"\x63\0"), False),  # 99
        (b"Exif\0\0no TIFF at all", False),
        (b"Exif\0\0II*\0\xff\xff\xff\xff", False),
    ],
)
def test_orientation_of_any_type(tmp_path: Path, ending: str, data: bytes, turned: bool) -> None:
    file = io.BytesIO()
    Image.fromarray(NOISE).save(file, "JPEG" if ending == "jpg" else "PNG", exif=data)
    found, _ = read(tmp_path / f"page.{ending}", file.getvalue())
    assert found.shape == ((32, 48, 3) if turned else (48, 32, 3))


def chunk(name: bytes, content: bytes) -> bytes:
    return len(content).to_bytes(4, "big") + name + content + zlib.crc32(name + content).to_bytes(4, "big")


@pytest.mark.parametrize(
    "extra",
    [
        chunk(b"zTXt", b"Comment\0\0" + zlib.compress(b"a" * 3_000_000)),
        chunk(b"iTXt", b"Comment\0\1\0\0\0" + zlib.compress(b"a" * 3_000_000)),
        chunk(b"iCCP", b"profile\0\0" + zlib.compress(b"a" * 3_000_000)),
        chunk(b"tEXt", b"x")[:-1] + b"?",  # a wrong checksum
        chunk(b"iCCP", b"nonsense"),
        chunk(b"pHYs", b"1"),
    ],
)
@pytest.mark.parametrize("where", ["before", "behind"])
def test_png_with_text_profiles_and_broken_chunks(tmp_path: Path, extra: bytes, where: str) -> None:
    file = io.BytesIO()
    Image.fromarray(NOISE).save(file, "PNG")
    whole = file.getvalue()
    at = 33 if where == "before" else whole.rindex(b"IEND") - 4
    assert np.array_equal(read(tmp_path / "page.png", whole[:at] + extra + whole[at:])[0], NOISE)


@pytest.fixture(params=["simplejpeg", "as installed"])
def decoder(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each decoder of JPEGs."""
    if request.param == "simplejpeg":
        monkeypatch.setattr("kuzushiji.data.pages._jpeg4py", lambda: None)
    return str(request.param)


def jpeg(**options: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(NOISE).save(file, "JPEG", quality=90, **options)
    return file.getvalue()


@pytest.mark.usefixtures("decoder")
@pytest.mark.parametrize(
    ("change", "note"),
    [
        (lambda whole: whole[:-2], "the JPEG has no end marker; all rows are there"),
        (lambda whole: whole[:-2] + bytes(5), "the JPEG has no end marker; all rows are there"),
        (lambda whole: whole[:-2] + bytes(300) + whole[-2:], "zero bytes before the end of the JPEG were skipped"),
        (lambda whole: whole[:20] + b"\0\0junk" + whole[20:], "bytes between the parts of the JPEG were skipped"),
        (lambda whole: whole + bytes(1000), None),
    ],
)
def test_jpeg_whose_rows_are_all_there(tmp_path: Path, change: Callable[[bytes], bytes], note: str | None) -> None:
    (tmp_path / "whole.jpg").write_bytes(jpeg())
    found, notes = read(tmp_path / "page.jpg", change(jpeg()))
    assert np.array_equal(found, read_page(tmp_path / "whole.jpg"))
    assert (note in notes) if note else not notes


@pytest.mark.usefixtures("decoder")
@pytest.mark.parametrize("progressive", [False, True])
def test_jpeg_that_is_cut_off_anywhere(tmp_path: Path, progressive: bool) -> None:
    whole = jpeg(progressive=progressive)
    for size in range(2, len(whole) - 4, 37):
        with pytest.raises(InputError):
            read(tmp_path / "page.jpg", whole[:size])


def test_one_limit_of_pixels(tmp_path: Path) -> None:
    """Pillow has two limits of its own, at 89 and at 179 million pixels; they do not count."""
    for width, height, good in ((20_000, 10_000, True), (13_378, 13_377, True), (20_001, 10_000, False)):
        (tmp_path / "page.tif").write_bytes(tiff([(b"\0", grey_tags(8, size=(width, height)))]))
        assert (width * height <= MAX_PIXELS) == good
        (picture,) = pictures_in(tmp_path / "page.tif")
        with pytest.raises(InputError, match="got a damaged one" if good else f"got one of {width} x {height}"):
            read_picture(picture)


def test_first_picture_of_what_moves(tmp_path: Path) -> None:
    frames = [Image.fromarray(np.full((6, 4, 3), value, np.uint8)) for value in (20, 90)]
    for ending in ("gif", "webp", "png"):
        frames[0].save(tmp_path / f"page.{ending}", save_all=True, append_images=frames[1:])
        (picture,) = pictures_in(tmp_path / f"page.{ending}")
        assert abs(int(read_picture(picture).max()) - 20) <= 4


@pytest.mark.parametrize("ending", ["bmp", "gif", "webp", "jp2"])
def test_further_kinds_of_files(tmp_path: Path, ending: str) -> None:
    Image.fromarray(np.full((60, 40, 3), 90, np.uint8)).save(tmp_path / f"page.{ending}")
    assert read_picture(Picture(tmp_path / f"page.{ending}")).mean() == pytest.approx(90, abs=2)


def test_pillow_has_our_kinds_of_grey() -> None:
    """They stand in a table of Pillow's that is not documented: a version without it would read no such page."""
    assert isinstance(TiffImagePlugin.OPEN_INFO, dict)


@pytest.mark.parametrize(("bits", "kind"), [(8, np.int8), (16, np.int16), (32, np.int32)])
def test_signed_grey_keeps_the_order_of_its_values(tmp_path: Path, bits: int, kind: type) -> None:
    """Of 16 bits the lowest possible value is black, so half of the range is used here."""
    values = (GREY.astype(np.int64) - 120) << (bits - 8)
    page, _ = read(tmp_path / "page.tif", tiff([(values.astype(kind).tobytes(), grey_tags(bits, short(339, 2)))]))
    expected = GREY.astype(int) + (8 if bits < 32 else 0)
    assert np.abs(page[:, :, 0].astype(int) - expected).max() <= 1


def test_deep_colours_in_planes_are_refused(tmp_path: Path) -> None:
    """Pillow reads each byte as a pixel."""
    pairs = ((256, 4), (257, 6), (259, 1), (262, 2), (277, 3), (278, 6), (284, 2))
    tags = [*(short(tag, value) for tag, value in pairs), short(258, 16, 16, 16)]
    with pytest.raises(InputError, match="its channels lie in planes of more than 8 bits"):
        read(tmp_path / "page.tif", tiff([(np.stack([GREY * 257] * 3).tobytes(), tags)]))


@pytest.mark.parametrize("change", [{262: 77}, {259: 4242}, {258: 10}, {256: 0}])
def test_rare_kinds_of_tiff_are_named_with_their_picture(tmp_path: Path, change: dict[int, int]) -> None:
    tags = [short(tag[0], change.get(tag[0], int.from_bytes(tag[3], "little"))) for tag in grey_tags(8)]
    pixels = bytes(60)
    (tmp_path / "book.tif").write_bytes(tiff([(pixels, grey_tags(8)), (pixels, tags)]))
    first, second = pictures_in(tmp_path / "book.tif")
    assert read_picture(first).shape == (6, 4, 3)
    with pytest.raises(InputError, match="book.tif, picture 2: expected .* that begin like a TIFF: damaged, or"):
        read_picture(second)


@pytest.mark.filterwarnings("error")
def test_an_orientation_that_is_there_twice_prints_nothing(tmp_path: Path) -> None:
    exif = b"II*\0" + struct.pack("<IHHHIHHI", 8, 1, 0x0112, 3, 2, 6, 6, 0)
    Image.fromarray(NOISE).save(tmp_path / "page.jpg", exif=b"Exif\0\0" + exif)
    (picture,) = pictures_in(tmp_path / "page.jpg")
    assert read_picture(picture).shape == (32, 48, 3)
