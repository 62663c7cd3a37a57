import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from kuzushiji.artifacts import write_detailed
from kuzushiji.data.labels import read_page_labels
from kuzushiji.errors import InputError
from kuzushiji.report.__main__ import main
from kuzushiji.run_folder import BUNDLE_FILE
from tests.report.conftest import certain

REMOTE = re.compile(r"""(?:src|href)="(?!data:|#)""")


class Tags(HTMLParser):
    """Counts the elements of a document, and finds those that are not closed."""

    VOID = frozenset({"meta", "img", "br", "image", "rect", "input"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag


def test_table_on_stdout_and_a_page_that_needs_nothing_else(
    runs: Path, tiny_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(runs), "--data-root", str(tiny_root), "--pages", "2"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"^second level +boosters +all .* 1\.0000 ", out, re.MULTILINE)  # its precision
    assert f"submission: {runs / 'submission.csv'}" in out
    html = (runs / "report.html").read_text(encoding="utf-8")
    tags = Tags()
    tags.feed(html)
    assert tags.open == []
    assert tags.seen.count("section") == 1 and "Kuzushiji strokes" in html and "data:font/woff2" in html
    assert 'class="headline">F1 ' in html and "on 3 test pages" in html and "<dt>machine</dt>" in html
    for name, first in (("characters", "character,code,"), ("pages", "page,of,book,F1,")):
        table = (runs / f"report-{name}.csv").read_text(encoding="utf-8")
        assert table.startswith(first) and f"report-{name}.csv" in html
    assert not REMOTE.search(html) and "default-src 'none'" in html and "あ" in html
    main([str(runs), "--data-root", str(tiny_root), "--pages", "2"])
    assert html == (runs / "report.html").read_text(encoding="utf-8")  # the same runs give the same page


def test_everything_that_can_be_known_and_the_comparison(
    runs: Path, tiny_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = shutil.copytree(runs, tmp_path / "another seed")
    assert main([str(runs), "--data-root", str(tiny_root), "--compare", "--seeds", str(other)]) == 0
    table, comparison = capsys.readouterr().out.split("\n\n")[:2]
    assert table.startswith("stage ") and comparison.startswith("not comparable: this run is of ")
    assert re.search(r"^clf +0 +0\.7500 +0\.9303 +-0\.1803 +0\.5000 .* other pages$", comparison, re.MULTILINE)
    assert "of seeds 0.0000" in comparison
    html = (runs / "report.html").read_text(encoding="utf-8")
    for title in ("Stage by stage", "Beside the reference", "Errors", "Worst and best pages", "Page viewer"):
        assert f">{title}</h2>" in html
    for title in ("Errors by kind", "F1 by frequency", "F1 by size", "F1 by density", "Calibration", "F1 by book"):
        assert f'alt="{title}' in html
    assert "What is not there" not in html


def test_without_truth_or_results_it_says_what_there_is(
    tmp_path: Path, tiny_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path), "--data-root", str(tiny_root)]) == 0
    assert "report:" in capsys.readouterr().out


def test_for_machines_nothing_is_written(runs: Path, tiny_root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = set(runs.rglob("*"))
    assert main([str(runs), "--data-root", str(tiny_root), "--json", "--compare"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert len(result["table"]) == 8 and result["table"][-1]["test"]["precision"] == 1.0
    assert result["submission"] == str(runs / "submission.csv")
    assert {row["mark"] for row in result["compared"]} == {"other pages", "not there"}
    assert set(runs.rglob("*")) == before
    with pytest.raises(InputError, match="expected no file with --json"):
        main([str(runs), "--data-root", str(tiny_root), "--json", "--output", "report.html"])


def test_without_pages_pairs_and_viewer(runs: Path, tiny_root: Path) -> None:
    assert main([str(runs), "--data-root", str(tiny_root), "--pages", "0", "--viewer-pages", "0", "--pairs", "0"]) == 0
    html = (runs / "report.html").read_text(encoding="utf-8")
    assert 'id="pages"' not in html and 'id="viewer"' not in html and 'id="pairs"' not in html


def test_confused_characters_have_pictures(runs: Path, tiny_root: Path) -> None:
    train = read_page_labels(tiny_root / "train.csv")
    # All true あ of fold 0 are read as い.
    found = train.of_pages(train.image_ids[::2])
    table = certain(found)
    is_a = (table.boxes["true"] == "U+3042").to_numpy()
    classes = np.where(is_a[:, None] & (table.classes < 2), 1 - table.classes, table.classes)
    write_detailed(runs / "clf-fold0" / "detailed.parquet", replace(table, classes=classes.astype(np.int32)))
    assert main([str(runs), "--data-root", str(tiny_root)]) == 0
    html = (runs / "report.html").read_text(encoding="utf-8")
    assert f"あ read as い</span>: {is_a.sum()}<div" in html
    assert re.search(
        r'<a href="#viewer-\d+-\d+"><img src="data:image/jpeg;base64,[^"]+" alt="あ read as い, page ', html
    )


def test_the_competition_has_no_truth_of_test_pages(
    runs: Path, tiny_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "root"
    shutil.copytree(tiny_root, root)
    (root / "solution.csv").unlink()
    assert main([str(runs), "--data-root", str(root), "--viewer-pages", "2"]) == 0
    assert re.search(r"^second level +boosters +all( +-)+$", capsys.readouterr().out, re.MULTILINE)
    html = (runs / "report.html").read_text(encoding="utf-8")
    assert "the truth of the test pages is not known" in html
    # Test pages, whose truth is not known, and then as many held-out pages, where it is.
    options = re.findall(r'<option value="\d+">(\S+) ?(.*)</option>', html)
    assert [name.startswith("test_") for name, _ in options] == [True, True, False, False]
    assert ["F1" in note for _, note in options] == [False, False, True, True]


def test_a_chain_that_has_come_to_the_detectors(
    runs: Path, tiny_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in [*runs.glob("clf-*"), *runs.glob("blend-*"), *runs.glob("submission*")]:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert main([str(runs), "--data-root", str(tiny_root)]) == 0
    out = capsys.readouterr().out
    assert "boxes fused" in out and "submission:" not in out
    html = (runs / "report.html").read_text(encoding="utf-8")
    assert "no classifiers yet" in html and "Learning curves of segment" in html and 'id="viewer"' not in html


def test_no_runs(tmp_path: Path, tiny_root: Path) -> None:
    assert main([str(tmp_path), "--data-root", str(tiny_root), "--compare"]) == 0
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "holds no runs: no folder named segment-fold0" in html


def test_exported_models_have_nothing_to_report(tmp_path: Path, tiny_root: Path) -> None:
    (tmp_path / BUNDLE_FILE).write_text("{}")
    for words in ([], ["--data-root", str(tiny_root)]):
        with pytest.raises(InputError, match="expected the run folder that it was made of, got exported models"):
            main([str(tmp_path), *words])
    assert not (tmp_path / "report.html").exists()


def test_what_comes_from_data_is_escaped(runs: Path, tiny_root: Path, tmp_path: Path) -> None:
    root, evil = tmp_path / "root", "<script>alert(1)</script>"
    shutil.copytree(tiny_root, root)
    table = (root / "unicode_translation.csv").read_text(encoding="utf-8")
    (root / "unicode_translation.csv").write_text(table.replace("あ", evil), encoding="utf-8")
    shutil.move(runs / "clf-fold0", runs / "clf-fold0-<b>")
    assert main([str(runs), "--data-root", str(root)]) == 0
    html = (runs / "report.html").read_text(encoding="utf-8")
    assert evil not in html and "clf-<b>" not in html and "clf-&lt;b&gt;" in html


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{tmp}/none", "--data-root", "{root}"], "none: expected a run folder, got none"),
        (["{tmp}", "--data-root", "{tmp}/none"], "expected a folder with train.csv"),
        (["{tmp}", "--data-root", "{root}", "--solution", "{tmp}/none.csv"], "none.csv"),
        (["{tmp}", "--data-root", "{root}", "--seeds", "{tmp}"], "--seeds goes with --compare"),
        (
            ["{tmp}", "--data-root", "{root}", "--compare", "--seeds", "{tmp}/none"],
            "none: expected a run folder, got none",
        ),
        (
            ["{tmp}", "--data-root", "{root}", "--compare", "--seeds", "{tmp}/../{tmp.name}"],
            "expected the folders of other runs, each once, got the same run again",
        ),
        (
            ["{tmp}", "--data-root", "{root}", "--compare", "--seeds", "{tmp}/a", "{tmp}/a"],
            "expected the folders of other runs, each once, got the same run again",
        ),
        (["{tmp}", "--data-root", "{root}", "--reference", "{tmp}"], "results.csv: expected the reference's results"),
        (["{tmp}", "--data-root", "{root}", "--output", "{root}/train.csv/report.html"], "report.html: cannot write"),
    ],
)
def test_bad_input(tmp_path: Path, tiny_root: Path, arguments: list[str], message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        main([text.format(tmp=tmp_path, root=tiny_root) for text in arguments])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            lambda runs, root: (root / "test_images" / "test_100000001_00001_1.jpg").unlink(),
            "test_100000001_00001_1.jpg",
        ),
        (lambda runs, root: (root / "train.csv").write_text("image_id\n"), "train.csv: expected"),
        (
            lambda runs, root: (runs / "clf-fold0" / "detailed.parquet").write_bytes(b"PAR1"),
            "clf-fold0/detailed.parquet",
        ),
        (lambda runs, root: (runs / "submission_detailed.parquet").write_bytes(b""), "submission_detailed.parquet"),
        (
            lambda runs, root: (runs / "clf-fold1" / "metrics-oof.json").write_text("["),
            "metrics-oof.json: expected JSON",
        ),
    ],
)
def test_damaged_files_are_named_in_one_line(
    runs: Path, tiny_root: Path, tmp_path: Path, damage: Callable[[Path, Path], None], message: str
) -> None:
    root = tmp_path / "root"
    shutil.copytree(tiny_root, root)
    damage(runs, root)
    with pytest.raises(InputError, match=re.escape(message)) as error:
        main([str(runs), "--data-root", str(root)])
    assert len(str(error.value).splitlines()) == 1
    assert not (runs / "report.html").exists()


def test_where_the_reference_is_not_there_it_is_missed_only_by_those_who_ask_for_it(
    tmp_path: Path, tiny_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kuzushiji.report.reference.default_folder", lambda: tmp_path / "none")
    assert main([str(tmp_path), "--data-root", str(tiny_root)]) == 0
    with pytest.raises(InputError, match=r"none.results\.csv: expected the reference's results as a table, got none"):
        main([str(tmp_path), "--data-root", str(tiny_root), "--compare"])


def test_a_run_without_test_pages_and_without_a_table_of_characters(
    runs: Path, tiny_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "root"
    (root / "train_images").mkdir(parents=True)
    shutil.copy(tiny_root / "train.csv", root / "train.csv")
    for path in (tiny_root / "train_images").iterdir():
        shutil.copy(path, root / "train_images" / path.name)
    for name in ("segment_test_predictions.csv", "blend-clf.csv", "blend-all.csv", "submission.csv"):
        (runs / name).unlink()
    for path in [*runs.glob("submission*"), *runs.glob("*/test_predictions.csv"), *runs.glob("*/submission.csv")]:
        path.unlink()
    assert main([str(runs), "--data-root", str(root)]) == 0
    out = capsys.readouterr().out
    assert re.search("^single model", out, re.MULTILINE) and not re.search("^second level", out, re.MULTILINE)
    assert "あ" in (runs / "report.html").read_text(encoding="utf-8")
