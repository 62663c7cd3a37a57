"""Over the whole graph of the chain: what is touched makes run again exactly what depends on it.

The commands are those of run-all.sh, and command lines, records and locks are real; only the work is not done: a stage
that has to run writes files that depend on its parameters and inputs alone. One that would replace a model refuses to,
and is then given again with `--force`.
"""

import hashlib
import json
import os
import shlex
import shutil
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from kuzushiji.content import digest_of_times
from kuzushiji.errors import KeptError
from kuzushiji.record import StageRecord
from tests.commands import module_of

ROOT = Path(__file__).parent.parent
NOT_RECORDED = ("kuzushiji.demo", "kuzushiji.data.check", "kuzushiji.report")
KINDS = ("", "-resnet10t", "-resnet10t-pseudo-ft", "-resnet10t-pseudo")
FOLDS = (0, 1)
PLACE = "/place/of/the/runs"
TRAIN_KINDS, PSEUDO_KINDS = KINDS[:2], KINDS[2:]
BLENDS = [f"blend-{name}.csv" for name in (*(f"clf{kind}" for kind in KINDS), "backbones", "all")]

Touch = Callable[[Path], object]


class Chain:
    """The chain in a folder: `run` gives every command once more and returns the stages that ran.

    Attributes:
        kept: The stages that ran with `--force` alone.
    """

    def __init__(self, runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.runs = runs
        self.commands = [shlex.split(line.replace(PLACE, str(runs))) for line in lines_of_the_chain()]
        self.ran: list[str] = []
        self.kept: set[str] = set()
        decide = StageRecord.needs_run

        def needs_run(record: StageRecord, *, force: bool = False) -> bool:
            name, before = str(record.path.relative_to(runs)), contents(record.path.parent)
            try:
                needed = decide(record, force=force)
            except KeptError:
                self.kept.add(name)
                assert contents(record.path.parent) == before
                needed = decide(record, force=True)
            if needed:
                self.ran.append(name)
                imitate(record)
            return False

        monkeypatch.setattr(StageRecord, "needs_run", needs_run)

    def run(self) -> set[str]:
        """Give all commands."""
        self.ran, self.kept = [], set()
        for module, *words in self.commands:
            assert module_of(module).main(words) == 0
        assert len(set(self.ran)) == len(self.ran)
        return set(self.ran)


@cache
def lines_of_the_chain() -> list[str]:
    """Return modules and their words, of a run in `PLACE`."""
    printed = subprocess.run(
        ["bash", "run-all.sh", "tiny", "--dry-run"], cwd=ROOT, env={**os.environ, "RUNS": PLACE}, check=True,
        capture_output=True, text=True,
    ).stdout  # fmt: skip
    lines = [line.removeprefix("python -m ") for line in printed.splitlines() if line.startswith("python -m ")]
    return [line for line in lines if line.split()[0] not in NOT_RECORDED]


def contents(folder: Path) -> dict[Path, bytes]:
    """Return all files below a folder."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock"}


def imitate(record: StageRecord) -> None:
    """Write outputs that depend on what the stage says it depends on, and its record."""
    content = json.dumps({**record._describe(), "inputs": sorted(record.input_digests().values())}, sort_keys=True)
    for path in record.outputs:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(hashlib.sha256(f"{path.name} {content}".encode()).hexdigest())
    record.finish()


@pytest.fixture(scope="module")
def done(tiny_root: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, set[str]]:
    """The folder of a chain that has been through once, a copy of it, and the stages that ran."""
    folder = tmp_path_factory.mktemp("graph")
    shutil.copytree(tiny_root, folder / "runs" / "books")
    with pytest.MonkeyPatch.context() as patch:
        ran = Chain(folder / "runs", patch).run()
    shutil.copytree(folder / "runs", folder / "copy")
    return folder / "runs", folder / "copy", ran


@pytest.fixture
def chain(done: tuple[Path, Path, set[str]], monkeypatch: pytest.MonkeyPatch) -> Chain:
    """A chain that has been through once."""
    runs, copy, ran = done
    shutil.rmtree(runs)
    shutil.copytree(copy, runs)
    chain = Chain(runs, monkeypatch)
    chain.all = ran
    return chain


def records(chain: Chain) -> dict[str, dict[str, list[str]]]:
    """Return inputs and outputs of each stage, by its record."""
    return {name: json.loads((chain.runs / name).read_text()) for name in chain.all}


def after(chain: Chain, touched: set[str]) -> set[str]:
    """Return the stages that depend on files, over any number of steps."""
    found: set[str] = set()
    while True:
        more = {name for name, record in records(chain).items() if touched & record["inputs"].keys()} - found
        if not more:
            return found
        found |= more
        touched = {output for name in more for output in records(chain)[name]["outputs"]}


def of_folds(place: str) -> set[str]:
    return {place.format(fold=fold) for fold in FOLDS}


def classify(kinds: tuple[str, ...], *parts: str) -> set[str]:
    return {f"clf-fold{fold}{kind}/record-{part}.json" for fold in FOLDS for kind in kinds for part in parts}


SEGMENT = {f"segment-fold{fold}/record-{part}.json" for fold in FOLDS for part in ("train", "oof", "test")}
AFTER_BLEND = {f"{name}.record.json" for name in BLENDS}
LEVEL2_FEATURES = of_folds("level2_features_fold{fold}.parquet.record.json")
LEVEL2_TEST_FEATURES = of_folds("level2_features_test_fold{fold}.parquet.record.json")
LEVEL2 = {"level2_models/record-level2.json", "submission.csv.record.json"}
ALL = (
    SEGMENT
    | {"segment_clf_gt.csv.record.json", "segment_test_predictions.csv.record.json", "pseudolabels.csv.gz.record.json"}
    | classify(KINDS, "train", "oof", "test")
    | AFTER_BLEND | LEVEL2_FEATURES | LEVEL2_TEST_FEATURES | LEVEL2
)  # fmt: skip
ONLY_OF_TRAINING_PAGES = (
    {f"segment-fold{fold}/record-{part}.json" for fold in FOLDS for part in ("train", "oof")}
    | {"segment_clf_gt.csv.record.json"}
    | classify(TRAIN_KINDS, "train", "oof")
)  # fmt: skip
AFTER_TEST_BOXES = (
    classify(KINDS, "test") | {"pseudolabels.csv.gz.record.json"} | classify(PSEUDO_KINDS, "train", "oof")
    | AFTER_BLEND | LEVEL2_FEATURES | LEVEL2_TEST_FEATURES | LEVEL2
)  # fmt: skip


MODELS = classify(KINDS, "train") | {f"segment-fold{fold}/record-train.json" for fold in FOLDS} | {sorted(LEVEL2)[0]}


def append(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\n")


def test_the_graph_has_every_stage_and_only_raw_files_have_no_writer(chain):
    assert chain.all == ALL
    written = {name for record in records(chain).values() for name in record["outputs"]}
    read = {name for record in records(chain).values() for name in record["inputs"]}
    assert {str(Path(name).relative_to(chain.runs)) for name in read - written} == {
        "books/train.csv", "books/sample_submission.csv", "books/train_images", "books/test_images",
    }  # fmt: skip


def test_the_same_again_runs_nothing(chain):
    assert chain.run() == set()


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("train.csv", ALL),
        ("train_images/100000001_00001_1.jpg", ALL),
        ("test_images/test_100000001_00001_1.jpg", ALL - ONLY_OF_TRAINING_PAGES),
        (
            "sample_submission.csv",  # also read by what makes submissions
            ALL - ONLY_OF_TRAINING_PAGES,
        ),
        ("unicode_translation.csv", set()),
        ("solution.csv", set()),  # the truth of the test pages is nobody's input
    ],
)
def test_touching_a_raw_file(chain, raw, expected):
    path = chain.runs / "books" / raw
    before = after(chain, {str(path), str(path.parent)})
    append(path)
    ran = chain.run()
    assert ran == expected
    assert ran == before
    assert chain.kept == expected & MODELS


def test_touching_any_output_makes_its_own_stage_run_and_nothing_else(chain):
    """It writes the same again, so that what depends on it is as it was."""
    outputs = {name: record["outputs"] for name, record in sorted(records(chain).items())}
    for number in range(max(map(len, outputs.values()))):
        for half in range(2):  # the other half shows that a touched neighbour does not matter
            touched = [name for name in list(outputs)[half::2] if number < len(outputs[name])]
            for name in touched:
                append(Path(list(outputs[name])[number]))
            assert chain.run() == set(touched)
            assert chain.kept == set(touched) & MODELS


def test_removing_a_record_makes_its_own_stage_run_and_nothing_else(chain):
    for half in range(2):
        removed = sorted(chain.all)[half::2]
        for name in removed:
            (chain.runs / name).unlink()
        assert chain.run() == set(removed)


FOLD_0 = {f"segment-fold0/record-{part}.json" for part in ("train", "oof", "test")}
CLASSIFIER_0 = {f"clf-fold0/record-{part}.json" for part in ("train", "oof", "test")}
PSEUDOLABEL = {"pseudolabels.csv.gz.record.json"}
FUSED = {"segment_test_predictions.csv.record.json"}
AFTER_PSEUDOLABEL = (
    classify(PSEUDO_KINDS, "train", "oof", "test") | LEVEL2_FEATURES | LEVEL2_TEST_FEATURES | LEVEL2
    | {f"blend-{name}.csv.record.json" for name in (*(f"clf{kind}" for kind in PSEUDO_KINDS), "all")}
)  # fmt: skip
BLENDS_WITH_FIRST = {f"blend-{name}.csv.record.json" for name in ("clf", "backbones", "all")}


@pytest.mark.parametrize(
    ("module", "place", "words", "expected"),
    [
        ("segment.main", "segment-fold0", "--lr 0.5", FOLD_0 | (ALL - SEGMENT)),
        ("segment.fuse", "segment_test_predictions.csv", "--score-threshold 0.5", FUSED | AFTER_TEST_BOXES),
        ("classify.main", "clf-fold0", "--lr 0.5", CLASSIFIER_0 | PSEUDOLABEL | AFTER_PSEUDOLABEL | BLENDS_WITH_FIRST),
        ("classify.pseudolabel", "pseudolabels.csv.gz", "--min-gap 3", PSEUDOLABEL | AFTER_PSEUDOLABEL),
        ("classify.blend", "blend-all.csv", "--top-k 2", {"blend-all.csv.record.json"}),
        ("classify.level2", "level2_models", "--lr 0.5", LEVEL2),
        ("segment.main", "segment-fold0", "--workers 7", set()),  # changes no result
    ],
)
def test_other_parameters_of_one_stage(chain, module, place, words, expected):
    for command in chain.commands:
        if command[0] == f"kuzushiji.{module}" and str(chain.runs / place) in command:
            command += words.split()
    assert chain.run() == expected
    assert chain.kept == expected & MODELS


def test_force_runs_everything_again(chain):
    chain.commands = [[*command, "--force"] for command in chain.commands]
    assert chain.run() == ALL
    assert chain.kept == set()


# What changes nothing


def copied(chain: Chain, to: Path, monkeypatch: pytest.MonkeyPatch) -> Chain:
    """Copy the run with its data as `cp -r` does, with times of now, and let others leave files there."""
    monkeypatch.undo()  # `Chain` patches once more
    shutil.copytree(chain.runs, to, copy_function=shutil.copyfile)
    for name in (".DS_Store", "Thumbs.db", "books/train_images/.DS_Store", "books/test_images/Thumbs.db"):
        (to / name).write_text("of the system")
    return Chain(to, monkeypatch)


def test_a_copied_run_with_copied_data_is_done(chain, tmp_path, monkeypatch):
    other = copied(chain, tmp_path / "elsewhere", monkeypatch)
    before = contents(other.runs)
    assert other.run() == set()
    assert contents(other.runs) == before
    books, renamed = other.runs / "books", tmp_path / "data of another name"
    books.rename(renamed)
    other.commands = [[word.replace(str(books), str(renamed)) for word in command] for command in other.commands]
    assert other.run() == set()
    unchanged = {renamed / path.relative_to(books): before[path] for path in before if path.is_relative_to(books)}
    assert contents(renamed) == unchanged


def test_a_run_of_an_earlier_version_is_done_and_then_its_copy(chain, tmp_path, monkeypatch):
    """Its records hold a digest of names, sizes and times where there are digests of the images' contents now."""
    for name, record in records(chain).items():
        old = {
            path: digest_of_times(Path(path)) if digest.startswith("images:") else digest
            for path, digest in record["inputs"].items()
        }
        (chain.runs / name).write_text(json.dumps({**record, "inputs": old}))
    assert chain.run() == set()
    assert copied(chain, tmp_path / "elsewhere", monkeypatch).run() == set()
