"""Which models a folder has: of a run (`segment-fold*`, `clf-fold*`, `level2_models`) or exported. Knows no torch."""

import hashlib
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kuzushiji.data.paths import DataRoot
from kuzushiji.errors import InputError
from kuzushiji.files import read_json, sha256_of_file
from kuzushiji.record import ENDING, path_of
from kuzushiji.run_folder import (
    BUNDLE_FILE,
    FUSED,
    LANGUAGE,
    LEVEL2,
    LEVEL2_FILE,
    MODEL_BEST,
    PARAMS,
    READING,
    SEGMENT,
    ModelName,
    kinds_of,
)
from kuzushiji.segment.joining import Fusion

FORMAT = "kuzushiji-bundle-1"
_FEATURES = f"level2_features*fold*{ENDING}"


@dataclass(frozen=True)
class ClassifierFile:
    """A trained classifier.

    Attributes:
        kind: Of model, such as `clf-resnet10t`: the folder's name without its fold.
        fold: That it has not seen.
        path: Its weights.
    """

    kind: str
    fold: int
    path: Path

    @property
    def name(self) -> str:
        """Name of its folder or file, without an ending."""
        return ModelName(self.kind, self.fold).folder


@dataclass(frozen=True)
class ModelFiles:
    """The models of a folder.

    Attributes:
        folder: The folder.
        detectors: Weights of the detectors, by fold.
        classifiers: Of the classifiers, by kind and fold; the kinds in the order in which the second level knows them.
        level2: Folder of the second level; None where there is none.
        language: Counts of pairs of characters; None where there are none.
        fusion: How boxes are fused.
        description: Content of `bundle.json`; None for a folder of a run.
        character_size: As of `bundle.members.Bundle`.
    """

    folder: Path
    detectors: tuple[Path, ...]
    classifiers: tuple[ClassifierFile, ...]
    level2: Path | None
    language: Path | None
    fusion: Fusion
    description: dict[str, Any] | None
    character_size: float | None = None

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kinds of classifiers, in order."""
        return tuple(dict.fromkeys(item.kind for item in self.classifiers))

    def paths(self) -> list[Path]:
        """Return every file that decides what is read."""
        level2 = [self.level2 / LEVEL2_FILE] if self.level2 else []
        return [*self.detectors, *(item.path for item in self.classifiers), *level2, *filter(None, [self.language])]


def find_models(folder: Path) -> ModelFiles:
    """Return the models in a run folder or in a folder that `kuzushiji.export` wrote.

    Raises:
        InputError: there is no such folder; it lacks a detector or a classifier; a file of an exported folder is
            missing or says something else.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: expected a folder of models (of run-all.sh or kuzushiji.export), got none")
    return _exported(folder) if (folder / BUNDLE_FILE).exists() else _of_run(folder)


def params_of(folder: Path) -> dict[str, Any]:
    """Return the parameters of a run; none where it has left no params.json."""
    path = folder / PARAMS
    value = read_json(path) if path.is_file() else {}
    return value if isinstance(value, dict) else {}


def trained_by_machine(files: ModelFiles) -> bool:
    """Return whether the models have seen machine-written pages alone; False where that is not known."""
    if files.description is not None:
        return files.description.get("machine_written") is True
    roots = [params_of(path.parent).get("data_root") for path in files.detectors]
    return all(root and DataRoot(Path(root)).written_by_machine for root in roots)


def digest_of(paths: Iterable[Path]) -> str:
    """Return 16 hexadecimal digits that differ where the content of the files does."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(sha256_of_file(path).encode())
    return digest.hexdigest()[:16]


def _of_run(folder: Path) -> ModelFiles:
    trained = [path / MODEL_BEST for path in sorted(folder.iterdir()) if (path / MODEL_BEST).is_file()]
    named = [(name, path) for path in trained if (name := ModelName.of_folder(path.parent.name))]
    detectors = [(name.fold, path) for name, path in named if name.kind == SEGMENT]
    classifiers = [ClassifierFile(name.kind, name.fold, path) for name, path in named if not name.is_detector]
    _check_any(folder, "detector", "segment-fold*", detectors)
    _check_any(folder, "classifier", "clf-fold*", classifiers)
    level2 = folder / LEVEL2 if (folder / LEVEL2 / LEVEL2_FILE).is_file() else None
    kinds = _kinds_of_level2(folder) if level2 else ()
    place = {kind: number for number, kind in enumerate(kinds)}
    classifiers.sort(key=lambda item: (place.get(item.kind, len(place)), item.kind, item.fold))
    return ModelFiles(
        folder=folder,
        detectors=tuple(path for _, path in sorted(detectors)),
        classifiers=tuple(classifiers),
        level2=level2,
        language=folder / LANGUAGE if (folder / LANGUAGE).is_file() else None,
        fusion=_fusion_of(folder),
        description=None,
        character_size=_character_size(folder / READING) if (folder / READING).is_file() else None,
    )


def _exported(folder: Path) -> ModelFiles:
    path = folder / BUNDLE_FILE
    value = read_json(path)
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        raise InputError(f"{path}: expected a description of models ({FORMAT}), got something else")
    try:
        detectors = tuple(folder / _plain(item["file"]) for item in value["detectors"])
        classifiers = tuple(
            ClassifierFile(item["kind"], int(item["fold"]), folder / _plain(item["file"]))
            for item in value["classifiers"]
        )
        level2 = folder / LEVEL2 if value["level2"] else None
        language = folder / LANGUAGE if value.get("language") else None
        fusion = Fusion(**value["fusion"])
    except (KeyError, TypeError, ValueError) as error:
        expected = f"expected a description of models ({FORMAT})"
        raise InputError(f"{path}: {expected}, got a damaged one ({error!r})") from error
    files = ModelFiles(folder, detectors, classifiers, level2, language, fusion, value, _character_size(path))
    _check_any(folder, "detector", "a detector's weights", detectors)
    _check_any(folder, "classifier", "a classifier's weights", classifiers)
    missing = [item for item in files.paths() if not item.is_file()]
    if missing:
        raise InputError(f"{missing[0]}: expected the file that {BUNDLE_FILE} names, it is missing")
    return files


def _check_any(folder: Path, what: str, pattern: str, found: Iterable[object]) -> None:
    if not any(True for _ in found):
        weights = f"{pattern}/{MODEL_BEST}" if "*" in pattern else pattern
        raise InputError(f"{folder}: expected at least one {what} ({weights}), got none")


def _character_size(path: Path) -> float | None:
    value = read_json(path)
    size = value.get("character_size") if isinstance(value, dict) else 0
    if size is None:
        return None
    if not isinstance(size, int | float) or not 0 < size < 1:
        raise InputError(f"{path}: expected a character_size between 0 and 1, got {size!r}")
    return float(size)


def _plain(name: str) -> str:
    """Return a file's name; ValueError where it would lead out of its folder."""
    if not name or Path(name).name != name:
        raise ValueError(f"{name!r} is no name of a file")
    return name


def _kinds_of_level2(folder: Path) -> tuple[str, ...]:
    """Return the kinds of models in the order of the second level's groups; empty where nothing tells.

    Its own file does, but for those that were trained before it did: then the record of its features.
    """
    with suppress(InputError):  # of a damaged file it is told where it is loaded
        found = read_json(folder / LEVEL2 / LEVEL2_FILE)
        if isinstance(found, dict) and isinstance(kinds := found.get("kinds"), list) and kinds:
            return tuple(map(str, kinds))
    for record in sorted(folder.glob(_FEATURES)):
        kinds = kinds_of(read_json(record).get("parameters", {}).get("groups", []))
        if kinds:
            return kinds
    return ()


def _fusion_of(folder: Path) -> Fusion:
    record = path_of(folder / FUSED)
    found = read_json(record).get("parameters", {}) if record.is_file() else {}
    return Fusion(**{name: value for name, value in found.items() if name in Fusion.__dataclass_fields__})
