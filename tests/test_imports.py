"""What importing costs and does: each check runs in a process of its own, since this one has imported much already."""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("kuzushiji", "detection")
TORCH = ("torch", "torchvision", "timm", "albumentations", "ignite")
HEAVY = (*TORCH, "lightgbm", "xgboost", "matplotlib", "pyarrow.parquet")
TABLE_PACKAGES = (
    "kuzushiji.data", "kuzushiji.artifacts", "kuzushiji.classify.level2", "kuzushiji.viewer", "kuzushiji.report",
)  # fmt: skip
TABLE_MODULES = (
    "kuzushiji.metric", "kuzushiji.scoring", "kuzushiji.submission", "kuzushiji.reading_order", "kuzushiji.layout",
    "kuzushiji.segment.merge", "kuzushiji.segment.fuse",
    "kuzushiji.classify.blend", "kuzushiji.classify.pseudolabel", "kuzushiji.classify.level2_features",
    "kuzushiji.classify.knn", "kuzushiji.lm",
    "kuzushiji.bundle.model_files", "kuzushiji.predict.transcription", "kuzushiji.predict.formats",
    "detection.boxes", "detection.overlap", "detection.fusion",
)  # fmt: skip


def module_name(path: Path) -> str:
    """`kuzushiji/data/__init__.py` -> `kuzushiji.data`."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def sources() -> list[Path]:
    return sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


MODULES = [module_name(path) for path in sources()]
ENTRY_POINTS = [module_name(path) for path in sources() if "\n    cli.run(main)" in path.read_text(encoding="utf-8")]


def in_process(script: str, cwd: Path, *arguments: object) -> object:
    """Run `script` with `arguments` as JSON in `sys.argv[1]`; return the JSON that it prints as its last line."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", "MPLCONFIGDIR": str(cwd)}
    command = [sys.executable, "-c", script, json.dumps(arguments)]
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


IMPORT_ALL = """
import importlib, json, logging, os, sys
(modules, root, packages), opened = json.loads(sys.argv[1]), []
def watch(event, arguments):
    if event == "open" and isinstance(arguments[0], str):
        opened.append(os.path.abspath(arguments[0]))
sys.addaudithook(watch)
for name in modules:
    importlib.import_module(name)
inside = [os.path.join(root, package) + os.sep for package in packages] + [os.getcwd() + os.sep]
code = (".py", ".pyc")
read = [path for path in opened
        if path.startswith(tuple(inside)) and not path.endswith(code) and "__pycache__" not in path]
print(json.dumps({"read": read, "handlers": len(logging.root.handlers)}))
"""


def test_fault_7_importing_reads_no_file_and_prints_nothing(tmp_path: Path) -> None:
    modules = [name for name in MODULES if not name.endswith("__main__")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "MPLCONFIGDIR": str(tmp_path / "matplotlib")}
    command = [sys.executable, "-c", IMPORT_ALL, json.dumps([modules, str(ROOT), PACKAGES])]
    (tmp_path / "empty").mkdir()
    done = subprocess.run(command, cwd=tmp_path / "empty", env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") == 1, "something was printed"
    assert json.loads(done.stdout) == {"read": [], "handlers": 0}
    assert list((tmp_path / "empty").iterdir()) == []


IMPORT_THESE = """
import importlib, json, sys
modules, heavy = json.loads(sys.argv[1])
print(json.dumps([[name, found] for name in modules if importlib.import_module(name)
                  and (found := [module for module in heavy if module in sys.modules])][:1]))
"""


def test_stages_of_tables_start_without_torch(tmp_path: Path) -> None:
    inside = tuple(f"{package}." for package in TABLE_PACKAGES)
    modules = [*TABLE_MODULES, *(name for name in MODULES if name.startswith(inside))]
    assert in_process(IMPORT_THESE, tmp_path, modules, TORCH) == []


HELP = """
import contextlib, importlib, io, json, sys
entry_points, heavy = json.loads(sys.argv[1])
wrong = []
for name in entry_points:
    module, out = importlib.import_module(name), io.StringIO()
    with contextlib.redirect_stdout(out):
        try:
            module.main(["--help"])
            wrong.append([name, "did not leave"])
        except SystemExit as left:
            if left.code or "usage: python -m kuzushiji" not in out.getvalue():
                wrong.append([name, left.code, out.getvalue()[:80]])
    loaded = [module for module in heavy if module in sys.modules]
    if loaded:
        wrong.append([name, loaded])
        break
print(json.dumps(wrong))
"""


def test_help_of_every_entry_point_without_heavy_imports(tmp_path: Path) -> None:
    assert len(ENTRY_POINTS) >= 10
    assert in_process(HELP, tmp_path, ENTRY_POINTS, HEAVY) == []


BAD_FLAG = HELP.replace('["--help"]', '["--no-such-flag"]').replace(
    'if left.code or "usage: python -m kuzushiji" not in out.getvalue()', "if left.code != 2"
)


def test_a_wrong_flag_fails_before_heavy_imports(tmp_path: Path) -> None:
    assert in_process(BAD_FLAG, tmp_path, ENTRY_POINTS, HEAVY) == []


@pytest.mark.parametrize("name", ENTRY_POINTS)
def test_entry_points_have_the_same_shape(name: str) -> None:
    """`main` is that of a command, whose docstring `--help` shows."""
    from kuzushiji.stage import Command

    main = importlib.import_module(name).main
    command = main.__self__
    assert issubclass(command, Command) and main == command.main and command.__doc__


@pytest.mark.parametrize("name", ENTRY_POINTS)
def test_the_shell_knows_that_entry_points_can_be_completed(name: str) -> None:
    """argcomplete looks for its word in the first 1024 characters of what `python -m` runs."""
    path = ROOT / Path(*name.split("."))
    packages = [path.parent / "__main__.py"] if path.name == "main" else []
    for source in (path.with_suffix(".py"), *packages):
        assert "PYTHON_ARGCOMPLETE_OK" in source.read_text(encoding="utf-8")[:1024]


def test_the_list_of_stages_names_what_there_is() -> None:
    from kuzushiji.__main__ import STAGES

    assert [name for name, _ in STAGES if not {name, f"{name}.__main__"} & set(MODULES)] == []


def test_every_module_serves_something_that_is_run() -> None:
    """By an entry point, the chain and its watcher, or `kuzushiji.Reader`: nothing is there for its tests alone."""
    import grimp

    from kuzushiji.__main__ import STAGES

    graph = grimp.build_graph(*PACKAGES, cache_dir=None)
    entry_points = {"kuzushiji.__main__", "kuzushiji.chain.__main__", "kuzushiji.chain.watch", "kuzushiji.predict.api"}
    entry_points |= {f"{name}.__main__" if f"{name}.__main__" in MODULES else name for name, _ in STAGES}
    used = entry_points.union(*map(graph.find_upstream_modules, entry_points))
    packages = {name.rpartition(".")[0] for name in MODULES if "." in name}
    assert sorted(set(MODULES) - used - packages) == []


def test_the_list_of_stages_has_a_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    from kuzushiji.__main__ import STAGES, main

    assert main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(STAGES) and all(line.startswith("python -m kuzushiji.") for line in lines)
