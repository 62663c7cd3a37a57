"""Models as they lie in files: checkpoints of a run, or safetensors of an exported folder, which are written here."""

import dataclasses
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from detection.faster_rcnn import DetectorConfig
from kuzushiji.artifacts import N_BEST
from kuzushiji.bundle.members import (
    ClassifierSpec,
    DetectorSpec,
    StoredClassifier,
    StoredDetector,
)
from kuzushiji.bundle.model_files import FORMAT, ClassifierFile, ModelFiles, params_of
from kuzushiji.classify.classifier import read_classifier_state
from kuzushiji.classify.config import heights_of
from kuzushiji.classify.level2.pairs import read_pairs, write_pairs
from kuzushiji.classify.level2.saving import load_model
from kuzushiji.classify.network import ModelConfig
from kuzushiji.data.vocabulary import read_vocabulary, write_vocabulary
from kuzushiji.engine.weights import in_8_bits, read_state
from kuzushiji.errors import InputError
from kuzushiji.files import atomic_path, atomic_write_json, read_json, sha256_of_file
from kuzushiji.run_folder import BUNDLE_FILE, LANGUAGE, LEVEL2, LEVEL2_FILE, METRICS_OOF, VOCABULARY
from kuzushiji.segment.config import SegmentConfig
from kuzushiji.segment.detector import detector_config, read_model

_ENDING = ".safetensors"


def read_detector(files: ModelFiles, path: Path) -> StoredDetector:
    """Read a detector of a run or of an exported folder.

    Raises:
        InputError: the file is missing, damaged, or something else.
    """
    if files.description is not None:
        facts = _facts_of(files, path, "detectors")
        with _described(path):
            spec = DetectorSpec(
                name=facts["name"],
                config=DetectorConfig.from_json(facts["config"]),
                long_sides=tuple(facts["long_sides"]),
                opt_level=facts["opt_level"],
                f1=facts["f1"],
            )
        return StoredDetector(spec, read_state(path), path)
    stored = read_model(path)
    adopted = stored.adopt_for_inference(SegmentConfig(output_dir=path.parent))
    spec = DetectorSpec(
        name=path.parent.name,
        config=detector_config(adopted),
        long_sides=adopted.inference_long_sides,
        opt_level=adopted.opt_level,
        f1=_f1_of(path.parent),
    )
    return StoredDetector(spec, stored.state, path)


def read_classifiers(files: ModelFiles) -> Iterator[StoredClassifier]:
    """Yield the classifiers of a folder, one after the other: their weights need not lie in memory together.

    Raises:
        InputError: as `read_classifier`; one has other classes than the first.
    """
    vocabulary = None
    for item in files.classifiers:
        stored = read_classifier(files, item)
        vocabulary = vocabulary or stored.vocabulary
        vocabulary.check_same(stored.vocabulary, item.path, files.classifiers[0].path)
        yield stored


def read_classifier(files: ModelFiles, item: ClassifierFile) -> StoredClassifier:
    """Read a classifier of a run or of an exported folder.

    Raises:
        InputError: the file is missing, damaged, or something else.
    """
    if files.description is not None:
        facts = _facts_of(files, item.path, "classifiers")
        with _described(item.path):
            values = {**facts, "config": ModelConfig(**facts["config"]), "heights": tuple(facts["heights"])}
            spec = ClassifierSpec(**{field.name: values[field.name] for field in dataclasses.fields(ClassifierSpec)})
        vocabulary = read_vocabulary(files.folder / VOCABULARY)
        return StoredClassifier(spec, vocabulary, read_state(item.path), item.path)
    config, vocabulary, test_height, state = read_classifier_state(item.path)
    params = params_of(item.path.parent)
    n_tta, heights = int(params.get("n_tta", 1)), tuple(params.get("tta_heights", ()))
    spec = ClassifierSpec(
        name=item.name,
        kind=item.kind,
        fold=item.fold,
        config=config,
        test_height=test_height,
        heights=heights or heights_of(test_height, n_tta),
        top_k=int(params.get("top_k", N_BEST)),
        opt_level=str(params.get("opt_level", "O0")),
        f1=_f1_of(item.path.parent),
    )
    return StoredClassifier(spec, vocabulary, state, item.path)


def write_bundle(
    files: ModelFiles, folder: Path, *, half: bool, facts: Mapping[str, Any], eight: bool = False
) -> dict[str, Any]:
    """Write the models to a folder that is read without the run, `bundle.json` last: a folder with it is whole.

    Args:
        files: The models.
        folder: Where to.
        half: Whether matrices and kernels are stored as float16; vectors (biases, norms' statistics) never are.
        facts: What else to say of the models.
        eight: Whether they are stored as int8 in place of that, with a scale for each row.

    Returns:
        The content of `bundle.json`.

    Raises:
        InputError: as `read_detector`; classifiers of different vocabularies; the folder cannot be written to.
    """
    detectors = [_write_model(read_detector(files, path), folder, half, eight) for path in files.detectors]
    classifiers = []
    for stored in read_classifiers(files):
        vocabulary = stored.vocabulary  # the same of all, and there is at least one
        classifiers.append(_write_model(stored, folder, half, eight))
    write_vocabulary(folder / VOCABULARY, vocabulary)
    if files.level2 is not None:
        copy_level2(files.level2, folder / LEVEL2)
    if files.language is not None:
        write_pairs(folder / LANGUAGE, read_pairs(files.language))
    description = {
        "format": FORMAT,
        **facts,
        "float16": half and not eight,
        "int8": eight,
        "classes": len(vocabulary),
        "detectors": detectors,
        "fusion": dataclasses.asdict(files.fusion),
        "classifiers": classifiers,
        "level2": files.level2 is not None,
        "language": files.language is not None,
        "character_size": files.character_size,
    }
    atomic_write_json(folder / BUNDLE_FILE, description)
    return description


def copy_level2(source: Path, folder: Path) -> None:
    """Copy a second level's models: text, JSON and Parquet.

    Raises:
        InputError: a file is missing or was changed, or the folder cannot be written to.
    """
    load_model(source)
    facts = read_json(source / LEVEL2_FILE)
    for name in [*facts.get("files", {}), LEVEL2_FILE]:
        with atomic_path(folder / name) as temporary:
            shutil.copyfile(source / name, temporary)


def _write_model(stored: StoredDetector | StoredClassifier, folder: Path, half: bool, eight: bool) -> dict[str, Any]:
    from safetensors.torch import save_file

    path = folder / f"{stored.spec.name}{_ENDING}"
    packed = in_8_bits(stored.state) if eight else {name: _packed(value, half) for name, value in stored.state.items()}
    state = {name: value.clone(memory_format=torch.contiguous_format) for name, value in packed.items()}
    with atomic_path(path) as temporary:
        save_file(state, temporary, metadata={"format": "pt"})
    return {**dataclasses.asdict(stored.spec), "file": path.name, "sha256": sha256_of_file(path)}


def _packed(value: Tensor, half: bool) -> Tensor:
    wide = value.is_floating_point() and value.dim() > 1
    return value.half() if half and wide else value


def _facts_of(files: ModelFiles, path: Path, what: str) -> dict[str, Any]:
    assert files.description is not None
    facts: dict[str, Any] = next(item for item in files.description[what] if item["file"] == path.name)
    if sha256_of_file(path) != facts.get("sha256"):
        raise InputError(f"{path}: expected the file that was written with {BUNDLE_FILE}, got another")
    return facts


@contextmanager
def _described(path: Path) -> Iterator[None]:
    """Turn what fails while a model's description is taken apart into one line."""
    try:
        yield
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        expected = f"expected a description of {path.name} in {BUNDLE_FILE}"
        raise InputError(f"{path}: {expected}, got a damaged one ({error!r})") from error


def _f1_of(folder: Path) -> float | None:
    path = folder / METRICS_OOF
    value = read_json(path).get("f1") if path.is_file() else None
    return None if value is None else round(float(value), 6)
