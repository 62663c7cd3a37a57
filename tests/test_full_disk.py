"""Stages on a disk that is full: one line, exit code 1, no half-written file; they go on when there is room.

The disks are real ones of a few KiB (tmpfs), where this machine lets processes mount them. Everywhere the system's
limit on a file's size stops a write in its middle, as a full disk does.
"""

import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from kuzushiji import files
from kuzushiji.errors import InputError
from tests.tables import N_FOLDS, write_runs

ROOT = Path(__file__).parent.parent
PAGE = "100000001_00001_1"
NAMESPACES = (["unshare", "--user", "--map-root-user", "--mount"], ["unshare", "--mount"])

BOOKS = "--books 2 --pages 2 --test-books 0 --test-pages 0 --page-height 120 --classes 10 --workers 1"
DETAILED = " ".join(f"{{tables}}/fold{fold}-a.parquet" for fold in range(N_FOLDS))
TEST = " ".join(f"{{tables}}/test-fold{fold}-a.parquet" for fold in range(N_FOLDS))
TRAIN = "--pretrained 0 --fold 0 --n-folds 3 --epochs 1 --threads 1 --workers 0 --device cpu"
SEGMENT = f"""{TRAIN} --model fasterrcnn_resnet18_fpn --norm batch --long-side 240 --crop-width 64 --crop-height 48
    --crop-min-height 48 --crop-max-height 60 --anchor-sizes 12 16 24 32 48 --fpn-channels 8 --box-head-size 8
    --rois-per-image 16 --anchors-per-image 16 --proposals-train 20 --proposals-test 20 --test-long-side 96
    --repeat-train-step 1 --batch-size 8 --warmup-steps 0"""
CLASSIFY = f"""{TRAIN} --base resnet10t --head-size 8 --test-height 96 --crop-width 64 --crop-height 64 --batch-size 8
    --repeat-train 1 --n-tta 1"""

TABLES = [
    # module, its words, free KiB, the file that does not fit
    ("demo", f"{{disk}}/books {BOOKS}", 0, "books/params.json"),
    ("demo", f"{{disk}}/books {BOOKS}", 8, "books/train_images/*.jpg"),
    ("demo", f"{{disk}}/books {BOOKS}", 56, "books/unicode_translation.csv"),
    ("segment.merge", "{root}/train.csv {disk}/new/merged.csv --data-root {root}", 0, "new/merged.csv"),
    ("classify.blend", f"{TEST} --output {{disk}}/blend.csv --data-root {{root}}", 8, "blend_detailed.parquet"),
    ("classify.pseudolabel", f"{TEST} {{disk}}/p.csv.gz --min-gap 1 --data-root {{root}}", 0, "p.csv.gz"),
    ("classify.level2_features", '[["{tables}/fold0-a.parquet"]] {disk}/f.parquet', 8, "f.parquet"),
    ("classify.level2", f"{DETAILED} {{features}} --n-folds {N_FOLDS} --num-boost-round 2 --save-model {{disk}}/models"
     " --data-root {root}", 8, "models/*"),
    ("report.draw", f"{{root}}/train.csv {PAGE} {{disk}}/page.png --data-root {{root}}", 4, "page.png"),
    ("report.draw", f"{{root}}/train.csv {PAGE} {{disk}}/page.svg --data-root {{root}}", 0, "page.svg"),
    ("report", "{tables} --data-root {root} --output {disk}/report.html", 4, "report.html"),
]  # fmt: skip

NETWORKS = [
    ("segment.main", f"--output-dir {{disk}}/run --data-root {{root}} {SEGMENT}", 64, "run/model_best.pth"),
    ("classify.main", f"{{root}}/train.csv --output-dir {{disk}}/run --data-root {{root}} {CLASSIFY}", 64,
     "run/model_best.pth"),
    ("predict", "{root}/test_images --models {light} --output {disk}/read --device cpu --resume", 12,
     "read/*"),
    ("export", "{light} {disk}/reader", 8192, "reader/segment-fold0.safetensors"),
]  # fmt: skip


@cache
def namespace() -> list[str]:
    """Return the words before a command that may mount a disk; none where this machine has no such thing."""
    for words in NAMESPACES:
        try:
            mount = [*words, "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
            if subprocess.run(mount, capture_output=True, check=False).returncode == 0:
                return words
        except FileNotFoundError:
            break
    return []


needs_mount = pytest.mark.skipif(not namespace(), reason="needs to mount a small disk: no mount namespaces here")


def results_of(commands: list[tuple[str, str, int, str]], disk: Path, **places: object) -> list[dict[str, Any]]:
    disk.mkdir()
    named = [
        (module, [word.format(disk=disk, **places) for word in words.split()], room)
        for module, words, room, _ in commands
    ]
    command = [*namespace(), sys.executable, "-m", "tests.full_disk", str(disk)]
    done = subprocess.run(command, input=json.dumps(named), capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def check(command: tuple[str, str, int, str], disk: Path, found: dict[str, Any]) -> None:
    module, _, _, name = command
    *before, line = found["messages"]
    assert found["code"] == 1, (module, found["messages"])
    assert line.startswith("error: ") and not any("Traceback" in text for text in before), (module, found["messages"])
    path, _, reason = line.removeprefix("error: ").partition(": cannot be written: ")
    assert Path(path).match(str(disk / name)), (module, line)
    assert reason == "No space left on device; what was there before is untouched", (module, line)
    assert not [name for name in found["left"] if ".tmp-" in name or name.endswith(".lock")], (module, found["left"])
    assert path not in {str(disk / name) for name in found["left"]}, module
    assert found["again"] == 0, (module, found["messages_again"])


def made_tables(root: Path, folder: Path) -> dict[str, str]:
    """Write what the stages of tables read; return what stands for it in their words."""
    from kuzushiji.classify import level2_features

    write_runs(root, folder, kinds=("a",))
    features = [folder / f"features{fold}.parquet" for fold in range(N_FOLDS)]
    for fold, path in enumerate(features):
        level2_features.main([json.dumps([[str(folder / f"fold{fold}-a.parquet")]]), str(path)])
    return {"root": str(root), "tables": str(folder), "features": " ".join(map(str, features))}


@needs_mount
def test_stages_of_tables(tiny_root: Path, tmp_path: Path) -> None:
    places = made_tables(tiny_root, tmp_path)
    commands = [(module, words.replace("{features}", places["features"]), *rest) for module, words, *rest in TABLES]
    for command, found in zip(commands, results_of(commands, tmp_path / "disk", **places), strict=True):
        check(command, tmp_path / "disk", found)


@needs_mount
def test_stages_of_networks(tiny_root: Path, light: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    for command, found in zip(NETWORKS, results_of(NETWORKS, disk, root=tiny_root, light=light), strict=True):
        check(command, disk, found)
        if command[0].startswith("export"):
            assert found["left"] == {}


# A limit on files

LIMIT = 1 << 16


@contextmanager
def limited_files() -> Iterator[None]:
    """Let no file grow beyond `LIMIT` bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def write_labels(path: Path) -> None:
    import numpy as np

    from kuzushiji.data.labels import PageLabels, write_page_labels

    n = LIMIT // 8
    pages = [f"page_{number}" for number in range(n)]
    write_page_labels(path, PageLabels.from_arrays(pages, np.arange(n), ["U+3042"] * n, np.ones((n, 4))))


def write_parquet(path: Path) -> None:
    import numpy as np

    from kuzushiji.artifacts import write_detailed
    from tests.tables import random_detailed

    write_detailed(path, random_detailed(np.random.default_rng(0), n_pages=2000))


def write_checkpoint(path: Path) -> None:
    import torch

    from kuzushiji.engine.checkpoint import save_checkpoint

    save_checkpoint(path, {"model": torch.nn.Linear(LIMIT, 1)}, {})


def write_trees(path: Path) -> None:
    """As LightGBM and XGBoost do: with a word of their own, and none about the disk."""
    with files.atomic_path(path) as temporary:
        try:
            temporary.write_bytes(bytes(2 * LIMIT))
        except OSError:
            raise RuntimeError("could not be written") from None


WRITERS = [
    ("x.json", lambda path: files.atomic_write_json(path, "x" * LIMIT)),
    ("x.csv", write_labels),
    ("x.parquet", write_parquet),
    ("x.pth", write_checkpoint),
    ("x.txt", write_trees),
]


@pytest.mark.parametrize(("name", "write"), WRITERS)
@pytest.mark.parametrize("old", [None, b"old"])
def test_a_write_that_the_disk_ends_leaves_the_old_file(tmp_path, name, write, old):
    path = tmp_path / name
    if old:
        path.write_bytes(old)
    with limited_files(), pytest.raises(InputError) as refused:
        write(path)
    assert str(refused.value).startswith(f"{path}: cannot be written") and "\n" not in str(refused.value)
    assert os.listdir(tmp_path) == ([name] if old else [])
    assert not old or path.read_bytes() == old


def test_a_stage_that_the_disk_ends(tmp_path, tiny_root, capsys):
    """One line, exit code 1, the old output as it was."""
    from kuzushiji import cli
    from kuzushiji.segment.merge import main

    write_labels(tmp_path / "large.csv")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train.csv").write_bytes((tmp_path / "large.csv").read_bytes())
    (tmp_path / "out.csv").write_text("old")
    argv = [str(tmp_path / name) for name in ("large.csv", "out.csv")]
    with limited_files(), pytest.raises(SystemExit) as ended:
        cli.run(main, [*argv, "--data-root", str(tmp_path / "data"), "--force"])
    assert ended.value.code == 1
    assert capsys.readouterr().err == (
        f"error: {tmp_path}/out.csv: cannot be written: File too large; what was there before is untouched\n"
    )
    assert (tmp_path / "out.csv").read_text() == "old"
    assert sorted(os.listdir(tmp_path)) == ["data", "large.csv", "out.csv"]
