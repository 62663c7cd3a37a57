"""What a JPEG file says about itself."""

import io

import pytest
from PIL import Image

from kuzushiji.data.jpeg import NotJpegError, is_complete, read_header

WIDTH, HEIGHT = 83, 61


def jpeg(mode: str = "RGB", **options: object) -> bytes:
    file = io.BytesIO()
    Image.new(mode, (WIDTH, HEIGHT), 90).save(file, "JPEG", **options)
    return file.getvalue()


WHOLE = jpeg()


@pytest.mark.parametrize(
    ("mode", "progressive", "components"),
    [("RGB", False, 3), ("RGB", True, 3), ("L", False, 1), ("CMYK", False, 4)],
)
def test_header(mode: str, progressive: bool, components: int) -> None:
    content = jpeg(mode, progressive=progressive)
    header = read_header(io.BytesIO(content))
    assert (header.width, header.height, header.components) == (WIDTH, HEIGHT, components)
    assert is_complete(content, header)
    assert not is_complete(content[:-2], header)


def test_a_preview_in_the_header_does_not_count_as_the_end() -> None:
    preview = b"\xff\xe1" + (len(WHOLE) + 2).to_bytes(2, "big") + WHOLE
    content = WHOLE[:2] + preview + WHOLE[2:-2]
    header = read_header(io.BytesIO(content))
    assert (header.width, header.height) == (WIDTH, HEIGHT)
    assert not is_complete(content, header)
    assert is_complete(content + WHOLE[-2:], header)


def test_fill_bytes_and_markers_without_length_are_skipped() -> None:
    content = WHOLE[:2] + b"\xff\x01\xff\xff\xff" + WHOLE[3:]
    assert read_header(io.BytesIO(content)).width == WIDTH


@pytest.mark.parametrize("content", [b"", WHOLE[:2], WHOLE[1:], WHOLE[:60], b"\x89PNG\r\n", b"\xff\xd8\xff\xda\0\2"])
def test_no_header(content: bytes) -> None:
    with pytest.raises(NotJpegError):
        read_header(io.BytesIO(content))
