"""A stage is skipped only if parameters, inputs and outputs are what they were."""

import dataclasses
import json
import os
from pathlib import Path

import pytest

from kuzushiji import cli, record
from kuzushiji.content import ImageFolder, digest_of_times
from kuzushiji.errors import InputError, KeptError
from kuzushiji.options import option, parameters
from kuzushiji.record import StageRecord


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.jpg").write_text("a")
    (tmp_path / "pages.csv").write_text("image_id,labels\na,\n")
    (tmp_path / "in.csv").write_text("in")
    return tmp_path


def make(folder: Path, **changes) -> StageRecord:
    fields = {
        "path": folder / "record-train.json",
        "stage": "toy.train",
        "parameters": {"lr": 0.1, "sizes": (1, 2), "file": Path("x")},
        "inputs": [folder / "in.csv", ImageFolder(folder / "images", (folder / "pages.csv",))],
        "outputs": [folder / "out.csv"],
    }
    return StageRecord(**(fields | changes))


def finish(folder: Path) -> None:
    (folder / "out.csv").write_text("out")
    make(folder).finish(f1=0.5)


def test_not_done_before_and_done_after(folder):
    assert make(folder).needs_run()
    finish(folder)
    assert not make(folder).needs_run()


def test_a_run_in_a_folder_that_was_moved_is_done(folder):
    """Of files of the same name the folder tells them apart, so that folds do not change places."""
    names = ("fold0/in.csv", "fold1/in.csv")
    for name in names:
        (folder / name).parent.mkdir()
        (folder / name).write_text(name)
    (folder / "out.csv").write_text("out")
    make(folder, inputs=[folder / name for name in names]).finish()
    moved = folder.rename(folder.with_name(f"{folder.name}-moved"))
    record_there = make(moved, inputs=[moved / name for name in names])
    assert not record_there.needs_run()
    assert record_there.wrote(moved / "out.csv")
    (moved / "fold0").rename(moved / "fold2")
    (moved / "fold1").rename(moved / "fold0")
    (moved / "fold2").rename(moved / "fold1")
    assert make(moved, inputs=[moved / name for name in names]).needs_run()


@pytest.mark.parametrize("name", ["renamed.csv", "elsewhere/in.csv"])
def test_a_file_is_known_by_its_content(folder, name):
    """Weights under another name are the same weights."""
    finish(folder)
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / "in.csv").rename(folder / name)
    images = ImageFolder(folder / "images", (folder / "pages.csv",))
    assert not make(folder, inputs=[folder / name, images]).needs_run()
    (folder / name).write_text("other")
    assert make(folder, inputs=[folder / name, images]).needs_run()


def test_the_record_of_an_earlier_version_holds_and_learns_the_contents(folder):
    """It had a digest of the names, sizes and times of a folder's files."""
    finish(folder)
    path = folder / "record-train.json"
    now = json.loads(path.read_text())
    old = {**now, "inputs": {**now["inputs"], str(folder / "images"): digest_of_times(folder / "images")}}
    path.write_text(json.dumps(old))
    assert not make(folder).needs_run()
    assert json.loads(path.read_text()) == now
    os.utime(folder / "images" / "a.jpg", ns=(1, 1))
    assert not make(folder).needs_run()


def test_the_record_of_an_earlier_version_whose_images_changed(folder):
    finish(folder)
    path = folder / "record-train.json"
    now = json.loads(path.read_text())
    path.write_text(
        json.dumps({**now, "inputs": {**now["inputs"], str(folder / "images"): digest_of_times(folder / "images")}})
    )
    (folder / "images" / "a.jpg").write_text("longer")
    assert make(folder).needs_run()


def test_an_output_without_a_record_is_not_done(folder):
    (folder / "out.csv").write_text("out")
    assert make(folder).needs_run()


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: {"parameters": {"lr": 0.2, "sizes": (1, 2), "file": Path("x")}},
        lambda folder: {"parameters": {"lr": 0.1, "sizes": (1, 2), "file": Path("x"), "new": 1}},
        lambda folder: {"parameters": {"lr": 0.1, "sizes": (1, 2)}},
        lambda folder: {"stage": "toy.other"},
        lambda folder: {"inputs": [folder / "in.csv"]},
        lambda folder: {"outputs": [folder / "out.csv", folder / "more.csv"]},
        lambda folder: (folder / "in.csv").write_text("touched") and {},
        lambda folder: (folder / "images" / "a.jpg").write_text("b") and {},
        lambda folder: (folder / "images" / "a.jpg").unlink() or {},
        lambda folder: (folder / "pages.csv").write_text("image_id,labels\na,\nb,\n") and {},
        lambda folder: (folder / "out.csv").write_text("damaged") and {},
        lambda folder: (folder / "out.csv").unlink() or {},
        lambda folder: (folder / "record-train.json").unlink() or {},
        lambda folder: (folder / "record-train.json").write_text("{") and {},
        lambda folder: (folder / "record-train.json").write_text("[]") and {},
        lambda folder: (folder / "record-train.json").write_text("{}") and {},
    ],
)
def test_anything_that_changed_makes_it_run_again(folder, change):
    finish(folder)
    assert make(folder, **change(folder)).needs_run()


def test_lists_and_tuples_are_the_same(folder):
    finish(folder)
    assert not make(folder, parameters={"lr": 0.1, "sizes": [1, 2], "file": "x"}).needs_run()


def test_another_format_of_the_outputs_makes_it_run_again(folder, monkeypatch):
    finish(folder)
    monkeypatch.setattr(record, "RECORD_FORMAT", record.RECORD_FORMAT + 1)
    assert make(folder).needs_run()


def test_a_missing_input_is_an_error(folder):
    (folder / "in.csv").unlink()
    with pytest.raises(InputError, match=r"in.csv: expected an input file, got none \(No such file"):
        make(folder).needs_run()


def test_the_record_tells_where_an_output_came_from(folder):
    finish(folder)
    found = json.loads((folder / "record-train.json").read_text())
    assert found["stage"] == "toy.train"
    assert found["parameters"] == {"lr": 0.1, "sizes": [1, 2], "file": "x"}
    assert list(found["inputs"]) == [str(folder / "in.csv"), str(folder / "images")]
    assert set(found["outputs"]) == {str(folder / "out.csv")}
    assert found["facts"] == {"f1": 0.5}
    assert found["seconds"] >= 0
    assert {"python", "numpy", "pandas"} <= set(found["versions"])


GROUPS = ((Path("a"), Path("b")), (Path("c"),))


@dataclasses.dataclass(frozen=True)
class Toy:
    """A config; `since` is an option that its records of an earlier version lack."""

    lr: float = option(0.1, "rate")
    since: int = option(3, "new", type=cli.positive_int)
    places: tuple[int, ...] = option((1, 2), "new", nargs="+", type=cli.positive_int)
    idle: str | None = option(None, "changed results once", changes_result=False)
    groups: tuple[tuple[Path, ...], ...] = option((), "files", nargs="*")


@pytest.mark.parametrize(
    ("then", "now", "expected"),
    [
        ({"lr": 0.1, "since": 3, "places": [1, 2]}, Toy(), []),
        ({"lr": 0.1}, Toy(), []),  # a new option at its default is no other parameter
        ({"lr": 0.1}, Toy(since=4), ["--since (not given there, 4 now)"]),
        ({"lr": 0.1}, Toy(places=(2,), lr=0.2), ["--lr (0.1 there, 0.2 now)", "--places (not given there, [2] now)"]),
        ({"lr": 0.1, "since": 4}, Toy(), ["--since (4 there, 3 now)"]),
        ({"lr": 0.1, "idle": "x"}, Toy(), []),  # what changes no result any more
        ({"lr": 0.1, "gone": None}, Toy(), []),  # was not given
        ({"lr": 0.1, "groups": [["old/a", "old/b"], ["c"]]}, Toy(groups=GROUPS), []),  # what they hold is an input
        ({"lr": 0.1, "groups": [["a"], ["b", "c"]]}, Toy(groups=GROUPS), ["--groups ([['a'], ['b', 'c']] there, "]),
        ({"lr": 0.1, "gone_by_now": 1}, Toy(), ["--gone-by-now (1 there, not given now)"]),
    ],
)
def test_parameters_of_an_earlier_version(folder, then, now, expected):
    (folder / "out.csv").write_text("out")
    make(folder, parameters=then).finish()
    later = make(folder, parameters=parameters(now), options=Toy)
    found = later.differences(then, None)
    assert [text[: len(start)] for text, start in zip(found, expected, strict=True)] == expected
    assert later.needs_run() is bool(expected)


def test_without_the_class_of_a_config_what_is_lacking_was_not_given(folder):
    record = make(folder, parameters={"since": 3, "asked": None})
    assert record.differences({}, None) == ["--since (not given there, 3 now)"]


# Models


def model(folder: Path, **changes) -> StageRecord:
    outputs = [folder / "model.pth", folder / "metrics.json"]
    fields = {"outputs": outputs, "models": outputs[:1], "checkpoint": folder / "checkpoint.pth"}
    return make(folder, **(fields | changes))


@pytest.fixture
def trained(folder) -> Path:
    for name in ("model.pth", "metrics.json"):
        (folder / name).write_text(name)
    model(folder).finish()
    return folder


@pytest.mark.parametrize(
    ("change", "there", "message"),
    [
        (lambda folder: {"parameters": {"lr": 0.2, "sizes": (1, 2), "file": "x"}}, "model.pth", "--lr (0.1 there, 0.2"),
        (lambda folder: (folder / "in.csv").write_text("x") and {}, "model.pth", "in.csv (another content)"),
        (lambda folder: (folder / "images/a.jpg").write_text("x") and {}, "model.pth", "images (another content)"),
        (lambda folder: {"outputs": [folder / "model.pth"]}, "model.pth", "is of another version"),
        (lambda folder: (folder / "model.pth").write_text("x") and {}, "model.pth", "model.pth is damaged, or was"),
        (lambda folder: (folder / "metrics.json").unlink() or {}, "model.pth", "metrics.json is missing"),
        (lambda folder: (folder / "record-train.json").write_text("{") and {}, "model.pth", "expected JSON"),
        (lambda folder: (folder / "record-train.json").write_text("[]") and {}, "model.pth", "is of another version"),
        (
            lambda folder: (folder / "model.pth").unlink() or (folder / "checkpoint.pth").write_text("x") and {},
            "checkpoint.pth", "model.pth is missing",
        ),
    ],
)  # fmt: skip
def test_a_finished_model_is_replaced_with_force_alone(trained, change, there, message):
    record = model(trained, **change(trained))
    before = {path: path.read_bytes() for path in trained.rglob("*") if path.is_file()}
    with pytest.raises(KeptError) as refused:
        record.needs_run()
    assert str(refused.value).startswith(f"{trained / there}: is kept, only --force replaces it; ")
    assert message in str(refused.value) and "\n" not in str(refused.value)
    assert before == {path: path.read_bytes() for path in trained.rglob("*") if path.is_file()}
    assert record.needs_run(force=True)


def test_what_the_checkpoint_restores_needs_no_force(trained):
    (trained / "checkpoint.pth").write_text("state")
    (trained / "metrics.json").unlink()
    assert model(trained).needs_run()


def test_without_model_and_checkpoint_nothing_is_lost(trained):
    (trained / "model.pth").unlink()
    assert model(trained, parameters={"lr": 0.2}).needs_run()


def test_without_a_record_the_training_looks_into_the_checkpoint(trained):
    record = model(trained)
    record.forget()
    record.forget()
    assert record.needs_run()


# Older records


def test_infinity_stood_for_auto(folder):
    """In records of the second level; JSON does not have it, but Python reads it."""
    text = json.dumps({"lr": 0.1, "least": "auto"})
    (folder / "out.csv").write_text("out")
    make(folder, parameters=json.loads(text)).finish()
    path = folder / "record-train.json"
    path.write_text(path.read_text().replace('"auto"', "Infinity"))
    assert not make(folder, parameters=json.loads(text)).needs_run()
    assert make(folder, parameters={"lr": 0.1, "least": 0.5}).needs_run()


# Outputs at places that the user names


def write(folder: Path, text: str, **options) -> None:
    with make(folder).output_path(folder / "out.csv", **options) as temporary:
        temporary.write_text(text)


def test_replaces_what_it_wrote_itself(folder):
    write(folder, "one")
    make(folder).finish()
    write(folder, "two")
    assert (folder / "out.csv").read_text() == "two"


@pytest.mark.parametrize("changed_since", [False, True])
def test_refuses_to_replace_what_is_somebody_elses(folder, changed_since):
    if changed_since:
        finish(folder)
    (folder / "out.csv").write_text("precious")
    fault = "is not what toy.train wrote there" if changed_since else "was not written by toy.train"
    with pytest.raises(InputError, match=rf"out.csv: exists and {fault}; --force replaces it"):
        write(folder, "new")
    assert (folder / "out.csv").read_text() == "precious"
    write(folder, "new", force=True)
    assert (folder / "out.csv").read_text() == "new"


def test_the_same_content_is_no_loss(folder):
    """The stage was stopped after its output and before its record."""
    write(folder, "one")
    write(folder, "one")
    assert (folder / "out.csv").read_text() == "one"


def test_a_record_of_another_stage_gives_no_right(folder):
    (folder / "out.csv").write_text("out")
    make(folder, stage="toy.other").finish()
    assert not make(folder).wrote(folder / "out.csv")
    assert make(folder, stage="toy.other").wrote(folder / "out.csv")


# Whether a stage runs


def test_a_stage_that_never_ran_says_nothing(folder, caplog):
    caplog.set_level("INFO")
    assert make(folder).needs_run()
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda folder: (folder / "in.csv").write_text("x"), "toy.train runs again: other inputs: {}/in.csv"),
        (lambda folder: (folder / "out.csv").write_text("x"), "{}/out.csv is damaged, or was changed since"),
        (lambda folder: (folder / "out.csv").unlink(), "{}/out.csv is missing"),
        (lambda folder: (folder / "record-train.json").write_text("{"), "record-train.json: expected JSON"),
        (lambda folder: (folder / "record-train.json").write_text("{}"), "record-train.json is of another version"),
    ],
)
def test_a_stage_that_runs_again_says_why(folder, caplog, change, message):
    finish(folder)
    assert not make(folder).needs_run()
    change(folder)
    caplog.set_level("INFO")
    assert make(folder).needs_run()
    assert message.format(folder) in caplog.text


def test_force_runs_what_is_done(folder):
    finish(folder)
    assert make(folder).needs_run(force=True)


def test_a_newer_version_of_one_kind_of_file_makes_its_stages_run_again(folder, monkeypatch):
    finish(folder)
    monkeypatch.setitem(record.FORMATS, ".parquet", 2)
    assert not make(folder).needs_run()
    monkeypatch.setitem(record.FORMATS, ".csv", 2)
    assert make(folder).needs_run()


def test_an_input_that_changes_while_the_stage_reads_it_makes_it_run_again(folder):
    running = make(folder)
    assert running.needs_run()
    (folder / "in.csv").write_text("changed meanwhile")
    (folder / "out.csv").write_text("made of what was read before")
    running.finish()
    assert make(folder).needs_run()


def test_leftovers_of_outputs_are_removed_where_the_stage_runs(folder):
    for name in (".out.csv.tmp-1234abcd.csv", ".record-train.json.tmp-x.json", ".out.parquet.tmp-1234abcd.parquet"):
        (folder / name).write_text("half")
    make(folder).needs_run()
    assert {path.name for path in folder.glob(".*")} == {".out.parquet.tmp-1234abcd.parquet"}


# Inputs that another stage made


def upstream(folder: Path, text: str = "in") -> StageRecord:
    (folder / "in.csv").write_text(text)
    return make(folder, path=folder / "in.csv.record.json", stage="toy.prepare", inputs=[], outputs=[folder / "in.csv"])


def test_an_input_is_what_the_stage_that_made_it_wrote(folder):
    upstream(folder).finish()
    assert make(folder).needs_run()


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("done", [False, True])
@pytest.mark.parametrize("content", ["i", "", "changed"])
def test_a_damaged_input_is_named_and_refused(folder, content, done, force):
    upstream(folder).finish()
    if done:
        finish(folder)
    (folder / "in.csv").write_text(content)
    with pytest.raises(InputError) as refused:
        make(folder).needs_run(force=force)
    assert str(refused.value) == (
        f"{folder}/in.csv: expected what toy.prepare wrote there, got a file that is damaged or was changed since; "
        f"run that stage again, or remove {folder}/in.csv.record.json if the change is meant"
    )


def test_an_input_is_checked_also_where_its_folder_was_moved_to(folder):
    upstream(folder).finish()
    moved = folder.rename(folder.with_name(f"{folder.name}-moved"))
    assert make(moved).needs_run()
    (moved / "in.csv").write_text("damaged")
    with pytest.raises(InputError, match=r"in.csv: expected what toy.prepare wrote there"):
        make(moved).needs_run()


def test_one_of_several_stages_that_write_a_file_is_enough(folder):
    upstream(folder, "first").finish()
    upstream(folder, "second").path.rename(folder / "record-other.json")
    upstream(folder, "second").finish()
    (folder / "in.csv").write_text("second")
    assert make(folder).needs_run()


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"outputs": null}', '{"outputs": {}}'])
def test_a_record_that_says_nothing_about_an_input(folder, content):
    (folder / "in.csv.record.json").write_text(content)
    assert make(folder).needs_run()
