"""The command line of run-all.sh and level2.sh; nothing is trained here."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import zipfile
from functools import cache
from pathlib import Path

import pytest

from kuzushiji.chain.begin import missing_data
from kuzushiji.chain.listing import read_listing
from kuzushiji.chain.plan import used_bytes
from tests.commands import command_of

ROOT = Path(__file__).parent.parent
SCRIPTS = ("run-all.sh", "level2.sh", "tests/run.sh", ".ci/run", *sorted(map(str, (ROOT / "scripts").glob("*.sh"))))


def bash(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run bash in the repository; no GPU is seen, and data come from nowhere."""
    environment = {"CUDA_VISIBLE_DEVICES": "", "KUZUSHIJI_DATA": "no-such-folder", **environment}
    return subprocess.run(
        ["bash", *arguments], cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )


@cache
def planned(profile: str) -> str:
    """What a dry run of the whole chain prints."""
    return bash("run-all.sh", profile, "--dry-run").stdout


def modules_of(out: str) -> list[str]:
    """The modules of the commands that were printed, each once, in order."""
    return list(dict.fromkeys(re.findall(r"^python -m kuzushiji\.([\w.]+)", out, re.MULTILINE)))


def test_stages_in_their_order() -> None:
    done = bash("run-all.sh", "demo", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert modules_of(done.stdout) == [
        "demo", "data.check", "segment.main", "segment.merge", "segment.fuse", "classify.main", "classify.pseudolabel",
        "classify.blend", "classify.level2_features", "classify.level2", "report",
    ]  # fmt: skip


def test_without_test_pages_what_needs_them_is_left_out(tmp_path: Path) -> None:
    data = competition_data(tmp_path / "data")
    for name in ("sample_submission.csv", "unicode_translation.csv"):
        (data / name).unlink()
    (data / "test_images").rmdir()
    assert missing_data(data) == []
    done = bash("run-all.sh", "kaggle", "--dry-run", KUZUSHIJI_DATA=str(data), SPLIT="pages")
    assert done.returncode == 0, done.stderr
    assert modules_of(done.stdout) == [
        "data.check", "pretrained", "segment.main", "segment.merge", "classify.main", "classify.level2_features",
        "classify.level2", "report",
    ]  # fmt: skip
    assert "test_detailed" not in done.stdout and "pseudo" not in "".join(re.findall("--output-dir.*", done.stdout))
    trained = re.findall(r"-m kuzushiji\.\w+\.main .*", done.stdout)
    assert len(trained) == 15 and all(" --split pages " in line for line in trained)


def test_every_model_has_a_folder_of_its_own_fault_4() -> None:
    out = planned("kaggle")
    second = "wsl8d-mt256-frozen"
    kinds = ["", f"-{second}", f"-{second}-pseudo-ft", f"-{second}-pseudo"]
    expected = [f"_runs/clf-fold{fold}{kind}" for kind in kinds for fold in range(5)]
    assert re.findall(r"classify\.main .*--output-dir (\S+)", out) == expected


def test_fine_tuning_starts_from_the_same_folds_second_backbone() -> None:
    out = planned("kaggle")
    found = re.findall(r"--fold (\d) .*--resume _runs/clf-fold(\d)-wsl8d-mt256-frozen/model_best\.pth", out)
    assert found == [(str(fold), str(fold)) for fold in range(5)]


def test_the_kaggle_recipe_is_the_references() -> None:
    out = planned("kaggle")
    lines = {name: line for line in out.splitlines() for name in re.findall(r"--output-dir _runs/(\S+)", line)}
    for name, flags in {
        "segment-fold0": "--epochs 45 --repeat-train-step 2 --batch-size 16 --lr 0.01 --momentum 0.9 --wd 1e-4",
        "clf-fold0": "--base resnet152 --batch-size 10 --lr 14e-3 --epochs 50 --repeat-train 6",
        "clf-fold0-wsl8d-mt256-frozen": "--base resnext101_32x8d_wsl --batch-size 12 --lr 16e-3",
        "clf-fold0-wsl8d-mt256-frozen-pseudo-ft": "--epochs 5 --repeat-train 3 --lr 1.6e-3",
        "clf-fold0-wsl8d-mt256-frozen-pseudo": "--epochs 50 --repeat-train 4",
    }.items():
        assert flags in lines[name]


@pytest.mark.parametrize("profile", sorted(path.stem for path in (ROOT / "profiles").glob("*.env")))
def test_every_command_of_a_profile_is_understood(profile: str) -> None:
    """Each stage's own parser reads what the chain would call it with."""
    for line in planned(profile).splitlines():
        if line.startswith("python -m "):
            _, _, module, *arguments = shlex.split(line)
            command_of(module).parse_args(arguments)


WEIGHTS = {name: f"/no where/{name}.pth" for name in ("SEGMENT_WEIGHTS", "FIRST_WEIGHTS", "SECOND_WEIGHTS")}


@pytest.mark.parametrize("profile", ["kaggle", "modern", "demo", "real"])
def test_weights_from_files_reach_every_new_model(profile: str) -> None:
    """They come in place of a profile's `--start`; fine-tuning goes on from a model of ours.

    `--start` or `--resume` with `--weights` is refused by the stage's own parser.
    """
    given = {}
    for line in bash("run-all.sh", profile, "--dry-run", **WEIGHTS).stdout.splitlines():
        if line.startswith("python -m "):
            _, _, module, *arguments = shlex.split(line)
            config = command_of(module).parse_args(arguments)
            if module.endswith(".main"):
                kind = re.sub(r"fold\d", "", config.output_dir.name)
                given.setdefault(kind, set()).add(config.weights)
    second = next(kind.removesuffix("-pseudo-ft") for kind in given if kind.endswith("-pseudo-ft"))
    assert given == {
        "segment-": {WEIGHTS["SEGMENT_WEIGHTS"]}, "clf-": {WEIGHTS["FIRST_WEIGHTS"]},
        second: {WEIGHTS["SECOND_WEIGHTS"]}, f"{second}-pseudo": {WEIGHTS["SECOND_WEIGHTS"]},
        f"{second}-pseudo-ft": {None},
    }  # fmt: skip


PRETRAINED = "python -m kuzushiji.pretrained "


def needed(*arguments: str, **environment: str) -> list[str]:
    """The weights that a dry run would fetch or look into."""
    out = bash("run-all.sh", *arguments, "--dry-run", **environment).stdout
    return [word for line in out.splitlines() if line.startswith(PRETRAINED) for word in shlex.split(line)[3:]]


def test_weights_are_looked_for_before_the_first_training(tmp_path: Path) -> None:
    kaggle = ["fasterrcnn_resnet152_fpn", "resnet152", "resnext101_32x8d_wsl"]
    assert needed("kaggle", RUNS=str(tmp_path)) == kaggle
    assert needed("kaggle", "--fold", "3", RUNS=str(tmp_path)) == kaggle
    assert needed("kaggle", "--stage", "weights", RUNS=str(tmp_path)) == kaggle
    assert needed("kaggle", RUNS=str(tmp_path), FIRST_WEIGHTS="w.pth") == [kaggle[0], "resnet152=w.pth", kaggle[2]]
    assert needed("demo", RUNS=str(tmp_path)) == needed("tiny", RUNS=str(tmp_path)) == []  # packaged, and none
    assert needed("demo", RUNS=str(tmp_path), SECOND_WEIGHTS="w.pth") == ["resnet18=w.pth"]
    modules = modules_of(planned("kaggle"))
    assert modules.index("pretrained") < modules.index("segment.main")


def test_weights_of_models_that_are_trained_are_not_needed(tmp_path: Path) -> None:
    for name in ("segment-fold0", "clf-fold0", "clf-fold0-wsl8d-mt256-frozen"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "record-train.json").touch()
    one_fold = ("kaggle", "--fold", "0")
    assert needed(*one_fold, RUNS=str(tmp_path)) == ["resnext101_32x8d_wsl"]  # for the one with pseudolabels
    assert len(needed(*one_fold, "--force", RUNS=str(tmp_path))) == len(needed("kaggle", RUNS=str(tmp_path))) == 3


def test_a_missing_file_of_weights_is_named_before_anything_starts(tmp_path: Path) -> None:
    data, runs = competition_data(tmp_path / "data"), tmp_path / "runs"
    done = bash("run-all.sh", "kaggle", KUZUSHIJI_DATA=str(data), RUNS=str(runs), SECOND_WEIGHTS="wsl.pth", DISK_GB="0")
    assert (done.returncode, done.stderr) == (
        2,
        "bash run-all.sh: error: SECOND_WEIGHTS: expected a file of weights, got wsl.pth (--help lists all)\n",
    )
    assert not runs.exists()


def test_one_fold_goes_as_far_as_its_inputs_are_there(tmp_path: Path) -> None:
    out = bash("run-all.sh", "demo", "--dry-run", "--fold", "1", RUNS=str(tmp_path)).stdout
    assert re.findall(r"--fold (\d)", out) == ["1"]
    assert f"classify needs {tmp_path}/segment_clf_gt.csv" in out
    (tmp_path / "segment_clf_gt.csv").touch()
    (tmp_path / "pseudolabels.csv.gz").touch()
    out = bash("run-all.sh", "demo", "--dry-run", "--fold", "1", RUNS=str(tmp_path)).stdout
    assert re.findall(r"--fold (\d)", out) == ["1"] * 5


def test_one_stage() -> None:
    out = bash("run-all.sh", "demo", "--dry-run", "--stage", "classify", "--fold", "2").stdout
    assert re.findall(r"--output-dir (\S+) --fold (\d)", out) == [("_runs/demo/clf-fold2", "2")]


@pytest.mark.parametrize(("given", "processes"), [("2", "2"), ("all", "2")])
def test_a_fold_on_several_gpus_is_started_by_torchrun(given: str, processes: str) -> None:
    run = bash("run-all.sh", "kaggle", "--dry-run", "--gpus-per-job", given, CUDA_VISIBLE_DEVICES="0,1")
    started = re.findall(
        r"^python -m torch\.distributed\.run .*--nproc_per_node (\d) -m (\S+)", run.stdout, re.MULTILINE
    )
    assert set(started) == {(processes, "kuzushiji.segment.main"), (processes, "kuzushiji.classify.main")}
    assert "\npython -m kuzushiji.segment.merge" in run.stdout  # what does not train is one process


def test_level2_alone_is_the_stage_of_the_chain() -> None:
    of_the_chain = bash("run-all.sh", "demo", "--dry-run", "--stage", "level2").stdout
    assert bash("level2.sh", "demo", "--dry-run").stdout == of_the_chain != ""


@pytest.mark.parametrize("script", ["run-all.sh", "level2.sh"])
def test_without_a_profile_the_data_are_the_competitions(script: str) -> None:
    assert bash(script, "--dry-run").stdout == bash(script, "kaggle", "--dry-run").stdout != ""


def test_the_plan_of_a_run_on_the_competitions_data_has_hours_and_disk() -> None:
    out = planned("kaggle")
    assert re.search(r"pseudo +5 runs x +22\.0 h = +109\.8 h +43\.5 h", out)
    assert re.search(r"together +371\.1 h of GPU", out)
    assert re.search(r"disk: about 30 GB for all folds below _runs/; free there: \d+ GB", out)


def test_the_plan_is_that_of_the_fold_and_the_stage() -> None:
    fold = bash("run-all.sh", "kaggle", "--fold", "2", "--dry-run").stdout
    assert fold.startswith("The plan: 1 of 5 folds")
    assert re.search(r"pseudo +1 runs x +22\.0 h = +22\.0 h", fold) and re.search(r"together +74\.2 h of GPU", fold)
    stage = bash("run-all.sh", "kaggle", "--stage", "classify-second", "--dry-run").stdout
    assert re.findall(r"^  (\S+) +5 runs x +15\.6 h = +78\.0 h", stage, re.MULTILINE) == ["classify-second"]
    assert " runs x " not in stage.replace("5 runs x  15.6 h", "") and "together" not in stage
    assert "The plan" not in bash("run-all.sh", "kaggle", "--stage", "level2", "--dry-run").stdout
    assert "one fold's part of it" in bash("run-all.sh", "demo", "--fold", "1", "--dry-run").stdout


def test_a_plan_says_that_the_disk_would_not_do() -> None:
    assert "too little, it would not start" in bash("run-all.sh", "kaggle", "--dry-run", DISK_GB="9000000").stdout
    assert "too little" not in bash("run-all.sh", "kaggle", "--dry-run", DISK_GB="0").stdout


def test_the_first_classifier_needs_more_memory_than_the_others() -> None:
    """The reference trained it on P100 cards because it needed 16 GB; a card with 11 GB ends in the second stage."""
    said = planned("kaggle")
    assert "GPU memory: 16 GB for the first classifier (clf), 11 GB for the others" in said
    for path in ("docs/kaggle.rst", "profiles/kaggle.env"):
        text = " ".join((ROOT / path).read_text(encoding="utf-8").replace("#", "").split())
        assert "16 GB for the first backbone" in text and "GPU with 11 GB or more" not in text


def test_a_dry_run_has_minutes_and_disk_of_books_that_the_machine_writes() -> None:
    out = planned("demo")
    hours = float(re.search(r"^HOURS=(\S+)", (ROOT / "profiles" / "demo.env").read_text(encoding="utf-8"), re.M)[1])
    assert f"about {hours * 60:.0f} minutes on two cores (measured)" in out
    assert "disk: about 2 GB for all folds below _runs/demo/" in out
    assert "about 84 minutes on two cores" in planned("fullsize")


def test_hours_that_a_plan_calls_measured_are_measured() -> None:
    for profile in (ROOT / "profiles").glob("*.env"):
        hours = [line for line in profile.read_text().splitlines() if line.startswith("HOURS=")]
        assert all("measured" in line for line in hours), profile


def test_the_hours_of_the_modern_profile_are_marked_as_estimated() -> None:
    """The reference's hours by what its own training multiplies, as benchmarks/multiplications.py counted."""
    out = planned("modern")
    assert out.startswith("The plan: 5 of 5 folds; hours ESTIMATED") and "none is measured" in out
    gigabytes = re.search(r"DISK_GB:-(\d+)", (ROOT / "profiles" / "modern.env").read_text(encoding="utf-8"))
    assert gigabytes and f"disk: about {gigabytes[1]} GB for all folds below _runs/modern/" in out
    counted = json.loads((ROOT / "benchmarks" / "results" / "multiplications.json").read_text())["stages"]
    of_2019 = {"segment": 37.0, "classify": 137.7, "classify-second": 78.0, "pseudo": 109.8, "pseudo-ft": 8.6}
    printed = dict(re.findall(r"^  (\S+) +5 runs x +[\d.]+ h = +([\d.]+) h", out, re.MULTILINE))
    assert printed.keys() == of_2019.keys()
    for stage, hours in of_2019.items():
        assert float(printed[stage]) == pytest.approx(hours * counted[stage]["share"], abs=0.1)


def copied_checkout(tmp_path: Path) -> Path:
    """A checkout with profiles of its own."""
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    for name in ("run-all.sh", "level2.sh", "scripts", "_runs", "kuzushiji"):
        (checkout / name).symlink_to(ROOT / name)
    shutil.copytree(ROOT / "profiles", checkout / "profiles")
    return checkout


def test_a_profile_of_ones_own_has_no_hours(tmp_path: Path) -> None:
    checkout = copied_checkout(tmp_path)
    own = (ROOT / "profiles" / "modern.env").read_text(encoding="utf-8")
    (checkout / "profiles" / "own.env").write_text(re.sub(r"(?m)^HOURS_SHARE.*\n", "", own), encoding="utf-8")
    out = bash(str(checkout / "run-all.sh"), "own", "--dry-run").stdout
    assert "the hours of the profile own are not known" in out and "h of GPU" not in out


@pytest.mark.parametrize("arguments", [["tiny"], ["tiny", "--stage", "check"], ["kaggle"]])
def test_too_little_disk_is_said_before_anything_starts(arguments: list[str], tmp_path: Path) -> None:
    data = competition_data(tmp_path / "data")
    runs = tmp_path / "runs"
    done = bash("run-all.sh", *arguments, RUNS=str(runs), KUZUSHIJI_DATA=str(data), DISK_GB="9000000")
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: too little disk: about 9000000 GB are needed below {runs}/, ")
    assert done.stderr.count("\n") == 1 and not runs.exists()


def test_the_disk_that_other_profiles_use_is_not_this_runs(tmp_path: Path) -> None:
    """The folder of `kaggle` is `_runs`, in which those of the others lie."""
    mib = {"segment-fold0": 1, "clf-fold1-wsl": 2, "strips": 4, "demo": 64, "modern": 64, "reference": 64}
    for name, size in mib.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_bytes(b"x" * (size << 20))
    (tmp_path / "segment_clf_gt.csv").write_bytes(b"x" * (8 << 20))
    assert 15 << 20 <= used_bytes(tmp_path) < 16 << 20
    assert used_bytes(tmp_path / "none") == 0


def competition_data(folder: Path, without: str = "") -> Path:
    """Empty files and folders with the names of the competition's data."""
    folder.mkdir()
    for name in ("train.csv", "sample_submission.csv", "unicode_translation.csv"):
        (folder / name).touch()
    for name in ("train_images", "test_images"):
        (folder / name).mkdir()
    if without:
        path = folder / without
        path.rmdir() if path.is_dir() else path.unlink()
    return folder


@pytest.mark.parametrize("missing", ["train.csv", "sample_submission.csv", "train_images", "test_images"])
def test_what_is_missing_of_the_competitions_data_is_named(missing: str, tmp_path: Path) -> None:
    data = competition_data(tmp_path / "data", missing)
    done = bash("run-all.sh", "kaggle", KUZUSHIJI_DATA=str(data))
    slash = "/" if missing.endswith("images") else ""
    assert done.returncode == 2 and done.stdout == ""
    assert f"error: The competition's data are not in {data}/: expected {missing}{slash} there too\n" in done.stderr


@pytest.mark.parametrize("archive", ["kuzushiji-recognition.zip", "train_images.zip"])
def test_an_archive_that_is_not_unpacked_is_named(archive: str, tmp_path: Path) -> None:
    data = competition_data(tmp_path / "data", "train_images")
    (data / archive).touch()
    done = bash("run-all.sh", "kaggle", KUZUSHIJI_DATA=str(data))
    assert done.returncode == 2
    assert f"{data}/{archive} is there, but not unpacked:\n" in done.stderr
    assert "download" not in done.stderr and "account" not in done.stderr  # what is there already
    assert ("unzip -q kuzushiji-recognition.zip" in done.stderr) == (archive == "kuzushiji-recognition.zip")


def test_what_is_told_to_unpack_unpacks(tmp_path: Path) -> None:
    """The archive has one of each folder of images in it, beside the tables."""
    data = tmp_path / "the data"
    data.mkdir()
    with zipfile.ZipFile(data / "kuzushiji-recognition.zip", "w") as whole:
        for name in ("train.csv", "sample_submission.csv", "unicode_translation.csv"):
            whole.writestr(name, "")
        for name in ("train_images", "test_images"):
            with zipfile.ZipFile(tmp_path / "inner.zip", "w") as inner:
                inner.writestr("page.jpg", "")
            whole.write(tmp_path / "inner.zip", f"{name}.zip")
    told = bash("run-all.sh", "kaggle", KUZUSHIJI_DATA=str(data)).stderr
    command = told[told.index("  (cd ") : told.index("  bash run-all.sh")]
    script = command.replace("unzip -q $name.zip -d", f"{sys.executable} -m zipfile -e $name.zip")
    script = script.replace(
        "unzip -q kuzushiji-recognition.zip", f"{sys.executable} -m zipfile -e kuzushiji-recognition.zip ."
    )
    assert bash("-c", script).returncode == 0
    assert (data / "test_images" / "page.jpg").is_file()
    assert "The competition's data are not in" not in bash("run-all.sh", "kaggle", "--dry-run").stderr
    assert missing_data(data) == []


@pytest.mark.parametrize("inside", ["kuzushiji-recognition", "downloads/kuzushiji recognition"])
def test_data_in_a_folder_below_are_to_be_moved_up(inside: str, tmp_path: Path) -> None:
    data = tmp_path / "data"
    (data / inside).parent.mkdir(parents=True)
    competition_data(data / inside)
    done = bash("run-all.sh", "kaggle", KUZUSHIJI_DATA=str(data))
    below = shlex.quote(f"{data}/{inside}")
    assert done.returncode == 2 and f"They are in {below}/: move them up" in done.stderr
    assert f"  mv {below}/* {data}/\n" in done.stderr and "download -c" not in done.stderr
    bash("-c", f"mv {below}/* {data}/")
    assert missing_data(data) == []


def test_another_competitions_table_is_told_by_its_columns(tmp_path: Path) -> None:
    """Its data may have no folders of images; more must not be downloaded over them."""
    (tmp_path / "train.csv").write_text("PassengerId,Survived,Pclass\r\n1,0,3\r\n")
    (tmp_path / "sample_submission.csv").write_text("PassengerId,Survived\n")
    done = bash("run-all.sh", "kaggle", KUZUSHIJI_DATA=str(tmp_path))
    assert done.returncode == 2
    assert f"{tmp_path}/train.csv is another competition's: expected the columns image_id,labels, got " in done.stderr
    assert "got PassengerId,Survived,Pclass\n" in done.stderr and "-p kuzushiji-data\n" in done.stderr
    (tmp_path / "train.csv").write_text("\ufeffimage_id,labels\r\n", encoding="utf-8")
    assert "another competition" not in bash("run-all.sh", "kaggle", KUZUSHIJI_DATA=str(tmp_path)).stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run-all.sh"], "kaggle competitions download -c kuzushiji-recognition"),  # no data, no profile
        (["run-all.sh", "kaggle"], "error: The competition's data are not in no-such-folder/: expected train.csv"),
        (["run-all.sh", "nope"], "no profile nope; there are: demo "),
        (["run-all.sh", "demo", "tiny"], "unrecognized arguments: tiny"),
        (["run-all.sh", "demo", "--nope"], "unrecognized arguments: --nope"),
        (["run-all.sh", "demo", "--forse"], "did you mean --force?"),
        (["run-all.sh", "demo", "--fold"], "argument --fold: expected one argument"),
        (
            ["run-all.sh", "demo", "--fold", "3"],
            "bash run-all.sh: error: --fold: expected 0 to 2 with this profile, got 3 (--help lists all)\n",
        ),
        (["run-all.sh", "demo", "--fold", "x"], "argument --fold: expected a whole number of at least 0, got 'x'"),
        (["run-all.sh", "demo", "--stage", "nope"], "--stage: expected one of books check weights segment"),
        (["run-all.sh", "demo", "--stage", "merge", "--fold", "1"], "--fold: merge is of all folds together"),
        (["run-all.sh", "demo", "--jobs", "0"], "argument --jobs: expected a whole number of at least 1, got 0"),
        (
            ["run-all.sh", "demo", "--gpus-per-job", "0"],
            "argument --gpus-per-job: expected a whole number of at least 1 or all, got 0",
        ),
        (["run-all.sh", "demo", "--gpus-per-job", "2"], "--gpus-per-job: expected at most the 0 GPUs of this machine"),
        (["run-all.sh", "demo", "--gpus-per-job", "all", "--executor", "slurm"], "expected a number with --executor"),
        (
            ["level2.sh", "demo", "--fold", "1"],
            "bash level2.sh: error: --fold is an option of run-all.sh (--help lists all)\n",
        ),
        (["level2.sh", "demo", "--stage", "report"], "--stage: expected one of level2, got report"),
    ],
)
def test_bad_usage_is_told_and_leaves_with_2(arguments: list[str], message: str) -> None:
    done = bash(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr


@pytest.mark.parametrize("script", ["run-all.sh", "level2.sh"])
def test_help_names_the_options_that_are_understood(script: str) -> None:
    done = bash(script, "--help")
    assert done.returncode == 0 and done.stdout.startswith(f"usage: bash {script} [options] [PROFILE]\n")
    for option in (
        "--fold K",
        "--stage NAME",
        "--force",
        "--dry-run",
        "--jobs N",
        "--gpus-per-job N|all",
        "--executor",
    ):
        assert option in done.stdout


def test_help_names_every_stage() -> None:
    said = " ".join(bash("run-all.sh", "--help", COLUMNS="300").stdout.split())
    listing = read_listing("run-all.sh", "tiny", {})
    assert f"only this stage: {', '.join(stage.name for stage in listing.stages)} --force" in said


def test_the_profile_may_stand_behind_the_flags() -> None:
    after, before = (
        [line for line in bash("run-all.sh", *words).stdout.splitlines() if line.startswith("python")]
        for words in (["--dry-run", "--force", "demo"], ["demo", "--force", "--dry-run"])
    )
    assert after == before != []


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("DISK_GB", "much", "a number of at least 0"),
        ("JOBS", "0", "a whole number of at least 1"),
        ("JOB_GPUS", "some", "a whole number of at least 1 or all"),
    ],
)
def test_a_variable_that_is_no_number_is_named(variable: str, value: str, expected: str) -> None:
    done = bash("run-all.sh", "demo", "--dry-run", **{variable: value})
    assert done.returncode == 2 and f"error: {variable}: expected {expected}, got " in done.stderr


def test_a_profile_that_lacks_a_variable_is_named(tmp_path: Path) -> None:
    checkout = copied_checkout(tmp_path)
    (checkout / "profiles" / "own.env").write_text("RUNS=_runs/own\nDATA_ROOT=data\n")
    done = bash(str(checkout / "run-all.sh"), "own", "--dry-run")
    assert (done.returncode, done.stderr) == (1, "error: profiles/own.env: expected it to set N_FOLDS\n")


@pytest.mark.parametrize(
    ("profile", "gpus", "told"),
    [
        ("modern", "8", "clf-fold0 divides --max-targets among its GPUs, expected a multiple of 256, got 384"),
        ("modern", "3", "segment-fold0 divides --batch-size among its GPUs, expected a multiple of 3, got 16"),
        ("modern", "4", ""),
        ("kaggle", "4", "clf-fold0 divides --batch-size among its GPUs, expected a multiple of 4, got 10"),
        ("kaggle", "2", ""),
    ],
)
def test_batches_that_gpus_cannot_share_are_refused_before_anything_begins(profile: str, gpus: str, told: str) -> None:
    done = bash("run-all.sh", profile, "--dry-run", "--gpus-per-job", gpus, CUDA_VISIBLE_DEVICES="0,1,2,3,4,5,6,7")
    assert done.returncode == (2 if told else 0)
    assert done.stderr == (
        f"bash run-all.sh: error: --gpus-per-job {gpus}: {told} (--help lists all)\n" if told else ""
    )


def test_profiles_only_set_variables() -> None:
    for profile in (ROOT / "profiles").glob("*.env"):
        text = re.sub(r"\([^()]*\)", "()", re.sub(r"#.*", "", profile.read_text(encoding="utf-8")))
        assert all(re.fullmatch(r"[A-Z0-9_]+=\S*", line) for line in map(str.strip, text.split("\n")) if line), profile


@pytest.mark.skipif(not shutil.which("shellcheck"), reason="shellcheck is not installed")
def test_shellcheck_finds_nothing() -> None:
    done = subprocess.run(["shellcheck", "-x", *SCRIPTS], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_without_a_python_that_is_new_enough_there_is_one_line(tmp_path: Path) -> None:
    command = [
        shutil.which("bash") or "bash",
        "-c",
        f"source {ROOT}/scripts/environment.sh; find_environment {tmp_path}",
    ]
    done = subprocess.run(command, env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "error: Python >= 3.10 is needed, and none was found on PATH\n")
