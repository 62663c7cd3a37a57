"""What a stage was given and what it wrote: the reason to skip it, and the trail of every output."""

import logging
import platform
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from kuzushiji.errors import InputError
from kuzushiji.files import atomic_path, atomic_write_json, digest_of_folder, read_json, sha256_of_file

logger = logging.getLogger(__name__)

RECORD_FORMAT = 1
"""Raised when a stage's outputs change meaning: outputs of an older format are made again."""

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
    "kuzushiji",
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

    def is_done(self) -> bool:
        """Return whether the outputs are there, unchanged, made with these parameters from these inputs.

        A missing or damaged record means "not done"; a missing input raises.

        Raises:
            InputError: an input does not exist.
        """
        expected = self._describe()
        if not self.path.exists():
            return False
        try:
            found = read_json(self.path)
        except InputError as error:
            logger.warning("%s; the stage runs again", error)
            return False
        if not isinstance(found, dict) or any(found.get(key) != value for key, value in expected.items()):
            return False
        written = found.get("outputs")
        names = {str(path) for path in self.outputs}
        return (
            isinstance(written, dict)
            and set(written) == names
            and all(Path(name).is_file() and sha256_of_file(Path(name)) == digest for name, digest in written.items())
        )

    def finish(self, **facts: Any) -> None:
        """Write the record: call it once, after the last output is in place.

        Args:
            facts: Further results worth keeping, such as `f1`.
        """
        outputs = {str(path): sha256_of_file(path) for path in self.outputs}
        origin = {"versions": package_versions(), "seconds": round(time.monotonic() - self._started, 1)}
        atomic_write_json(self.path, {**self._describe(), "outputs": outputs, **origin, "facts": facts})

    def wrote(self, path: Path) -> bool:
        """Return whether `path` is just as a run of this stage left it, whatever its parameters and inputs were."""
        if not (self.path.is_file() and path.is_file()):
            return False
        found = read_json(self.path)
        outputs = found.get("outputs") if isinstance(found, dict) and found.get("stage") == self.stage else None
        return isinstance(outputs, dict) and outputs.get(str(path)) == sha256_of_file(path)

    def changed_parameters(self) -> list[str]:
        """Return the names of parameters that are other than in the run that left the record; none without a record."""
        found = read_json(self.path) if self.path.is_file() else None
        then = found.get("parameters") if isinstance(found, dict) else None
        if not isinstance(then, dict):
            return []
        now = _as_json(self.parameters)
        return sorted(name for name in {*then, *now} if name not in then or name not in now or then[name] != now[name])

    def input_digests(self) -> dict[str, str]:
        """Return the path and digest of each input.

        Raises:
            InputError: an input does not exist.
        """
        return {str(path): _digest(path) for path in self.inputs}

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
            same = path.is_file() and sha256_of_file(path) == sha256_of_file(temporary)
            if path.exists() and not (same or force or self.wrote(path)):
                raise InputError(f"{path}: exists and was not written by {self.stage}; --force replaces it")

    def _describe(self) -> dict[str, Any]:
        return {
            "format": RECORD_FORMAT,
            "stage": self.stage,
            "parameters": _as_json(self.parameters),
            "inputs": self.input_digests(),
        }


def package_versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that a result may depend on, those that are installed."""
    versions = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


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
