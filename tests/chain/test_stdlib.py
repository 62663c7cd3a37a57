"""The command line is read, and what is wrong is said, before packages are installed."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


def test_a_dry_run_needs_the_standard_library_alone() -> None:
    command = [sys.executable, "-S", "-m", "kuzushiji.chain", "demo", "--dry-run"]  # -S: without site-packages
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "") and "python -m kuzushiji.report " in done.stdout


def test_what_the_chain_does_after_its_jobs_needs_the_standard_library_alone(tmp_path: Path) -> None:
    """The process that installed the packages goes on without them, with the Python that was there."""
    (tmp_path / "train_images").mkdir()
    (tmp_path / "train_images" / "a.jpg").write_bytes(b"a")
    (tmp_path / "train.csv").write_text("image_id,labels\na,\n")
    modules = [f"kuzushiji.chain.{path.stem}" for path in (ROOT / "kuzushiji" / "chain").glob("[!_]*.py")]
    code = (
        f"import importlib; from pathlib import Path; here = Path({str(tmp_path)!r})\n"
        f"for name in {modules}: importlib.import_module(name)\n"
        "from kuzushiji.chain.begin import is_checked, note_checked\n"
        "note_checked(here, here); assert is_checked(here, here)"
    )
    done = subprocess.run([sys.executable, "-S", "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_shell_holds_lists_and_little_else() -> None:
    others = {"fetch-fonts.sh", "train-reader.sh"}  # of the packaged reader, which no run of the chain needs
    there = {path for path in (ROOT / "scripts").glob("*.sh") if path.name not in others}
    scripts = [ROOT / "run-all.sh", ROOT / "level2.sh", *there]
    assert sum(len(path.read_text(encoding="utf-8").splitlines()) for path in scripts) <= 350
