"""Pages of PDF files, each at the resolution of the pictures in it."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kuzushiji.data.images import MAX_PIXELS, check_size
from kuzushiji.errors import InputError

_MAGIC = b"%PDF-"
_SEARCHED = 1024
"""Bytes at the beginning of a file in which readers look for the magic."""

_DPI = 300 / 72
"""Scale of a page without pictures: 300 dots per inch."""

_MOST = 1200 / 72
"""Scale that is never exceeded: pictures that were made smaller on the page than they are have more."""

_LEAST_SHARE = 0.1
"""Of a page's width and height: smaller pictures are stamps and ornaments."""


def is_pdf(path: Path) -> bool:
    """Return whether a file is meant to be a PDF.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        return _MAGIC in file.read(_SEARCHED)


def labels_of(path: Path) -> list[str]:
    """Return what a PDF calls each of its pages; empty for all of them where it has no names, or not one each.

    Raises:
        InputError: it is damaged, or locked by a password.
    """
    document = _open(path)
    try:
        labels = [document.get_page_label(number) for number in range(len(document))]
    finally:
        document.close()
    if not labels:
        raise InputError(f"{path}: expected a PDF with pages, got one without")
    named = all(labels) and len(set(labels)) == len(labels)
    return labels if named and labels != [str(n + 1) for n in range(len(labels))] else [""] * len(labels)


def read_page(path: Path, number: int) -> NDArray[np.uint8]:
    """Return a page as an array (height, width, 3), RGB, at the resolution of the finest large picture on it.

    A page without pictures has 300 dots per inch.

    Raises:
        InputError: the file or the page is damaged, or would have more than `MAX_PIXELS`.
    """
    document = _open(path)
    try:
        page = document[number]
        scale = _scale(page)
        width, height = page.get_size()
        check_size(max(round(width * scale), 1), max(round(height * scale), 1), path)
        bitmap = page.render(scale=scale, rev_byteorder=True)
        pixels: NDArray[np.uint8] = np.array(bitmap.to_numpy(), np.uint8)
    except (InputError, MemoryError):
        raise
    except Exception as error:  # pypdfium2 has one exception, and ctypes others
        raise InputError(f"{path}, page {number + 1}: expected a PDF page that can be drawn, got: {error}") from error
    finally:
        document.close()
    if pixels.ndim == 2 or pixels.shape[2] == 1:
        pixels = np.repeat(pixels.reshape(*pixels.shape[:2], 1), 3, axis=2)
    return np.ascontiguousarray(pixels[:, :, :3])


def _open(path: Path) -> Any:
    import pypdfium2

    try:
        return pypdfium2.PdfDocument(path)
    except Exception as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: expected a PDF, cannot be read: {reason}") from error


def _scale(page: Any) -> float:
    """Return pixels per point: of the picture with the most of them among those that cover much of the page."""
    import pypdfium2.raw

    width, height = page.get_size()
    scales = []
    for picture in page.get_objects(filter=[pypdfium2.raw.FPDF_PAGEOBJ_IMAGE]):
        left, bottom, right, top = picture.get_bounds()
        if right - left < _LEAST_SHARE * width or top - bottom < _LEAST_SHARE * height:
            continue
        sides = sorted(picture.get_px_size()), sorted((right - left, top - bottom))
        scales.append(max(pixels / points for pixels, points in zip(*sides, strict=True)))
    scale = min(max(scales, default=_DPI), _MOST)
    return float(min(scale, (MAX_PIXELS / max(width * height, 1)) ** 0.5))
