"""What a stage was given and what it wrote: the reason to skip it, and the trail of every output."""

import logging
import math
import platform
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Any

from kuzushiji import __version__
from kuzushiji.errors import InputError
from kuzushiji.files import (
    FORMATS,
    atomic_path,
    atomic_write_json,
    digest_of_folder,
    read_json,
    remove_leftovers,
    sha256_of_file,
)

logger = logging.getLogger(__name__)

RECORD_FORMAT = 1
"""Raised when the record itself changes; what stages write has its own versions, `files.FORMATS`."""

ENDING = ".record.json"
"""Of a record beside the output whose name it bears; those of a folder's run are called `record-PART.json`."""

_PACKAGES = (
    "torch",
    "torchvision",
    "timm",
    "albumentations",
    "lightgbm",
    "xgboost",
    "pandas",
    "numpy",
    "pyarrow",
)


@dataclass
class StageRecord:
    """The record of one stage's run, kept as JSON beside its outputs.

    Attributes:
        path: The JSON file.
        stage: Name of the stage, such as `segment.train`.
        parameters: Everything that changes the outputs, as JSON values; not the number of workers.
        inputs: Files (digest of the content) and folders (digest of names, sizes, times) that the stage reads.
        outputs: Files that the stage writes.
    """

    path: Path
    stage: str
    parameters: Mapping[str, Any]
    inputs: Iterable[Path]
    outputs: Iterable[Path]
    _started: float = field(default_factory=time.monotonic, init=False)

    @classmethod
    def of_file(
        cls,
        output: Path,
        stage: str,
        parameters: Mapping[str, Any],
        inputs: Iterable[Path],
        outputs: Iterable[Path] = (),
    ) -> "StageRecord":
        """Return the record, kept beside `output`, of a stage that writes this file and the others of `outputs`."""
        return cls(path_of(output), stage, parameters, inputs, [output, *outputs])

    def needs_run(self, *, force: bool = False) -> bool:
        """Return whether the stage has to run; say that it is skipped, or why it runs where it ran before.

        For whoever holds the lock of the outputs' place: what a killed process left of its temporary files is removed.

        Args:
            force: Whether it runs in any case.

        Raises:
            InputError: an input does not exist, or is not what the stage that made it wrote.
        """
        given = self.input_digests()
        for name, digest in given.items():
            _check_origin(Path(name), digest)
        reason = "" if force else self._why_not_done()
        if reason is None:
            logger.info("%s: already done, skipped: %s", self.stage, next(iter(self.outputs), self.path))
            return False
        if reason:
            logger.info("%s runs again: %s", self.stage, reason)
        for path in (*self.outputs, self.path):
            remove_leftovers(path)
        return True

    def finish(self, **facts: Any) -> None:
        """Write the record: call it once, after the last output is in place.

        The inputs are described as they were when they were first asked for: should one change while the stage reads
        it, the stage is not done.

        Args:
            facts: Further results worth keeping, such as `f1`.
        """
        outputs = {str(path): sha256_of_file(path) for path in self.outputs}
        origin = {"versions": package_versions(), "seconds": round(time.monotonic() - self._started, 1)}
        atomic_write_json(self.path, {**self._describe(), "outputs": outputs, **origin, "facts": facts})

    def wrote(self, path: Path) -> bool:
        """Return whether `path` is just as a run of this stage left it, whatever its parameters and inputs were."""
        outputs = _by_end(self._outputs_of_old(), self._output_names)
        return path.is_file() and outputs.get(str(path)) == sha256_of_file(path)

    def changed_parameters(self) -> list[str]:
        """Return the names of parameters that are other than in the run that left the record; none without a record."""
        found = read_json(self.path) if self.path.is_file() else None
        then = found.get("parameters") if isinstance(found, dict) else None
        return _different(then, _as_json(self.parameters)) if isinstance(then, dict) else []

    def input_digests(self) -> dict[str, str]:
        """Return the path and digest of each input, as they were at the first call.

        Raises:
            InputError: an input does not exist.
        """
        return dict(self._digests)

    @cached_property
    def _digests(self) -> dict[str, str]:
        paths = list(self.inputs)
        with ThreadPoolExecutor() as pool:  # digests are taken without Python's lock
            return dict(zip(map(str, paths), pool.map(_digest, paths), strict=True))

    @contextmanager
    def output_path(self, path: Path, *, force: bool = False) -> Iterator[Path]:
        """As `files.atomic_path`, for outputs at a place that the user names: replaces only what this stage wrote.

        A file without a record that has the very content of the new one is fine too: the stage was stopped after its
        output and before its record.

        Raises:
            InputError: `path` is there and somebody else's, and not `force`.
        """
        with atomic_path(path) as temporary:
            yield temporary
            if path.exists() and not (force or _same_content(path, temporary) or self.wrote(path)):
                known = str(path) in _by_end(self._outputs_of_old(), self._output_names)
                fault = f"is not what {self.stage} wrote there" if known else f"was not written by {self.stage}"
                raise InputError(f"{path}: exists and {fault}; --force replaces it")

    def _describe(self) -> dict[str, Any]:
        suffixes = {path.suffix for path in self.outputs}
        return {
            "format": RECORD_FORMAT,
            "stage": self.stage,
            "parameters": _as_json(self.parameters),
            "inputs": self.input_digests(),
            "formats": {suffix: FORMATS.get(suffix, 1) for suffix in sorted(suffixes)},
        }

    def _why_not_done(self) -> str | None:
        """Return why the stage has to run, empty where it never ran to its end; None when it is done."""
        now = self._describe()
        if not self.path.exists():
            return ""
        try:
            then = read_json(self.path)
        except InputError as error:
            return str(error)
        if not isinstance(then, dict) or any(then.get(name) != now[name] for name in ("format", "stage", "formats")):
            return f"{self.path} is of another version"
        for name in ("parameters", "inputs"):
            if not isinstance(then.get(name), dict):
                return f"{self.path} is damaged"
            old = _by_end(then[name], now[name]) if name == "inputs" else then[name]
            different = _different(old, now[name])
            if different:
                return f"other {name}: {', '.join(different)}"
        return self._why_outputs_do_not_hold(then.get("outputs"))

    def _why_outputs_do_not_hold(self, written: Any) -> str | None:
        files = _by_end(written, self._output_names) if isinstance(written, dict) else {}
        if set(files) != set(self._output_names):
            return "it now writes other files"
        for name, digest in files.items():
            if not Path(name).is_file():
                return f"{name} is missing"
            if sha256_of_file(Path(name)) != digest:
                return f"{name} is damaged, or was changed since"
        return None

    @property
    def _output_names(self) -> list[str]:
        return [str(path) for path in self.outputs]

    def _outputs_of_old(self) -> dict[str, str]:
        """Return the digests of what the last run of this stage wrote; none without its record."""
        found = read_json(self.path) if self.path.is_file() else None
        outputs = found.get("outputs") if isinstance(found, dict) and found.get("stage") == self.stage else None
        return outputs if isinstance(outputs, dict) else {}


def path_of(output: Path) -> Path:
    """Return the path of the record beside an output, as `StageRecord.of_file` names it."""
    return output.with_name(output.name + ENDING)


def same_files(then: Any, now: Mapping[str, str]) -> bool:
    """Return whether `then` is what `input_digests` returns of the files of `now`, wherever they lay."""
    return isinstance(then, Mapping) and _by_end(then, now) == now


def package_versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that a result may depend on, those that are installed."""
    versions = {"python": platform.python_version(), "kuzushiji": __version__}
    for name in _PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def _same_content(path: Path, other: Path) -> bool:
    return path.is_file() and sha256_of_file(path) == sha256_of_file(other)


def _digest(path: Path) -> str:
    if path.is_dir():
        return digest_of_folder(path)
    try:
        return sha256_of_file(path)
    except OSError as error:
        raise InputError(f"{path}: expected an input file, got none ({error.strerror or error})") from error


def _as_json(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _as_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_as_json(item) for item in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def _different(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return the names whose values differ, or that only one of the two has.

    Infinity, which is no JSON, stood for `auto` in records of the second level: what has it is done.
    """
    before = {name: "auto" if value == math.inf else value for name, value in then.items()}
    absent = object()
    return sorted(name for name in {*before, *now} if before.get(name, absent) != now.get(name, absent))


def _by_end(then: Mapping[str, Any], now: Iterable[str]) -> dict[str, Any]:
    """Return `then` with its files under the paths that they have now: a run in a folder that was moved is the same.

    Files are the same by the shortest ends of their paths that tell those of now apart, such as
    `clf-fold0/detailed.parquet` where there are several `detailed.parquet`; what has no counterpart keeps its path.
    """
    names = list(now)
    for length in range(1, max((len(Path(name).parts) for name in names), default=0) + 1):
        ends = {Path(name).parts[-length:]: name for name in names}
        if len(ends) == len(names):
            renamed = [ends.get(Path(name).parts[-length:], name) for name in then]
            return dict(zip(renamed, then.values(), strict=True)) if len({*renamed}) == len(renamed) else {**then}
    return {**then}


def _check_origin(path: Path, digest: str) -> None:
    """Check that a file is as the stage that made it recorded it; what no record beside it names is anybody's.

    Raises:
        InputError: it is damaged, or was changed, or its stage was interrupted while it wrote it anew.
    """
    found: dict[Path, Any] = {}
    for place in sorted([*path.parent.glob("record-*.json"), *path.parent.glob(f"*{ENDING}")]):
        with suppress(InputError):
            content = read_json(place)
            outputs = content.get("outputs") if isinstance(content, dict) else None
            digests = [then for name, then in outputs.items() if Path(name).name == path.name] if outputs else []
            if digests:
                found[place] = (content.get("stage"), digests[0])
    if found and all(then != digest for _, then in found.values()):
        place, (stage, _) = next(iter(found.items()))
        raise InputError(
            f"{path}: expected what {stage} wrote there, got a file that is damaged or was changed since; "
            f"run that stage again, or remove {place} if the change is meant"
        )
