"""Pages of PDF files: at the resolution of their pictures, named by their labels."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kuzushiji.data.pictures import pictures_in, read_picture
from kuzushiji.errors import InputError

PAGE = np.full((300, 200, 3), 255, np.uint8)
PAGE[50:100, 20:60] = (200, 30, 30)


def pdf_of(body: list[str], root: str = "/Type/Catalog/Pages 2 0 R") -> bytes:
    """Return a PDF with these objects, numbered from 2, behind its catalog."""
    content, offsets = b"%PDF-1.4\n", []
    for number, text in enumerate([f"<<{root}>>", *body], start=1):
        offsets.append(len(content))
        content += f"{number} 0 obj\n{text}\nendobj\n".encode()
    start, n = len(content), len(offsets) + 1
    content += f"xref\n0 {n}\n0000000000 65535 f \n".encode()
    content += b"".join(f"{offset:010d} 00000 n \n".encode() for offset in offsets)
    return content + f"trailer<</Size {n}/Root 1 0 R>>\nstartxref\n{start}\n%%EOF\n".encode()


def test_pages_at_the_resolution_of_their_pictures(tmp_path: Path) -> None:
    pages = [Image.fromarray(PAGE), Image.fromarray(PAGE[:, :100].copy())]
    pages[0].save(tmp_path / "book.pdf", save_all=True, append_images=pages[1:], resolution=150)
    pictures = pictures_in(tmp_path / "book.pdf")
    assert [picture.number for picture in pictures] == ["_001", "_002"]
    found = [read_picture(picture) for picture in pictures]
    assert [page.shape for page in found] == [(300, 200, 3), (300, 100, 3)]
    assert np.abs(found[0].astype(int) - PAGE).mean() < 6


def test_a_page_without_pictures_has_300_dots_per_inch(tmp_path: Path) -> None:
    body = ["<</Type/Pages/Kids[3 0 R]/Count 1>>", "<</Type/Page/Parent 2 0 R/MediaBox[0 0 72 144]>>"]
    (tmp_path / "page.pdf").write_bytes(pdf_of(body))
    (picture,) = pictures_in(tmp_path / "page.pdf")
    page = read_picture(picture)
    assert picture.number == "" and page.shape == (600, 300, 3) and page.min() == 255


def test_pages_are_named_by_their_labels(tmp_path: Path) -> None:
    body = ["<</Type/Pages/Kids[3 0 R 4 0 R]/Count 2>>"] + 2 * ["<</Type/Page/Parent 2 0 R/MediaBox[0 0 72 72]>>"]
    root = "/Type/Catalog/Pages 2 0 R/PageLabels<</Nums[0<</S/r>>1<</S/D/St 5>>]>>"
    (tmp_path / "book.pdf").write_bytes(pdf_of(body, root))
    assert [picture.number for picture in pictures_in(tmp_path / "book.pdf")] == ["_i", "_5"]


@pytest.mark.parametrize("content", [b"%PDF-1.4\n", b"%PDF-1.4\n" + bytes(500)])
def test_damaged_pdf(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "book.pdf").write_bytes(content)
    with pytest.raises(InputError, match="expected a PDF, cannot be read: ") as error:
        pictures_in(tmp_path / "book.pdf")
    assert "\n" not in str(error.value)


def test_pdf_without_pages_and_page_that_is_too_large(tmp_path: Path) -> None:
    (tmp_path / "none.pdf").write_bytes(pdf_of(["<</Type/Pages/Kids[]/Count 0>>"]))
    with pytest.raises(InputError, match=r"expected a PDF with pages|expected a PDF, cannot be read"):
        pictures_in(tmp_path / "none.pdf")
    body = ["<</Type/Pages/Kids[3 0 R]/Count 1>>", "<</Type/Page/Parent 2 0 R/MediaBox[0 0 14000 14000]>>"]
    (tmp_path / "large.pdf").write_bytes(pdf_of(body))
    (picture,) = pictures_in(tmp_path / "large.pdf")
    assert picture.n_frames == 1
