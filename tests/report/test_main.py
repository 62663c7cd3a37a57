import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from kuzushiji.errors import InputError
from kuzushiji.report.__main__ import main

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
    assert tags.seen.count("svg") == 2 and tags.seen.count("section") == 1
    assert not REMOTE.search(html) and "default-src 'none'" in html and "あ" in html


def test_the_same_runs_give_the_same_page(runs: Path, tiny_root: Path) -> None:
    pages = []
    for _ in range(2):
        main([str(runs), "--data-root", str(tiny_root)])
        pages.append((runs / "report.html").read_bytes())
    assert pages[0] == pages[1]


def test_without_truth_or_results_it_says_what_there_is(
    tmp_path: Path, tiny_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path), "--data-root", str(tiny_root)]) == 0
    assert "report:" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{tmp}/none", "--data-root", "{root}"], "none: expected a run folder, got none"),
        (["{tmp}", "--data-root", "{tmp}/none"], "expected a folder with train.csv"),
        (["{tmp}", "--data-root", "{root}", "--solution", "{tmp}/none.csv"], "none.csv"),
    ],
)
def test_bad_input(tmp_path: Path, tiny_root: Path, arguments: list[str], message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        main([text.format(tmp=tmp_path, root=tiny_root) for text in arguments])
