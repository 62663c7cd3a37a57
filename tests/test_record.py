"""A stage is skipped only if parameters, inputs and outputs are what they were."""

import json
from pathlib import Path

import pytest

from kuzushiji import record
from kuzushiji.errors import InputError
from kuzushiji.record import StageRecord, same_files


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.jpg").write_text("a")
    (tmp_path / "in.csv").write_text("in")
    return tmp_path


def make(folder: Path, **changes) -> StageRecord:
    fields = {
        "path": folder / "record-train.json",
        "stage": "toy.train",
        "parameters": {"lr": 0.1, "sizes": (1, 2), "file": Path("x")},
        "inputs": [folder / "in.csv", folder / "images"],
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


def test_same_files_wherever_they_lay(folder):
    now = make(folder).input_digests()
    assert same_files(now, now)
    assert same_files({f"/elsewhere/{Path(name).name}": digest for name, digest in now.items()}, now)
    assert not same_files({name: digest[::-1] for name, digest in now.items()}, now)
    assert not same_files({**now, "more.csv": "0"}, now)
    assert not same_files(None, now)


def test_an_output_without_a_record_is_not_done(folder):
    (folder / "out.csv").write_text("out")
    assert make(folder).needs_run()


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: {"parameters": {"lr": 0.2, "sizes": (1, 2), "file": Path("x")}},
        lambda folder: {"parameters": {"lr": 0.1, "sizes": (1, 2), "file": Path("x"), "new": None}},
        lambda folder: {"stage": "toy.other"},
        lambda folder: {"inputs": [folder / "in.csv"]},
        lambda folder: {"outputs": [folder / "out.csv", folder / "more.csv"]},
        lambda folder: (folder / "in.csv").write_text("touched") and {},
        lambda folder: (folder / "images" / "b.jpg").write_text("b") and {},
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
    assert set(found["inputs"]) == {str(folder / "in.csv"), str(folder / "images")}
    assert set(found["outputs"]) == {str(folder / "out.csv")}
    assert found["facts"] == {"f1": 0.5}
    assert found["seconds"] >= 0
    assert {"python", "numpy", "pandas"} <= set(found["versions"])


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ({"lr": 0.1, "sizes": (1, 2), "file": Path("x")}, []),
        ({"lr": 0.2, "sizes": (1, 2), "file": Path("x")}, ["lr"]),
        ({"lr": 0.1, "sizes": (1,), "new": 1}, ["file", "new", "sizes"]),
    ],
)
def test_changed_parameters(folder, now, expected):
    assert make(folder, parameters=now).changed_parameters() == []  # no record yet
    finish(folder)
    assert make(folder, parameters=now).changed_parameters() == expected


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
