"""The models that come with the package: exported folders in `kuzushiji/weights`, described by its `index.json`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from kuzushiji.errors import InputError
from kuzushiji.files import read_json, sha256_of_file
from kuzushiji.run_folder import BUNDLE_FILE, VOCABULARY

READER = "reader"
"""The models that read pages where no others are named."""
BOOKS = "books"
"""Models that have seen machine-written books alone, for trainings to start from."""

FOLDER = Path(__file__).parent / "weights"
INDEX = "index.json"
FORMAT = "kuzushiji-readers-1"
_BACKBONE = {"detectors": "backbone", "classifiers": "base"}
"""Where a model's description has its backbone."""
_EXPECTED = "expected a folder of models (of run-all.sh or kuzushiji.export)"


@dataclass(frozen=True)
class PackagedModels:
    """Models that come with the package.

    Attributes:
        name: What `--models` calls them.
        folder: Where they are.
        trained_on: A sentence on the pages of their training.
        licence: Of the weights.
        f1: F1 of characters on pages that training has not seen, by book.
        cer: Character error rate on such pages, by book.
        digest: Of the files, as `bundle.model_files.digest_of` computes it; "" where the index has none.
    """

    name: str
    folder: Path
    trained_on: str = ""
    licence: str = ""
    f1: Mapping[str, float] = field(default_factory=dict)
    cer: Mapping[str, float] = field(default_factory=dict)
    digest: str = ""


def packaged_models(folder: Path | None = None) -> dict[str, PackagedModels]:
    """Return the models that come with the package, by name.

    Args:
        folder: Where they lie; None for the package's own folder.

    Raises:
        InputError: the index is damaged.
    """
    folder = folder or FOLDER
    index = folder / INDEX
    described = _readers_of(index) if index.is_file() else {}
    found = sorted(path.parent for path in folder.glob(f"*/{BUNDLE_FILE}"))
    return {path.name: _described(path, described.get(path.name, {}), index) for path in found}


def models_folder(name: str) -> Path:
    """Return the folder of the models that `--models` names: a name of `packaged_models`, or a path.

    Raises:
        InputError: there are no such models.
    """
    packaged = packaged_models()
    if name in packaged:
        return packaged[name].folder
    path = Path(name)
    if path.is_dir():
        return path
    if name in (READER, BOOKS):
        there = f"{', '.join(packaged)} alone" if packaged else "a package without models"
        raise InputError(
            f"{name}: expected the models of this name that come with the package, got {there}; a folder of models (of "
            "run-all.sh or kuzushiji.export) can be named in their place"
        )
    near = get_close_matches(name, packaged, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    raise InputError(f"{name}: {_EXPECTED}, got none{hint}")


@dataclass(frozen=True)
class StartModel:
    """A model of an exported folder from which a training starts.

    Attributes:
        path: Its weights.
        facts: What `bundle.json` says of it.
        vocabulary: File with the classes of the folder's classifiers.
    """

    path: Path
    facts: Mapping[str, Any]
    vocabulary: Path


def start_model(name: str, kind: str, backbone: str) -> StartModel:
    """Return the first detector or classifier with a backbone in the exported models that `--start` names.

    Args:
        name: As of `models_folder`.
        kind: `detectors` or `classifiers`.
        backbone: Such as `resnet18`.

    Raises:
        InputError: there are no such models, they are not exported ones, are damaged, or have no such model.
    """
    folder = models_folder(name)
    description = folder / BUNDLE_FILE
    if not description.is_file():
        raise InputError(
            f"--start {name}: expected exported models (kuzushiji.export), got a folder without {BUNDLE_FILE}"
        )
    content = read_json(description)
    try:
        found = {item["config"][_BACKBONE[kind]]: item for item in reversed(content[kind])}
        paths = {base: folder / Path(item["file"]).name for base, item in found.items()}
    except (AttributeError, KeyError, TypeError) as error:
        raise InputError(f"{description}: expected a description of models, got a damaged one ({error!r})") from error
    if backbone not in found:
        there = ", ".join(sorted(found)) or "none"
        raise InputError(f"--start {name}: expected one of its {kind} to be of {backbone}, they are of {there}")
    path = paths[backbone]
    if not path.is_file() or sha256_of_file(path) != found[backbone].get("sha256"):
        raise InputError(f"{path}: expected the file that was written with {BUNDLE_FILE}, got none or another")
    return StartModel(path, found[backbone], folder / VOCABULARY)


def _readers_of(index: Path) -> Mapping[str, Any]:
    value = read_json(index)
    if not isinstance(value, dict) or value.get("format") != FORMAT or not isinstance(value.get("readers"), dict):
        raise InputError(f"{index}: expected a description of the package's models ({FORMAT}), got something else")
    readers: Mapping[str, Any] = value["readers"]
    return readers


def _described(folder: Path, facts: Mapping[str, Any], index: Path) -> PackagedModels:
    try:
        scores = {name: {book: float(value) for book, value in facts.get(name, {}).items()} for name in ("f1", "cer")}
        texts = {name: str(facts.get(name, "")) for name in ("trained_on", "licence", "digest")}
    except (AttributeError, TypeError, ValueError) as error:
        raise InputError(f"{index}: expected a description of {folder.name}, got a damaged one ({error})") from error
    if not texts["licence"]:
        content = read_json(folder / BUNDLE_FILE)
        texts["licence"] = str(content.get("licence", "")) if isinstance(content, dict) else ""
    return PackagedModels(folder.name, folder, **texts, f1=scores["f1"], cer=scores["cer"])
