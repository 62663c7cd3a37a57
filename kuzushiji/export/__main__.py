# PYTHON_ARGCOMPLETE_OK
"""Puts the models of a run into one folder: `python -m kuzushiji.export RUNS OUT`."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kuzushiji import cli
from kuzushiji.errors import InputError
from kuzushiji.options import option
from kuzushiji.stage import Command

if TYPE_CHECKING:
    from kuzushiji.bundle.model_files import ModelFiles


@dataclass(frozen=True)
class ExportConfig:
    """What the command line asks for."""

    runs: Path = option(
        dataclasses.MISSING, "folder of a run (run-all.sh), or an exported one", positional=True, metavar="RUNS"
    )
    output: Path = option(
        dataclasses.MISSING, "folder to write, new or empty: kuzushiji.predict --models OUT reads pages with it alone",
        positional=True, metavar="OUT",
    )  # fmt: skip
    float16: bool = option(False, "store matrices and kernels in 16 bits: half the size")
    int8: bool = option(False, "store them in 8 bits, with a scale a row, in place of that: a quarter of the size")
    level2: bool = option(True, "take the second level and the language along, if they are there")
    force: bool = option(False, "write into OUT whatever is there")
    json: bool = option(False, "print what was written as one JSON object in place of a table")


class Export(Command):
    """Put the detectors, classifiers and the second level of a run into one folder that reads pages alone.

    It holds weights as safetensors, and their description, vocabulary, versions, licences and F1 as JSON. No pickle.
    """

    config: ExportConfig

    def execute(self) -> int:
        """Write the folder and print what is in it."""
        from kuzushiji.bundle.model_files import find_models
        from kuzushiji.files import atomic_folder
        from kuzushiji.locks import hold
        from kuzushiji.run_folder import BUNDLE_FILE

        config = self.config
        files = find_models(config.runs)
        if not config.level2:
            files = dataclasses.replace(files, level2=None, language=None)
        check_output(config)
        # With an old description beside new weights the folder would be read as something that it is not.
        with hold(config.output), atomic_folder(config.output, last=BUNDLE_FILE) as folder:
            description = export(config, files, folder)
        print_summary(description, config)
        return 0


def check_output(config: ExportConfig) -> None:
    """Check that the folder may be written to.

    Raises:
        InputError: it exists and has something in it, is a file, is the run itself, or cannot be made.
    """
    from kuzushiji.files import is_temporary, make_folder

    out = config.output
    if out.exists() and not out.is_dir():
        raise InputError(f"{out}: expected a folder to write to, got a file")
    if out.resolve() == config.runs.resolve():
        raise InputError(f"{out}: expected another folder than that of the models")
    if out.is_dir() and not all(map(is_temporary, out.iterdir())) and not config.force:
        raise InputError(f"{out}: exists and is not empty; --force writes into it")
    make_folder(out.parent)


def export(config: ExportConfig, files: "ModelFiles", folder: Path) -> dict[str, Any]:
    """Write the models into a folder, and return the content of `bundle.json`."""
    from kuzushiji.bundle.model_files import trained_by_machine
    from kuzushiji.bundle.stored import write_bundle
    from kuzushiji.export.licences import CODE, licences_of
    from kuzushiji.record import package_versions

    facts = {
        "versions": package_versions(),
        "machine_written": trained_by_machine(files),
        "licence": CODE,
        "licences": licences_of(files),
    }
    return write_bundle(files, folder, half=config.float16, eight=config.int8, facts=facts)


def print_summary(description: dict[str, Any], config: ExportConfig) -> None:
    """Print what was written."""
    from kuzushiji.terminal import format_table, print_result

    total = sum(path.stat().st_size for path in config.output.rglob("*") if path.is_file())
    if config.json:
        print_result({**description, "bytes": total}, as_json=True)
        return
    rows = [
        (item["name"], f"{(config.output / item['file']).stat().st_size / 1e6:.1f} MB", item["f1"], item["sha256"][:12])
        for item in (*description["detectors"], *description["classifiers"])
    ]
    print(format_table(["model", "size", "F1", "SHA-256"], rows))
    level2 = "with" if description["level2"] else "without"
    print(f"{config.output}: {total / 1e6:.1f} MB, {description['classes']:,} classes, {level2} the second level")


main = Export.main

if __name__ == "__main__":
    cli.run(main)
