"""Each class has a name of its own: a reader who searches for it finds one."""

import ast
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parent.parent


def classes_by_name() -> dict[str, list[str]]:
    """Return where each class of `kuzushiji` and `detection` is defined."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in sorted(path for package in ("kuzushiji", "detection") for path in (ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                found[node.name].append(f"{path.relative_to(ROOT)}:{node.lineno}")
    return found


def test_no_two_classes_have_the_same_name() -> None:
    found = classes_by_name()
    assert len(found) > 200
    assert not {name: places for name, places in found.items() if len(places) > 1}
