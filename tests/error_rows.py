"""Every error that a user can cause: the command, what is wrong, and what makes it wrong.

The lines that are printed and the exit codes are in docs/errors.rst, in the same order; test_messages.py gives every
command and compares. The commands run in a folder with the competition's layout in `data/` (6 books, 3 test pages),
detailed tables of three folds as `fold{k}.parquet` and `test.parquet`, and features of them as `features{k}.parquet`.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

Change = Callable[[], object]

DOCUMENT = Path(__file__).parent.parent / "docs" / "errors.rst"
TRAIN, IMAGE = Path("data/train.csv"), "data/train_images/{}.jpg"
PAGE, EMPTY = "100000001_00001_1", "hnsd001-002,"


@dataclass(frozen=True)
class Row:
    """An error.

    Attributes:
        command: What is typed: a module of kuzushiji with its arguments, or `run-all.sh`.
        wrong: What is wrong.
        change: What makes it wrong, in the folder.
    """

    command: str
    wrong: str
    change: Change = lambda: None


def write(path: str | Path, content: str | bytes) -> Change:
    """Return a change that writes a file."""
    return lambda: Path(path).write_bytes(content.encode() if isinstance(content, str) else content)


def append(path: str | Path, text: str) -> Change:
    """Return a change that adds to a file."""
    return lambda: Path(path).open("a", encoding="utf-8").write(text)


def replace(path: str | Path, old: str, new: str) -> Change:
    """Return a change of a text in a file, where it comes first."""
    return lambda: Path(path).write_text(Path(path).read_text().replace(old, new, 1))


def remove(path: str | Path) -> Change:
    """Return a change that removes a file."""
    return lambda: Path(path).unlink()


def without_ray() -> object:
    """Hide Ray, where it is installed."""
    import sys

    import pytest

    patch = pytest.MonkeyPatch()
    patch.setitem(sys.modules, "ray", None)
    return patch


def two_pictures() -> None:
    """Make a page a TIFF file of two."""
    from PIL import Image

    Path(IMAGE.format(PAGE)).unlink()
    Image.new("L", (9, 9)).save(f"data/train_images/{PAGE}.tif", save_all=True, append_images=[Image.new("L", (9, 9))])


def exported() -> None:
    """Make a folder as kuzushiji.export does."""
    Path("exported").mkdir()
    Path("exported/bundle.json").write_text("{}")


def damaged_second_level() -> None:
    """Make a folder of a second level whose list of classes is not one."""
    Path("m").mkdir()
    Path("m/level2.json").write_text('{"format": 2, "files": {}, "vocabulary": ["U+3042", 7]}')


def machine_with(gpu_says: str, pytorch_for_cuda: str | None) -> Change:
    """Return a change after which CUDA cannot be used here; the test undoes it.

    Args:
        gpu_says: What torch says of it.
        pytorch_for_cuda: The version of CUDA that torch is built for, None for the CPU alone.
    """

    def change() -> object:
        import pytest
        import torch

        from kuzushiji.engine import device

        patch = pytest.MonkeyPatch()
        patch.setattr(torch.cuda, "init", lambda: _raise(RuntimeError(gpu_says)))
        patch.setattr(torch.cuda, "device_count", lambda: 0)
        patch.setattr(torch.version, "cuda", pytorch_for_cuda)
        patch.setattr(device, "_NVIDIA_DRIVER", Path("/"))
        patch.setattr(device, "why_no_cuda", device.why_no_cuda.__wrapped__)  # what it has found is kept
        return patch

    return change


def full_memory(where: str, says: str) -> Change:
    """Return a change after which a function of torch finds too little memory; the test undoes it."""

    def change() -> object:
        import pytest
        import torch

        patch = pytest.MonkeyPatch()
        kind = torch.OutOfMemoryError if says.startswith("CUDA") else RuntimeError
        patch.setattr(where, lambda *_, **__: _raise(kind(says)))
        return patch

    return change


def _raise(error: Exception) -> None:
    raise error


def cut(path: str | Path, kept: int) -> Change:
    """Return a change that cuts a file off."""
    return lambda: Path(path).write_bytes(Path(path).read_bytes()[:kept])


def damage(path: str | Path) -> Change:
    """Return a change of one byte in the middle of a file."""

    def change() -> None:
        content = bytearray(Path(path).read_bytes())
        content[len(content) // 3] ^= 0xFF
        Path(path).write_bytes(content)

    return change


def table_of(path: str, boxes: int | None = None, top_k: int | None = None) -> Change:
    """Return a change that writes some boxes and best classes of `test.parquet`; without any box no page either."""

    def change() -> None:
        from dataclasses import replace

        import numpy as np

        from kuzushiji.artifacts import read_detailed, write_detailed

        table = read_detailed(Path("test.parquet"), top_k=top_k)
        table = table if boxes is None else table.take(np.arange(boxes))
        write_detailed(Path(path), table if boxes is None else replace(table, pages=tuple({*table.boxes["image_id"]})))

    return change


def damaged_merge() -> None:
    """Merge three tables, and damage what comes out."""
    from kuzushiji.segment.merge import main

    main(["data/train.csv", "merged.csv"])
    append("merged.csv", "\n")()


def pickle_with_code(path: str) -> Change:
    """Return a change that writes a checkpoint that would run code when it is unpickled."""

    class Code:
        def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
            return print, ("the code of a checkpoint has run",)

    def change() -> None:
        import pickle

        Path(path).write_bytes(pickle.dumps({"model": Code()}))

    return change


def held(path: str) -> Change:
    """Return a change after which another process holds a place; the test ends it."""

    def change() -> object:
        import os
        import subprocess
        import sys

        script = (
            f"import time; from pathlib import Path; from kuzushiji.locks import hold\nwith hold(Path({path!r})):\n"
        )
        process = subprocess.Popen(
            [sys.executable, "-c", f"{script}    print(flush=True); time.sleep(60)"], stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)},
        )  # fmt: skip
        assert process.stdout is not None
        process.stdout.readline()
        return process

    return change


def finished_training() -> None:
    """Make a model with a record of another version."""
    Path("seg").mkdir()
    Path("seg/model_best.pth").write_text("a model")
    Path("seg/record-train.json").write_text("{}")


SEGMENT = "segment.main --output-dir seg --fold 0 --n-folds 3"
SMALL = "--model fasterrcnn_resnet18_fpn --pretrained 0 --long-side 200 --batch-size 1 --workers 0"
CLASSIFY = "classify.main data/train.csv --output-dir clf --fold 0 --n-folds 3"
LEVEL2 = (
    "classify.level2 fold0.parquet fold1.parquet fold2.parquet features0.parquet features1.parquet features2.parquet"
)

ROWS = [
    # Bad usage: 2
    Row("segment.main --fold 0", "an argument is missing"),
    Row(f"{SEGMENT} --epocs 3", "a flag is mistyped"),
    Row(f"{SEGMENT} --lr fast", "a value is no number"),
    Row(f"{SEGMENT} --batch-size 0", "a number is out of range"),
    Row(f"{SEGMENT} --model fasterrcnn_resnet19_fpn", "no such detector"),
    Row(f"{SEGMENT} --test-only", "nothing to test with"),
    Row(f"{SEGMENT} --test-only --submission --resume m.pth", "two things at once"),
    Row(f"{SEGMENT} --crop-min-height 600 --crop-max-height 500", "flags contradict each other"),
    Row("segment.main --output-dir seg --fold 3 --n-folds 3", "no such fold"),
    Row("segment.fuse seg1 seg2 out.csv --min-votes 3", "more votes than voters"),
    Row(f"{CLASSIFY} --submission", "nothing to predict with"),
    Row(f"{CLASSIFY} --cosine 1 --drop-lr-epoch 3", "two schedules"),
    Row(f"{CLASSIFY} --resume a.pth --weights b.pth", "two origins of the weights"),
    Row(f"{CLASSIFY} --detailed-postfix a/b", "a name that would lead elsewhere"),
    Row("classify.main data/train.csv --output-dir clf --fold 5", "no such fold"),
    Row("classify.blend fold0.parquet", "nothing to do"),
    Row("classify.blend fold0.parquet=-1 --score", "a weight below 0"),
    Row("classify.blend fold0.parquet --score --held-out fold1.parquet", "two scores"),
    Row("classify.pseudolabel", "arguments are missing"),
    Row("classify.pseudolabel test.parquet out.csv --min-gap -1", "a number is out of range"),
    Row("classify.level2_features fold0.parquet out.parquet", "groups that are no JSON"),
    Row(f"{LEVEL2} --use-lgb 0 --use-xgb 0", "no library is left"),
    Row(f"{LEVEL2} --save-model m --load-model m --output s.csv", "flags contradict each other"),
    Row(f"{LEVEL2} --load-model m", "flags that go together"),
    Row(f"{LEVEL2} --load-model m --output s.csv --min-probability auto", "what only training can find"),
    Row("demo books --pages 3 --books 6", "fewer pages than books"),
    Row("demo books --page-height 20", "pages that are too small"),
    Row("demo books --fonts fonts --texts text.txt", "fonts without layouts, texts and codes"),
    Row("demo books --apart text.txt", "what goes with fonts alone"),
    Row("report . --seeds other", "flags that go together"),
    Row("report.draw data/train.csv 100000001_00001_1 page.gif", "a format that is not written"),
    Row("metric data/train.csv", "an argument is missing"),
    Row("predict --models . --output out", "an argument is missing"),
    Row("evaluate read data --ignore spaces", "something else to ignore"),
    Row("convert pages out --to coco --test-share 0.1", "flags contradict each other"),
    Row("run-all.sh nope", "no such profile"),
    Row("run-all.sh demo --stage nope", "no such stage"),
    Row("run-all.sh demo --fold 9", "no such fold"),
    Row("run-all.sh demo --jobs 0", "a number is out of range"),
    # Data: 1
    Row(f"{SEGMENT} --data-root none", "no data"),
    Row(f"{SEGMENT} --data-root data --n-folds 7", "more folds than books"),
    Row(SEGMENT, "no table of labels", remove(TRAIN)),
    Row(SEGMENT, "a table of another competition", write(TRAIN, "id,target\n1,2\n")),
    Row(SEGMENT, "no CSV", write(TRAIN, b"\xff\xfe\x00")),
    Row(SEGMENT, "a row of another length", append(TRAIN, "page\n")),
    Row(SEGMENT, "a page twice", append(TRAIN, f"{PAGE},\n")),
    Row(SEGMENT, "a page without a name", append(TRAIN, ",\n")),
    Row(SEGMENT, "labels of another length", append(TRAIN, "p_1,U+3042 1 2 3\n")),
    Row(SEGMENT, "no code", append(TRAIN, "p_1,3042 1 2 3 4\n")),
    Row(SEGMENT, "no number", append(TRAIN, "p_1,U+3042 1 2 3 nan\n")),
    Row(SEGMENT, "a negative size", append(TRAIN, "p_1,U+3042 1 2 -3 4\n")),
    Row(SEGMENT, "a name that leads out of the data", append(TRAIN, "../../x_1,U+3042 1 2 3 4\n")),
    Row(f"{SEGMENT} --submission --resume m.pth", "no such checkpoint"),
    Row(f"{SEGMENT} --device cuda:99", "no such device"),
    Row(
        f"{SEGMENT} --device cuda",
        "the driver of the GPU is too old",
        machine_with("The NVIDIA driver on your system is too old (found version 11040). Please update", "13.0"),
    ),
    Row(
        f"{SEGMENT} --device cuda",
        "a PyTorch without CUDA",
        machine_with("Torch not compiled with CUDA enabled", None),
    ),
    Row(
        f"{SEGMENT} {SMALL}",
        "the memory of the GPU is full",
        full_memory("torch.Tensor.backward", "CUDA out of memory. Tried to allocate 2.00 GiB"),
    ),
    Row(
        f"{SEGMENT} {SMALL}",
        "the memory of the machine is full",
        full_memory("torch.nn.Module.to", "[enforce fail] DefaultCPUAllocator: can't allocate memory: 9 bytes"),
    ),
    Row("segment.merge data/train.csv data/train.csv out.csv", "pages twice"),
    Row("segment.merge data/sample_submission.csv out.csv", "points in place of boxes"),
    Row("segment.merge data/solution.csv out.csv", "pages of other data"),
    Row("segment.merge data/train.csv out.csv", "an output of somebody else", write("out.csv", "mine")),
    Row("segment.merge merged.csv out.csv", "an input that is damaged", damaged_merge),
    Row(f"{SEGMENT} --pretrained 0", "a finished model of another run is in the folder", finished_training),
    Row("segment.merge data/train.csv data/train.csv/out.csv", "a folder that cannot be"),
    Row("segment.merge data/train.csv out.csv", "two processes at one place", held("out.csv")),
    Row("segment.fuse none out.csv", "no such table"),
    Row("segment.fuse fold0.parquet out.csv", "a table of another kind"),
    Row(f"{CLASSIFY} --test-only --resume m.pth", "a checkpoint with code in it", pickle_with_code("m.pth")),
    Row(f"{CLASSIFY} --test-only --resume m.pth", "no checkpoint", write("m.pth", "text")),
    Row(f"{CLASSIFY} --test-only --resume m.pth", "no such checkpoint"),
    Row(f"{CLASSIFY} --base resnet12", "no such backbone"),
    Row(f"{CLASSIFY} --base resnet18 --weights w.pth", "no such weights"),
    Row(f"{CLASSIFY} --test-book 100000004", "no such book"),
    Row("classify.main data/solution.csv --output-dir clf --n-folds 3", "boxes of other pages"),
    Row(f"{CLASSIFY} --base resnet18 --pretrained 0", "a code of no class", replace(TRAIN, "U+3042", "U+00ZZ")),
    Row(f"{CLASSIFY} --base resnet18 --pretrained 0", "an empty image", write(IMAGE.format(PAGE), "")),
    Row("classify.blend none.parquet --score", "no such table"),
    Row("classify.blend data/train.csv --score", "a table of another kind"),
    Row("classify.blend fold0.parquet --score", "a table cut off", cut("fold0.parquet", 900)),
    Row("classify.blend fold0.parquet --score", "a damaged table", damage("fold0.parquet")),
    Row("classify.blend fold0.parquet ./fold0.parquet --score", "a table twice"),
    Row("classify.blend fold0.parquet t.parquet --score", "a table of nothing", table_of("t.parquet", boxes=0)),
    Row("classify.blend fold0.parquet t.parquet --score", "fewer classes a box", table_of("t.parquet", top_k=1)),
    Row("classify.blend test.parquet --score", "test pages have no truth"),
    Row("classify.blend fold0.parquet --output s.csv", "training pages are no submission"),
    Row(
        "classify.pseudolabel fold0.parquet test.parquet data/x.csv",
        "an output of somebody else",
        write("data/x.csv", ""),
    ),
    Row("classify.pseudolabel features0.parquet out.csv", "a table of another kind"),
    Row("classify.pseudolabel t.parquet out.csv", "no second class", table_of("t.parquet", top_k=1)),
    Row("""classify.level2_features '[["fold0.parquet"]]' out.csv""", "a name for another format"),
    Row("""classify.level2_features '[["none.parquet"]]' out.parquet""", "no such table"),
    Row("classify.level2 fold0.parquet fold1.parquet --n-folds 3", "no features"),
    Row(f"{LEVEL2} --n-folds 7", "more folds than books"),
    Row("classify.level2 test.parquet features0.parquet --load-model m --output s.csv", "no such models"),
    Row(
        "classify.level2 test.parquet features0.parquet --load-model m --output s.csv",
        "models with a damaged field",
        damaged_second_level,
    ),
    Row("metric none.csv data/train.csv", "no such submission"),
    Row("metric data/train.csv data/train.csv", "boxes in place of points"),
    Row("convert none out", "no such pages"),
    Row("convert test.parquet out", "nothing that is labelled pages"),
    Row(
        "convert page.xml out",
        "XML that declares an entity",
        write("page.xml", '<!DOCTYPE x [<!ENTITY a "b">]><PcGts/>'),
    ),
    Row("convert page.json out", "no JSON", write("page.json", "{")),
    Row("convert data out --map data/train.csv", "a table of no characters"),
    Row("convert data out --test-books nobody", "no such book"),
    Row("convert data data", "a folder with other files"),
    Row("evaluate none data", "no such predictions"),
    Row("evaluate data/train_images data", "nothing that was read"),
    Row("evaluate data/sample_submission.csv data/train.csv", "pages of other data"),
    Row("evaluate data data --pages nobody", "no such page"),
    Row("evaluate data data --tables data", "a folder with other files"),
    Row("data.check none", "no data"),
    Row("data.check data", "an image is missing", remove(IMAGE.format(PAGE))),
    Row("data.check data", "an empty image", write(IMAGE.format(PAGE), "")),
    Row("data.check data", "an image of another kind", write(IMAGE.format(PAGE), "GIF89a")),
    Row("data.check data", "an image cut off", cut(IMAGE.format(PAGE), 3000)),
    Row("data.check data", "two pictures in one file", two_pictures),
    Row(
        "data.check data",
        "an image of gigantic size",
        write(IMAGE.format(PAGE), bytes.fromhex("ffd8ffc0000b08ffffffff0111000000")),
    ),
    Row("data.check data", "a code that is not in the table", replace(TRAIN, "U+3042", "U+4E00")),
    Row("data.check data", "a box of no size", replace(TRAIN, EMPTY, f"{EMPTY}U+3042 1 2 0 4")),
    Row("data.check data", "a name that leads out of the data", append(TRAIN, "../../x,\n")),
    Row("data.check data", "a doubled code", append("data/unicode_translation.csv", "U+3042,あ\n")),
    Row("demo data", "a folder with something else"),
    Row("demo data/train.csv", "a file in place of a folder"),
    Row("report none", "no such run"),
    Row("report exported", "a folder of exported models", exported),
    Row("report.draw data/train.csv nobody page.svg", "no such page"),
    Row("report.draw data nobody page.svg", "a folder without a result"),
    Row("predict data/test_images --models none --output out", "no such run"),
    Row("predict data/test_images --resume", "no folder to go on in"),
    Row("predict data/test_images --output out --shard 3/2", "a shard that is none"),
    Row("predict data/test_images --output out --engine ray", "Ray is not installed", without_ray),
    Row("edit data", "a folder without pages to edit"),
    Row(
        "convert corrections.json out",
        "corrections with a damaged page",
        write("corrections.json", '{"format": "kuzushiji-corrections-1", "pages": [{"page": "p"}]}'),
    ),
    Row("finetune none --output out", "no folder of corrected pages"),
    Row("finetune data --from none --output out", "no such models to start from"),
    Row("finetune data --from exported --output exported", "models that would be replaced", exported),
    Row("finetune data --output out", "no new page", write(TRAIN, "image_id,labels\n")),
    Row("convert.published out --wheel none.whl", "the package is not there"),
    Row(
        "classify.main data/train.csv --output-dir clf --fold 0 --n-folds 3 --start none",
        "no such models to start from",
    ),
    Row("segment.main --output-dir seg --fold 0 --n-folds 3 --start data", "no exported models"),
    Row(
        "classify.main data/train.csv --output-dir clf --fold 0 --n-folds 3 --start books --weights b.pth",
        "two origins of the weights",
    ),
    Row("classify.blend fold0.parquet --weights auto --output out.csv", "nothing to find weights on"),
    Row("run-all.sh kaggle", "no data"),
]


def typed(row: Row) -> str:
    """Return the command as it is typed."""
    return f"bash {row.command}" if row.command.startswith("run-all") else f"python -m kuzushiji.{row.command}"


def documented() -> list[tuple[str, str, str, int]]:
    """Return command, what is wrong, line and exit code of each row of the table in docs/errors.rst."""
    text = DOCUMENT.read_text(encoding="utf-8")
    rows = re.findall(r"^   \* - ``(.+)``\n     - (.+)\n     - ``(.+)``\n     - (\d+)$", text, re.MULTILINE)
    return [(command, wrong, line, int(code)) for command, wrong, line, code in rows]
