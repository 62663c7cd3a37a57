"""What a stage was given and what it wrote: the reason to skip it, and the trail of every output."""

import logging
import math
import platform
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Any

from kuzushiji import __version__
from kuzushiji.content import Contents, Input, by_end
from kuzushiji.errors import InputError, KeptError
from kuzushiji.files import FORMATS, atomic_path, atomic_write_json, read_json, remove_leftovers, sha256_of_file
from kuzushiji.options import as_flag, different_parameters

logger = logging.getLogger(__name__)

RECORD_FORMAT = 1
"""Raised when the record itself changes; what stages write has its own versions, `files.FORMATS`."""

ENDING = ".record.json"
"""Of a record beside the output whose name it bears; those of a folder's run are called `record-PART.json`."""

_PACKAGES = (
    "torch", "torchvision", "timm", "albumentations", "lightgbm", "xgboost", "pandas", "numpy", "pyarrow",
)  # fmt: skip


@dataclass
class StageRecord:
    """The record of one stage's run, kept as JSON beside its outputs.

    Attributes:
        path: The JSON file.
        stage: Name of the stage, such as `segment.train`.
        parameters: Everything that changes the outputs, as JSON values; not the number of workers.
        inputs: Files, and images of folders, that the stage reads; they are compared by their contents.
        outputs: Files that the stage writes.
        options: Class of the config whose `parameters` these are: an option that the record lacks has its default.
        models: Those of the outputs that cost a training: only `--force` replaces them.
        checkpoint: State of a training from which the stage writes its other outputs again without training.
    """

    path: Path
    stage: str
    parameters: Mapping[str, Any]
    inputs: Iterable[Input]
    outputs: Iterable[Path]
    options: type[Any] | None = None
    models: Sequence[Path] = ()
    checkpoint: Path | None = None
    _started: float = field(default_factory=time.monotonic, init=False)

    def needs_run(self, *, force: bool = False) -> bool:
        """Return whether the stage has to run; say that it is skipped, or why it runs where it ran before.

        For whoever holds the lock of the outputs' place: what a killed process left of its temporary files is removed.

        Args:
            force: Whether it runs in any case.

        Raises:
            InputError: an input does not exist, or is not what the stage that made it wrote.
            KeptError: the stage would replace a finished model, and not `force`; names what differs.
        """
        given = self.input_digests()
        for name, digest in given.items():
            _check_origin(Path(name), digest)
        reason = "" if force else self._why_not_done()
        if reason is None:
            logger.info("%s: already done, skipped: %s", self.stage, next(iter(self.outputs), self.path))
            self._note_contents()
            return False
        if not force:
            self._check_models(reason)
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
        return path.is_file() and self._written().get(str(path)) == sha256_of_file(path)

    def differences(self, parameters: Mapping[str, Any], inputs: Mapping[str, str] | None) -> list[str]:
        """Return what an earlier run does not share with this one: parameters by their flags, inputs by their files.

        Args:
            parameters: Of that run.
            inputs: Its `input_digests`, wherever the files lay then; None where they are not known.
        """
        now = _as_json(self.parameters)
        names = self._changed_parameters(_as_json(parameters))
        flags = [f"{as_flag(name)} ({_shown(parameters, name)} there, {_shown(now, name)} now)" for name in names]
        return flags + [f"{name} (another content)" for name in self._contents.changed(inputs or self.input_digests())]

    def forget(self) -> None:
        """Remove the record: the stage is about to replace its outputs over a long time."""
        if self.path.is_file():
            self.path.unlink()

    def input_digests(self) -> dict[str, str]:
        """Return the path and digest of each input, as they were at the first call.

        Raises:
            InputError: an input does not exist.
        """
        return dict(self._contents.digests)

    @cached_property
    def _contents(self) -> Contents:
        return Contents(self.inputs)

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
                known = str(path) in self._written()
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
        if not self.path.exists():
            return ""
        try:
            then = read_json(self.path)
        except InputError as error:
            return str(error)
        now = self._describe()
        if not isinstance(then, dict) or any(then.get(name) != now[name] for name in ("format", "stage", "formats")):
            return f"{self.path} is of another version"
        if not isinstance(then.get("parameters"), dict) or not isinstance(then.get("inputs"), dict):
            return f"{self.path} is damaged"
        parameters, inputs = self._changed_parameters(then["parameters"]), self._contents.changed(then["inputs"])
        if parameters or inputs:
            return f"other {'parameters' if parameters else 'inputs'}: {', '.join(parameters or inputs)}"
        return self._why_outputs_do_not_hold()

    def _changed_parameters(self, then: Mapping[str, Any]) -> list[str]:
        """Return the names of parameters that are other than in an earlier run.

        Infinity, which is no JSON, stood for `auto` in records of the second level: what has it is done.
        """
        before = {name: "auto" if value == math.inf else value for name, value in then.items()}
        return different_parameters(before, _as_json(self.parameters), self.options)

    def _check_models(self, reason: str) -> None:
        """Check that the stage replaces no model, as it does where it can restore its other outputs.

        Raises:
            KeptError: it would, and `reason` is why the stage is not done.
        """
        there = [path for path in (*self.models, self.checkpoint) if path is not None and path.exists()]
        if not self.models or not there or not self.path.exists():
            return  # nothing is lost, or the training never ended: then it looks into the checkpoint
        then, different, restores = self._found(), list[str](), self.checkpoint in there
        if then:
            different = self.differences(then["parameters"], then["inputs"])
            restores = restores and all(map(self.wrote, self.models))
        if different or not restores:
            raise KeptError(there[0], different or [reason])

    def _note_contents(self) -> None:
        """Replace digests of folders' times by those of contents in the record of an earlier version."""
        found = self._found()
        if found and list(found["inputs"].values()) != list(self._contents.digests.values()):
            with suppress(InputError):  # it cannot be written
                atomic_write_json(self.path, {**found, "inputs": self._contents.digests})

    def _why_outputs_do_not_hold(self) -> str | None:
        files = self._written()
        if set(files) != set(map(str, self.outputs)):
            return "it now writes other files"
        for name, digest in files.items():
            if not Path(name).is_file():
                return f"{name} is missing"
            if sha256_of_file(Path(name)) != digest:
                return f"{name} is damaged, or was changed since"
        return None

    def _written(self) -> dict[str, Any]:
        """Return the digests of what the last run of this stage wrote, under the paths that the outputs have now."""
        outputs = self._found().get("outputs")
        return by_end(outputs, map(str, self.outputs)) if isinstance(outputs, dict) else {}

    def _found(self) -> dict[str, Any]:
        """Return the record that the last run of this stage left; empty without one, or where it is damaged."""
        with suppress(InputError):
            found = read_json(self.path)
            if isinstance(found, dict) and found.get("stage") == self.stage:
                return found if all(isinstance(found.get(name), dict) for name in ("parameters", "inputs")) else {}
        return {}


def path_of(output: Path) -> Path:
    """Return the path of the record beside an output, of a stage that has no folder of its own."""
    return output.with_name(output.name + ENDING)


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


def _shown(parameters: Mapping[str, Any], name: str) -> str:
    value = parameters.get(name)
    return "not given" if value is None else str(value)


def _as_json(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _as_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_as_json(item) for item in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)


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
