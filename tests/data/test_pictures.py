"""Pictures of new pages: every kind of file that scanners and cameras write comes out upright, RGB, 8 bits."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from kuzushiji.data.pages import read_page
from kuzushiji.data.pictures import Picture, pictures_in, read_picture
from kuzushiji.errors import InputError

UPRIGHT = np.zeros((6, 4, 3), np.uint8)
UPRIGHT[:3, :2] = (200, 100, 50)
UPRIGHT[3:, 2:] = (10, 220, 90)


def picture_of(path: Path) -> np.ndarray:
    (picture,) = pictures_in(path)
    return read_picture(picture)


def large(array: np.ndarray) -> np.ndarray:
    """Return the picture with fields large enough to survive a JPEG."""
    return array.repeat(16, axis=0).repeat(16, axis=1)


@pytest.mark.parametrize("name", ["page.png", "page.tif", "page.tiff", "page.TIF"])
def test_colour_pictures_without_loss(tmp_path: Path, name: str) -> None:
    Image.fromarray(UPRIGHT).save(tmp_path / name)
    assert np.array_equal(picture_of(tmp_path / name), UPRIGHT)


def test_jpeg_has_the_very_pixels_of_labelled_pages(tmp_path: Path) -> None:
    Image.fromarray(large(UPRIGHT)).save(tmp_path / "page.jpg")
    assert np.array_equal(picture_of(tmp_path / "page.jpg"), read_page(tmp_path / "page.jpg"))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("ending", ["jpg", "png", "tif"])
def test_rotation_noted_in_the_file_is_carried_out(tmp_path: Path, orientation: int, ending: str) -> None:
    """What is stored is what a camera held otherwise has seen: Pillow's own transposition is undone."""
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }  # fmt: skip
    image = Image.fromarray(large(UPRIGHT))
    stored = image.transpose(undo[orientation]) if orientation in undo else image
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored.save(tmp_path / f"page.{ending}", exif=exif)
    found = picture_of(tmp_path / f"page.{ending}")
    assert found.shape == (96, 64, 3)
    assert np.abs(found[8::16, 8::16].astype(int) - UPRIGHT).max() <= 12


def test_grey_pictures(tmp_path: Path) -> None:
    grey = np.arange(24, dtype=np.uint8).reshape(6, 4) * 10
    Image.fromarray(grey).save(tmp_path / "page.png")
    assert np.array_equal(picture_of(tmp_path / "page.png"), np.repeat(grey[:, :, None], 3, axis=2))


@pytest.mark.parametrize("ending", ["tif", "png"])
def test_16_bits_keep_their_high_byte(tmp_path: Path, ending: str) -> None:
    grey = np.linspace(0, 65535, 24).astype(np.uint16).reshape(6, 4)
    cv2.imwrite(str(tmp_path / f"grey.{ending}"), grey)
    assert np.array_equal(picture_of(tmp_path / f"grey.{ending}")[:, :, 0], grey >> 8)
    colour = np.stack([grey, grey[::-1], grey // 2], axis=2)
    cv2.imwrite(str(tmp_path / f"colour.{ending}"), colour[:, :, ::-1])
    assert np.abs(picture_of(tmp_path / f"colour.{ending}").astype(int) - (colour >> 8)).max() <= 1


def test_what_is_transparent_is_white_paper(tmp_path: Path) -> None:
    rgba = np.dstack([UPRIGHT, np.full((6, 4), 255, np.uint8)])
    rgba[0, 0, 3] = 0
    Image.fromarray(rgba).save(tmp_path / "page.png")
    found = picture_of(tmp_path / "page.png")
    assert found[0, 0].tolist() == [255, 255, 255]
    assert np.array_equal(found[1:], UPRIGHT[1:])


@pytest.mark.parametrize("mode", ["1", "P", "LA"])
def test_other_kinds_of_pixels(tmp_path: Path, mode: str) -> None:
    Image.fromarray(UPRIGHT).convert(mode).save(tmp_path / "page.png")
    assert picture_of(tmp_path / "page.png").shape == (6, 4, 3)


@pytest.mark.parametrize("ending", ["jpg", "tif"])
def test_cmyk_is_converted(tmp_path: Path, ending: str) -> None:
    Image.new("CMYK", (32, 48), (0, 0, 0, 255)).save(tmp_path / f"page.{ending}")
    assert picture_of(tmp_path / f"page.{ending}").max() < 40


def test_each_picture_of_a_tiff_is_a_page(tmp_path: Path) -> None:
    frames = [Image.fromarray(np.full((6, 4 + n, 3), 40 * n, np.uint8)) for n in range(3)]
    frames[0].save(tmp_path / "book.tif", save_all=True, append_images=frames[1:])
    pictures = pictures_in(tmp_path / "book.tif")
    assert [picture.number for picture in pictures] == ["_001", "_002", "_003"]
    assert [read_picture(picture).shape[1] for picture in pictures] == [4, 5, 6]
    assert [int(read_picture(picture).max()) for picture in pictures] == [0, 40, 80]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "expected a JPEG, PNG, TIFF, WebP or JPEG 2000 image, got an empty file"),
        (b"image_id,labels\n", "expected a JPEG, PNG, TIFF, WebP or JPEG 2000 image, got 16 bytes that are none"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 40, "expected a JPEG, PNG, TIFF, WebP or JPEG 2000 image"),
        (b"PK\3\4" + b"\0" * 42, "expected a JPEG, PNG, TIFF, WebP or JPEG 2000 image, got 46 bytes that are none"),
        (b"GIF89a" + b"\0" * 40, "expected a JPEG, PNG, TIFF, WebP or JPEG 2000 image, got 46 bytes that are none"),
    ],
)
def test_what_is_no_picture(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "page.png").write_bytes(content)
    with pytest.raises(InputError, match=message) as error:
        pictures_in(tmp_path / "page.png")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("ending", ["jpg", "png", "tif"])
def test_picture_that_is_cut_off(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"page.{ending}"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (60, 40, 3)).astype(np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    with pytest.raises(InputError, match="page"):
        picture_of(path)


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read: No such file"):
        pictures_in(tmp_path / "page.png")
    with pytest.raises(InputError, match="cannot be read"):
        pictures_in(tmp_path)


def test_picture_that_promises_too_much(tmp_path: Path) -> None:
    Image.new("1", (1, 1)).save(tmp_path / "page.png")
    content = bytearray((tmp_path / "page.png").read_bytes())
    content[16:24] = (100_000).to_bytes(4, "big") * 2
    import zlib

    content[29:33] = zlib.crc32(bytes(content[12:29])).to_bytes(4, "big")
    (tmp_path / "page.png").write_bytes(bytes(content))
    with pytest.raises(InputError, match="expected a page of 1 to 200,000,000 pixels, got one of 100000 x 100000"):
        read_picture(Picture(tmp_path / "page.png"))
