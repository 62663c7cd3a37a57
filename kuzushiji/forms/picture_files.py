"""The pictures of labelled pages: found where a file names them, put where another form wants them."""

import os
import shutil
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kuzushiji.data.images import decode_image, open_image, orientation_of
from kuzushiji.data.pages import page_size
from kuzushiji.data.paths import SUFFIXES
from kuzushiji.errors import InputError
from kuzushiji.files import atomic_path, make_folder
from kuzushiji.forms.labelled_page import LabelledPage, RawPage
from kuzushiji.forms.notes import Notes

_ENDINGS = {"JPEG": ".jpg", "MPO": ".jpg", "PNG": ".png", "TIFF": ".tif", "WEBP": ".webp", "JPEG2000": ".jp2"}
"""By Pillow's name of a kind: the ending that its pictures get."""

_SIDEWAYS = 5
"""From this EXIF orientation on, width and height are exchanged."""


@dataclass(frozen=True)
class Header:
    """What a picture's header says.

    Attributes:
        width: Of the pixels as they are stored; likewise its height.
        height: Pixels.
        orientation: EXIF's, 1 where it is upright.
        ending: Of a file of this kind.
    """

    width: int
    height: int
    orientation: int
    ending: str

    @property
    def upright(self) -> tuple[int, int]:
        """Width and height of the picture as it is shown."""
        sideways = self.orientation >= _SIDEWAYS
        return (self.height, self.width) if sideways else (self.width, self.height)


def read_picture_header(path: Path) -> Header:
    """Return what the header of a picture says.

    Raises:
        InputError: it is missing, of no known kind, too large, or has more than one page.
    """
    with open_image(path) as image:
        kind = str(image.format)
        frames = int(getattr(image, "n_frames", 1)) if kind != "TIFF" else 1  # `page_size` counts those of TIFF
        orientation = orientation_of(image) if kind != "TIFF" else 1  # that of TIFF is no rotation
    if frames > 1 and kind != "MPO":
        raise InputError(f"{path}: expected the image of one page, got a file with {frames} pictures")
    return Header(*page_size(path), orientation, _ENDINGS[kind])


class Finder:
    """Finds the pictures that files name; none outside the given folders.

    Args:
        folders: Where pictures may lie, at any depth: the source, and where else the user says.
        notes: Are told of names that lead elsewhere.

    Attributes:
        found: The pictures that were asked for and are there.
    """

    def __init__(self, folders: list[Path], notes: Notes) -> None:
        self.folders = folders
        self.notes = notes
        self.found: set[Path] = set()
        self._by_name: dict[str, list[Path]] | None = None

    def find(self, page: RawPage) -> Path:
        """Return the picture of a page: where its file says, else by its name alone, else by the page's name.

        Raises:
            InputError: there is none, there are several, or it is a link to somewhere else.
        """
        named = page.image.replace("\\", "/")
        for path in _spelled(page.file.parent / named) if named else ():
            if not self._is_within(Path(os.path.normpath(path))):
                where = f"{page.file}, page {page.name}"
                message = f"the path {page.image!r} leaves the folder; the picture is looked for by its name"
                self.notes.add("paths that leave the folder", where, message)
                break
            if os.path.isfile(path):  # False for a name that the system cannot have, too
                return self._checked(path)
        name = named.rpartition("/")[2] or page.name
        found = self._candidates(name)
        if len(found) > 1:  # those that lie with the file that describes them, if any
            found = [path for path in found if path.is_relative_to(page.file.parent)] or found
        if not found:
            folders = " or ".join(map(str, self.folders))
            raise InputError(
                f"{page.file}: expected the picture {name!r} in {folders}, found none (--images names more)"
            )
        if len(found) > 1:
            raise InputError(f"{page.file}: expected one picture {name!r}, found {found[0]} and {found[1]}")
        if found[0].name != name and found[0].suffix and Path(name).suffix.lower() in SUFFIXES:
            message = f"there is no picture {name!r}; {found[0]} is taken"
            self.notes.add("pictures of another name", f"{page.file}, page {page.name}", message)
        return self._checked(found[0])

    def _candidates(self, name: str) -> list[Path]:
        """Return the pictures of a name, or of one that differs by Unicode form, case or ending alone."""
        if self._by_name is None:
            self._by_name = {}
            for path in self.pictures():
                for key in {_key(path.name), _key(path.stem)}:
                    self._by_name.setdefault(key, []).append(path)
        stem = Path(name).stem if Path(name).suffix.lower() in SUFFIXES else name
        exact = self._by_name.get(_key(name), [])
        return [path for path in exact if path.name == name] or exact or self._by_name.get(_key(stem), [])

    def pictures(self) -> Iterator[Path]:
        """Yield all pictures in the folders."""
        for folder in self.folders:
            for path in sorted(folder.rglob("*")):
                if path.suffix.lower() in SUFFIXES and path.is_file():
                    yield path

    def _checked(self, path: Path) -> Path:
        real = path.resolve()
        if not any(real.is_relative_to(folder.resolve()) for folder in self.folders):
            raise InputError(f"{path}: expected a picture in its folder, got a link to {real} (--images names more)")
        self.found.add(real)
        return path

    def _is_within(self, path: Path) -> bool:
        return any(path.absolute().is_relative_to(folder.absolute()) for folder in self.folders)


class Placer:
    """Puts pictures into folders, under the names of their pages: linked (a second name of the same file), or copied.

    Args:
        copy: Whether pictures are copied even where they could be linked.

    Attributes:
        how: How many pictures were linked, copied and turned.
    """

    def __init__(self, *, copy: bool = False) -> None:
        self.copy = copy
        self.how: Counter[str] = Counter()

    def __call__(self, page: LabelledPage, folder: Path) -> Path:
        """Put a page's picture into a folder and return its path there.

        A picture stays as it is; one that must be turned is written upright as PNG, without loss but that of JPEG.

        Raises:
            InputError: it cannot be read, or not be written.
        """
        ending = ".png" if page.turned else read_picture_header(page.picture).ending
        path = folder / f"{page.name}{ending}"
        make_folder(folder)
        with atomic_path(path) as temporary:
            if page.turned:
                _write_upright(page.picture, temporary)
                self.how["turned"] += 1
            elif self.copy or not _linked(page.picture, temporary):
                shutil.copyfile(page.picture, temporary)
                self.how["copied"] += 1
            else:
                self.how["linked"] += 1
        return path


def _linked(source: Path, target: Path) -> bool:
    """Give a file a second name; return whether the system could."""
    second = target.with_name(f"{target.name}.link")
    try:
        os.link(source.resolve(), second)
    except OSError:  # another disk, or a file system without links
        return False
    second.replace(target)
    return True


def _write_upright(source: Path, target: Path) -> None:
    from PIL import Image

    with open_image(source) as image:
        Image.fromarray(decode_image(image, source, upright=True)).save(target, format="PNG")


def _spelled(path: Path) -> list[Path]:
    """Return a path as it is, or with each ending that it may lack."""
    if path.suffix.lower() in SUFFIXES:
        return [path]
    return [path.with_name(f"{path.name}{ending}") for ending in (*SUFFIXES, *map(str.upper, SUFFIXES))]


def _key(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
