"""What the command line of an evaluation can ask for."""

import argparse
import dataclasses
from pathlib import Path

from kuzushiji import cli
from kuzushiji.options import json_option, option, pages_option

FURIGANA, EDGE, MARKS, VOICING, OLD_FORMS = IGNORED = ("furigana", "edge", "marks", "voicing", "old-forms")
FORMS = (
    "root",
    "predict",
    "page",
    "alto",
    "csv",
    "coco",
    "labelme",
    "labelstudio",
    "via",
    "yolo",
    "corrections",
    "table",
    "text",
)
"""What can be compared; of a folder with pages in several forms the first is read."""


def _ignored(text: str) -> str:
    unknown = [word for word in filter(None, text.split(",")) if word not in IGNORED]
    if unknown:
        raise argparse.ArgumentTypeError(f"expected some of {', '.join(IGNORED)}, got {unknown[0]!r}")
    return text


@dataclasses.dataclass(frozen=True, kw_only=True)
class EvaluateConfig:
    """Everything that a measurement can be told; see each option's help."""

    predictions: Path = option(
        dataclasses.MISSING, "what was read, as predict writes it (JSON, CSV, text, PAGE, ALTO): a file or a folder",
        positional=True, metavar="PREDICTIONS",
    )  # fmt: skip
    truth: Path = option(
        dataclasses.MISSING, "a data root, a table of boxes, PAGE, ALTO, text or another form that convert reads",
        positional=True, metavar="TRUTH",
    )  # fmt: skip
    form: str | None = option(
        None, f"form of PREDICTIONS, one of {', '.join(FORMS)}; without it the first of these that is there",
        choices=FORMS, metavar="FORM",
    )  # fmt: skip
    truth_form: str | None = option(None, "likewise of TRUTH", choices=FORMS, metavar="FORM")
    ignore: str = option(
        "", f"what does not count, with commas between: {', '.join(IGNORED)}", type=_ignored, metavar="WHAT"
    )
    map: Path | None = option(None, "table (CSV) of old and new characters or codes, for both sides", metavar="FILE")
    pages: tuple[str, ...] = pages_option()
    count_missing: bool = option(
        False, "count pages that one side lacks, all their characters as missed or invented; else they are left out"
    )
    confusions: int = option(10, "confusions to print, the most frequent first", type=cli.non_negative_int)
    tables: Path | None = option(
        None, "folder, new or empty, for CSV tables of pages, lines, books, classes and all confusions", metavar="DIR"
    )
    force: bool = option(False, "write tables into DIR whatever is there", changes_result=False)
    json: bool = json_option()

    @property
    def ignored(self) -> frozenset[str]:
        """What does not count."""
        return frozenset(filter(None, self.ignore.split(",")))
