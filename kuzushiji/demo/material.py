"""What pages that imitate real ones are made from: fonts, layouts, texts; read and checked."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from kuzushiji.data.characters import code_to_char, read_unicode_translation
from kuzushiji.demo.corpus import Corpus, Extras, read_apart, read_corpus, shares
from kuzushiji.demo.fonts import Family, families, family_characters, ink_of
from kuzushiji.demo.layouts import Layouts, read_layouts
from kuzushiji.errors import InputError


@dataclass(frozen=True)
class Sources:
    """What imitations of real pages are made from.

    Attributes:
        fonts: Folder of fonts, one subfolder a family.
        layouts: Table in the format of train.csv.
        texts: Files of text.
        codes: Table `Unicode,char` of the characters that pages may have.
        without: Books that are left out of the layouts and their text.
        apart: File of texts, a page a line, with which nothing of `GRAM` characters may be shared; or None.
    """

    fonts: Path
    layouts: Path
    texts: tuple[Path, ...]
    codes: Path
    without: frozenset[str] = frozenset()
    apart: Path | None = None


@dataclass(frozen=True)
class Material:
    """The sources, read."""

    families: tuple[Family, ...]
    layouts: Layouts
    corpus: Corpus
    extras: Extras
    allowed: frozenset[str]


@lru_cache(maxsize=2)
def read_material(sources: Sources) -> Material:
    """Read all sources.

    Raises:
        InputError: one of them is missing, damaged or empty.
    """
    found = families(sources.fonts)
    layouts = read_layouts(sources.layouts, sources.without)
    apart = read_apart(sources.apart)
    pages = tuple(page for page in layouts.pages if not shares("".join(c.text for c in page.columns), apart))
    layouts = Layouts(pages, layouts.sizes, layouts.kana, layouts.kanji, layouts.gaps)
    allowed = family_characters(found) & {code_to_char(code) for code in read_unicode_translation(sources.codes)}
    if not allowed:
        raise InputError(f"{sources.fonts}: expected fonts that have characters of {sources.codes}, they have none")
    text = layouts.text
    counts = {character: text.count(character) for character in set(text)}
    return Material(found, layouts, read_corpus(sources.texts, allowed, apart), Extras(counts, allowed), allowed)


def read_material_again(sources: Sources) -> Material:
    """Return what `read_material` returns, from the files as they are now.

    Raises:
        InputError: as `read_material`.
    """
    for cached in (families, ink_of, read_layouts, read_apart, read_material):
        cached.cache_clear()
    return read_material(sources)
