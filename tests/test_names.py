"""Each name stands for one thing: a reader who searches for a class or a file finds one."""

import ast
import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path

ROOT = Path(__file__).parent.parent
SOURCES = sorted(path for package in ("kuzushiji", "detection") for path in (ROOT / package).rglob("*.py"))
SAME_ROLE = {
    "__init__", "__main__", "config", "run",  # of a package
    "main", "dataset", "transforms", "train", "predict", "outputs",  # of a stage that trains a network
    "alto_xml", "page_xml",  # read by `forms`, written by `predict`
}  # fmt: skip
"""Modules that have the same name in several packages, since they do the same there."""


def shared(places: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Return the names that stand in several places."""
    found: dict[str, list[str]] = defaultdict(list)
    for name, place in places:
        found[name].append(place)
    assert len(found) > 100
    return {name: there for name, there in found.items() if len(there) > 1}


def modules_by(name_of: Callable[[Path], str]) -> list[tuple[str, str]]:
    return [(name_of(path), str(path.relative_to(ROOT))) for path in SOURCES if path.stem not in SAME_ROLE]


def test_no_two_classes_have_the_same_name() -> None:
    classes = [
        (node.name, f"{path.relative_to(ROOT)}:{node.lineno}")
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef)
    ]
    assert not shared(classes)


def test_no_two_modules_have_the_same_name_but_for_those_of_the_same_role() -> None:
    assert not shared(modules_by(lambda path: path.stem))


def test_names_of_modules_in_a_package_differ_by_more_than_an_ending() -> None:
    def stem_in_package(path: Path) -> str:
        return f"{path.parent}/{re.sub(r'(ings?|ions?|ers?|ors?|ed|es|s|e)$', '', path.stem)}"

    assert not shared(modules_by(stem_in_package))
