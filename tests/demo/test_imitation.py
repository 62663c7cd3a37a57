from pathlib import Path

import numpy as np
import pytest

from kuzushiji.demo.__main__ import main
from kuzushiji.demo.books import plan_pages
from kuzushiji.demo.corpus import GRAM, grams, read_corpus, shares
from kuzushiji.demo.fonts import SIDE, families, ink_of, redrawn
from kuzushiji.demo.layouts import LEAST_STRETCH, Column, Layout, Layouts, read_layouts
from kuzushiji.demo.material import read_material
from kuzushiji.demo.real_page import make_real_page
from kuzushiji.demo.script import fitted
from kuzushiji.errors import InputError
from tests.demo.sources import KANA, KANJI, labels_of, write_font, write_sources

TEXT = "あいうえおかきくのとしは人山川花あいうえ"
OTHER = "はしとのくきかおえういあ花川山人はしとの"
PAGES = {"100_00001_1": TEXT, "200_00001_1": OTHER}


# --- fonts


def test_each_subfolder_is_a_family(tmp_path: Path) -> None:
    write_font(tmp_path / "sousyo" / "a.ttf", KANJI)
    write_font(tmp_path / "mine" / "part1.ttf", "あい")
    write_font(tmp_path / "mine" / "part2.ttf", "うえ")
    found = families(tmp_path)
    assert [(family.name, "".join(sorted(family.files))) for family in found] == [
        ("mine", "あいうえ"),
        ("sousyo", "".join(sorted(KANJI))),
    ]
    assert found[1].kanji > found[0].kanji  # cursive kanji are wanted most


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "expected a folder of fonts"),
        ({}, "expected fonts"),
        ({"a/readme.txt": b"x"}, "expected fonts"),
        ({"a/broken.ttf": b"no font"}, "broken.ttf: expected a font"),
    ],
)  # fmt: skip
def test_a_wrong_folder_of_fonts_is_named(tmp_path: Path, content: dict[str, bytes] | None, message: str) -> None:
    folder = tmp_path / "fonts"
    if content is not None:
        folder.mkdir()
        for name, data in content.items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_bytes(data)
    with pytest.raises(InputError, match=message):
        families(folder)


def test_a_character_without_outline_has_no_ink(tmp_path: Path) -> None:
    path = write_font(tmp_path / "bars.ttf", KANJI, empty="川")
    ink = ink_of(path, "山")
    assert ink is not None and ink.max() == 255 and max(ink.shape) <= SIDE
    assert ink_of(path, "川") is None


def test_bolder_is_more_ink(tmp_path: Path) -> None:
    ink = ink_of(write_font(tmp_path / "bars.ttf", KANJI), "山")
    assert ink is not None
    thin, bold = (redrawn(ink, weight, 0.0, np.random.default_rng(0)) for weight in (-1.0, 1.0))
    assert (thin > 127).sum() < (ink > 127).sum() < (bold > 127).sum()


def test_a_fitted_glyph_has_the_area_of_its_box_and_nearly_its_own_proportions() -> None:
    glyph = np.full((40, 20), 255, np.uint8)
    ink = fitted(glyph, 60, 30, 0.0, 1.5, np.random.default_rng(0))  # a flat box for a tall glyph
    rows, columns = np.flatnonzero(ink.max(axis=1) > 127), np.flatnonzero(ink.max(axis=0) > 127)
    height, width = rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1
    assert height * width == pytest.approx(60 * 30, rel=0.2)
    assert height / width == pytest.approx(2 / 1.5, rel=0.15)


def test_a_stroke_that_is_long_on_real_pages_becomes_long_and_stays_thick() -> None:
    glyph = np.zeros((40, 20), np.uint8)
    glyph[:, 8:12] = 255
    short, long = (fitted(glyph, 16, 100, 0.0, stretch, np.random.default_rng(0)) > 127 for stretch in (1.5, 5.0))
    assert long.any(axis=1).sum() > 1.3 * short.any(axis=1).sum()
    assert long.sum(axis=1).max() >= 0.75 * short.sum(axis=1).max()


# --- layouts


def test_layouts_have_columns_in_reading_order(tmp_path: Path) -> None:
    sources = write_sources(tmp_path, pages=PAGES)
    layouts = read_layouts(sources.layouts, frozenset())
    assert [column.text for column in layouts.pages[0].columns] == [TEXT[:10], TEXT[10:]]
    assert layouts.pages[0].columns[0].boxes_xywh[0, 0] > layouts.pages[0].columns[1].boxes_xywh[0, 0]
    assert layouts.gaps == pytest.approx(0.2)  # 20 px between boxes, 100 px wide


def test_a_glyph_is_stretched_as_far_as_its_character_is_on_real_pages() -> None:
    sizes = {"し": np.array([[0.5, 0.5 * aspect] for aspect in np.linspace(1, 6, 30)]), "の": np.ones((30, 2))}
    layouts = Layouts((), sizes, np.ones((1, 2)), np.ones((1, 2)), np.zeros(1))
    assert layouts.stretch("し") > 3 > layouts.stretch("の") == layouts.stretch("鬱") == LEAST_STRETCH


def test_dense_layouts_are_drawn_more_often() -> None:
    dense, sparse = (Layout(name, 0.7, (Column("あ" * n, np.ones((n, 4))),)) for name, n in (("a", 400), ("b", 25)))
    layouts = Layouts((dense, sparse), {}, np.ones((1, 2)), np.ones((1, 2)), np.zeros(1))
    rng = np.random.default_rng(0)
    assert sum(layouts.draw(rng) is dense for _ in range(1000)) == pytest.approx(800, abs=40)


def test_books_that_are_left_out_leave_no_trace(tmp_path: Path) -> None:
    sources = write_sources(tmp_path, pages=PAGES)
    layouts = read_layouts(sources.layouts, frozenset({"200"}))
    assert [page.image_id for page in layouts.pages] == ["100_00001_1"]
    with pytest.raises(InputError, match="expected labels of pages"):
        read_layouts(sources.layouts, frozenset({"100", "200"}))


# --- texts


def test_notes_and_unknown_characters_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "text.csv"
    path.write_text('title,text\na,"【題】人（ひと）山〔（やま）〕川犬あいう\nえおかきくのと"\n', encoding="utf-8")
    corpus = read_corpus([path], frozenset(KANA + KANJI), frozenset())
    assert corpus.passages == ("人山川あいうえおかきくのと",)


@pytest.mark.parametrize("content", ["a,b\n1,2\n", ""])
def test_a_table_without_text_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "text.csv"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match="expected a column text"):
        read_corpus([path], frozenset(KANA), frozenset())


def test_texts_of_which_nothing_is_left_are_named(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_text("ABC", encoding="utf-8")
    with pytest.raises(InputError, match="expected text of at least"):
        read_corpus([path], frozenset(KANA), frozenset())


def test_nothing_of_eight_characters_is_shared_with_measured_pages(tmp_path: Path) -> None:
    measured = "御花川山人あいうえおかきくのとしは"
    sources = write_sources(
        tmp_path,
        pages={**PAGES, "300_00001_1": "人" + measured + "人"},
        texts=(KANA * 4, "人人" + measured[: GRAM + 1] + "山山山", OTHER * 2),
        apart=measured,
        without=frozenset({"200"}),
    )
    material = read_material(sources)
    made_of = [material.layouts.text, *material.corpus.passages]
    assert len(made_of) == 2  # one text lost what it shares; TEXT shares kana in the order of the syllabary
    assert not any(shares(text, grams(measured)) for text in made_of[1:])
    assert [page.image_id for page in material.layouts.pages] == []


def test_fonts_without_any_of_the_characters_are_named(tmp_path: Path) -> None:
    sources = write_sources(tmp_path, pages=PAGES, fonts="ABC")
    with pytest.raises(InputError, match="expected fonts that have characters of .*codes.csv, they have none"):
        read_material(sources)


# --- pages


def test_a_page_has_labels_on_its_ink_and_is_the_same_again(tmp_path: Path) -> None:
    sources = write_sources(tmp_path, pages=PAGES)
    plan = plan_pages(0, 0, books=2, pages=4, test_books=0, test_pages=0, extra="".join(sorted(KANA + KANJI)))
    page, labels, _ = make_real_page(plan[0], 400, sources)
    again, labels_again, _ = make_real_page(plan[0], 400, sources)
    assert page.shape[0] == 400
    assert labels == labels_again
    assert (page == again).all()
    assert len(labels) >= 10
    codes = {code for code, *_ in labels}
    assert codes <= {f"U+{ord(character):04X}" for character in KANA + KANJI}
    grey = page.astype(float).mean(axis=2)
    for _, x, y, w, h in labels:
        inside = grey[max(y, 0) : y + h, max(x, 0) : x + w]
        assert inside.min() < np.median(grey) - 25


def test_characters_that_a_page_must_carry_are_on_it(tmp_path: Path) -> None:
    sources = write_sources(tmp_path, pages=PAGES)
    plan = plan_pages(3, 3, books=1, pages=2, test_books=0, test_pages=0, extra="御")
    codes = [code for page in plan for code, *_ in make_real_page(page, 400, sources)[1]]
    assert f"U+{ord('御'):04X}" in codes


def test_labels_of_a_test_are_read_as_they_are_meant() -> None:
    assert labels_of("あい", columns=2).split()[::5] == ["U+3042", "U+3044"]


def test_books_from_sources_are_written_and_skipped_and_follow_the_texts(tmp_path: Path) -> None:
    sources = write_sources(tmp_path, pages=PAGES, without=frozenset({"200"}))
    words = [str(tmp_path / "books"), "--books", "1", "--pages", "2", "--test-books", "0", "--test-pages", "0"]
    words += [
        "--page-height",
        "200",
        "--workers",
        "1",
        "--fonts",
        str(sources.fonts),
        "--layouts",
        str(sources.layouts),
    ]
    words += ["--texts", *map(str, sources.texts), "--codes", str(sources.codes), "--without", "200"]
    assert main(words) == 0
    written = (tmp_path / "books" / "train.csv").stat().st_mtime_ns
    assert main(words) == 0
    assert (tmp_path / "books" / "train.csv").stat().st_mtime_ns == written
    sources.texts[0].write_text("はしとのくきかおえういあ" * 4, encoding="utf-8")
    assert main(words) == 0
    assert (tmp_path / "books" / "train.csv").stat().st_mtime_ns != written


def test_damaged_sources_leave_the_books_that_are_there(tmp_path: Path) -> None:
    sources = write_sources(tmp_path, pages=PAGES)
    words = [str(tmp_path / "books"), "--books", "1", "--pages", "1", "--test-books", "0", "--test-pages", "0"]
    words += [
        "--page-height",
        "200",
        "--workers",
        "1",
        "--fonts",
        str(sources.fonts),
        "--layouts",
        str(sources.layouts),
    ]
    words += ["--texts", *map(str, sources.texts), "--codes", str(sources.codes)]
    assert main(words) == 0
    sources.texts[0].write_text("ABC", encoding="utf-8")
    with pytest.raises(InputError, match="expected text of at least"):
        main([*words, "--force"])
    assert (tmp_path / "books" / "train.csv").is_file()
