"""What the documents name exists: files, commands with their flags, the modules of the house."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.commands import command_of

ROOT = Path(__file__).parent.parent
DOCUMENTS = [
    *ROOT.glob("*.rst"),
    *ROOT.glob("docs/*.rst"),
    ROOT / "_runs" / "README.rst",
    ROOT / "benchmarks/README.rst",
]
IDS = [str(path.relative_to(ROOT)) for path in DOCUMENTS]
LONGEST_README = 280


def literal_lines(path: Path) -> Iterator[str]:
    """Yield the lines of literal blocks, continued lines as one, without comments."""
    text = path.read_text(encoding="utf-8").replace("\\\n", " ")
    for line in text.split("\n"):
        if line.startswith("    "):
            yield line.split(" #")[0].strip()


def commands_in(path: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield the module and the flags of each command of ours."""
    for line in literal_lines(path):
        for part in re.split(r"&&|\|", line):
            if found := re.search(r"(?:python -m|-m) (kuzushiji\.[\w.]+)", part):
                yield found[1].rstrip("."), re.findall(r"(?<=\s)--[a-z][\w-]*", part[found.end() :])
            elif found := re.search(r"bash (?:run-all|level2)\.sh", part):
                yield "kuzushiji.chain", re.findall(r"(?<=\s)--[a-z][\w-]*", part[found.end() :].rstrip('")'))


@pytest.mark.parametrize("path", [path for path in DOCUMENTS if path.name != "errors.rst"])  # those there are wrong
def test_the_commands_have_the_flags_that_are_typed(path: Path) -> None:
    for module, flags in commands_in(path):
        known = command_of(module).get_parser()._option_string_actions
        assert [flag for flag in flags if flag not in known] == [], module


@pytest.mark.parametrize("path", DOCUMENTS, ids=IDS)
def test_linked_files_exist(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    links = re.findall(r"<([^<>\s]+)>`_", text) + re.findall(r"^\.\. image:: (\S+)", text, re.M)
    files = [link for link in links if not link.startswith(("http", "#"))]
    assert [name for name in files if not (path.parent / name).exists()] == []


def test_the_house_lists_every_module() -> None:
    contributing = (ROOT / "CONTRIBUTING.rst").read_text(encoding="utf-8")
    house = contributing.split("\nThe house\n")[1].split("\nRules\n")[0]
    listed = set(re.findall(r"^        (\w+(?:\.py|/))", house, re.M))
    there = {path.name for path in (ROOT / "kuzushiji").glob("*.py")} - {"__init__.py"}
    assert listed == there | {f"{path.parent.name}/" for path in (ROOT / "kuzushiji").glob("*/__init__.py")}


def test_files_that_contributing_names_exist() -> None:
    text = (ROOT / "CONTRIBUTING.rst").read_text(encoding="utf-8")
    names = re.findall(r"``([\w./-]+/[\w.-]+\.(?:py|rst|sh|toml|txt))``", text)
    assert names and [name for name in names if "NAME" not in name and not (ROOT / name).exists()] == []


def test_what_the_five_usual_changes_name_exists_in_the_files_that_they_name() -> None:
    """A change can be made by its paragraph: classes, functions, tables and options are where it says."""
    contributing = (ROOT / "CONTRIBUTING.rst").read_text(encoding="utf-8")
    changes = contributing.split("\nFive usual changes\n")[1].split("\nHow to add a stage\n")[0].split("\n\n")[1:]
    assert len([change for change in changes if change.startswith("**")]) == 5
    profiles = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "profiles").glob("*.env"))
    for change in changes:
        literals = re.findall(r"``([^`]+)``", change)
        files = [ROOT / name for name in literals if "/" in name and "NAME" not in name]
        beside = [name for name in literals if name.endswith(".py") and "/" not in name]
        assert all((path.parent / name).exists() for name in beside for path in files if path.name == "transforms.py")
        there = profiles + "".join(path.read_text(encoding="utf-8") for path in files if path.is_file())
        names = [name for name in literals if "/" not in name and not name.endswith(".py")]
        words = [re.split(r"[ =(]", name)[0].removeprefix("--").removesuffix("...").split(".") for name in names]
        assert [word for parts in words for word in parts if not re.search(rf"\b{word}", there)] == [], change[:40]


def test_the_readme_stays_short() -> None:
    assert len((ROOT / "README.rst").read_text(encoding="utf-8").splitlines()) <= LONGEST_README
