"""Trains a detector and a classifier further, and measures both sets of models on the held-out pages."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from kuzushiji.bundle.model_files import find_models
from kuzushiji.classify.level2.pairs import write_pairs
from kuzushiji.data.labels import PageLabels, write_page_labels
from kuzushiji.data.paths import DataRoot
from kuzushiji.data.pictures import pictures_in, read_picture
from kuzushiji.data.vocabulary import Vocabulary
from kuzushiji.errors import InputError
from kuzushiji.evaluate.config import EvaluateConfig
from kuzushiji.evaluate.run import evaluate, facts_of
from kuzushiji.files import atomic_path, atomic_write_json
from kuzushiji.finetune.config import FinetuneConfig
from kuzushiji.finetune.corrected_pages import MATCH_IOU, Boxes, boxes_to_learn, divide, read_new_pages
from kuzushiji.finetune.language import language_with
from kuzushiji.finetune.parts import Pages, classifier_parts, detector_parts
from kuzushiji.finetune.starting_models import StartingModels, read_source
from kuzushiji.options import as_flag
from kuzushiji.predict.config import PredictConfig
from kuzushiji.predict.formats.as_json import transcription_json
from kuzushiji.predict.reader import BundleReader
from kuzushiji.predict.run import load_reader
from kuzushiji.predict.stopwatch import Stopwatch
from kuzushiji.run_folder import CLASSIFY, LANGUAGE, READING, SEGMENT, ModelName
from kuzushiji.stage import Facts, run_parts

logger = logging.getLogger(__name__)

EXPORTED, BEFORE, AFTER = "start", "before", "after"
DIVISION, TRUTH, BOXES, SUMMARY = "pages.json", "held-out.csv", "boxes.csv", "finetune.json"

_BOTH: dict[str, Any] = {
    "batch_size": 4, "optimizer": "adamw", "cosine": 1, "warmup_steps": 10, "color_hue_aug": 10, "opt_level": "auto",
}  # fmt: skip
_DETECTOR = {**_BOTH, "wd": 0.01, "color_sat_aug": 30, "color_val_aug": 30}
_CLASSIFIER = {**_BOTH, "wd": 0.02}
"""What the chain's profile `real` has too."""

DETECTOR_CROPS, CLASSIFIER_CROPS = (8, 60), (6, 40)
"""Least crops of a page in an epoch, and of all pages together: with the default epochs a few pages get 80 to 90
updates, as many as the pages of the profile `real`. Over the first ten the rate rises."""


def finetune(config: FinetuneConfig) -> Facts:
    """Train, and return what it brought: scores before and after, pages, characters.

    Raises:
        InputError: models or pages cannot be used; see the stages.
    """
    data, output = DataRoot.find(config.data), config.output
    source = read_source(config.from_)
    labels = read_new_pages(data, source.seen)
    source = source.exported(output / EXPORTED)  # nothing is written before the pages are known to be usable
    pages = _divided(config, data, labels, source)
    vocabulary = _vocabulary(config, labels, source)
    reader = _reader(config, source.files.folder)
    before = _measured(output / BEFORE, reader, pages)
    learned = boxes_to_learn(pages.train, data.train_image, partial(_boxes, reader))
    write_page_labels(output / BOXES, learned)
    detector, classifier = (output / ModelName(stage, 0).folder for stage in (SEGMENT, CLASSIFY))
    run_parts(detector_parts(_detector_words(config, source, detector, pages), pages), _here)
    words = _classifier_words(config, source, classifier, output / BOXES, pages)
    run_parts(classifier_parts(words, pages, vocabulary, detector), _here)
    if source.files.language is not None:
        own = language_with(source.files.language, source.vocabulary, vocabulary, pages.train)
        write_pairs(output / LANGUAGE, own)
    if source.files.character_size is not None:
        atomic_write_json(output / READING, {"character_size": source.files.character_size})
    after = _measured(output / AFTER, _reader(config, output), pages)
    found = _summary(config, pages, vocabulary, source, before, after)
    atomic_write_json(output / SUMMARY, found)
    return found


def _here(call: Callable[[], Any]) -> Any:
    return call()


def _divided(config: FinetuneConfig, data: DataRoot, labels: PageLabels, source: StartingModels) -> Pages:
    train, held_out = divide(labels, source.seen, config.test_share)
    if not held_out:
        logger.warning("no page is held out: the last epoch is taken, and nothing is measured")
    file = config.output / DIVISION
    atomic_write_json(file, {"train": train, "held_out": held_out})
    pages = Pages(data, labels.of_pages(train), labels.of_pages(held_out), file)
    write_page_labels(config.output / TRUTH, pages.held_out)
    return pages


def _vocabulary(config: FinetuneConfig, labels: PageLabels, source: StartingModels) -> Vocabulary:
    codes = set(labels.boxes["code"])
    new = codes.difference(source.vocabulary.codes)
    logger.info("characters: %d classes, of which the models have %d", len(codes), len(codes) - len(new))
    return Vocabulary.from_codes(codes if config.only_these else codes.union(source.vocabulary.codes))


def _detector_words(config: FinetuneConfig, source: StartingModels, folder: Path, pages: Pages) -> list[str]:
    model = f"fasterrcnn_{source.detector.config.backbone}_fpn"
    own = {
        "match_iou": MATCH_IOU,
        "model": model,
        "repeat_train_step": repeats(len(pages.train.image_ids), *DETECTOR_CROPS),
    }
    options = {**source.detector_sizes, **own, **_DETECTOR}
    return _words(config, source, folder, pages, {**options, "epochs": config.detector_epochs})


def _classifier_words(
    config: FinetuneConfig, source: StartingModels, folder: Path, boxes: Path, pages: Pages
) -> list[str]:
    base, hold = source.classifier.config.base, int(config.hold_absent)
    own = {"base": base, "hold_absent": hold, "repeat_train": repeats(len(pages.train.image_ids), *CLASSIFIER_CROPS)}
    options = {**source.classifier_sizes, **own, **_CLASSIFIER}
    return [str(boxes), *_words(config, source, folder, pages, {**options, "epochs": config.classifier_epochs})]


def repeats(n_pages: int, of_page: int, of_all: int) -> int:
    """Return how often each page comes in an epoch that has at least so many crops of a page, and so many of all."""
    return max(of_page, -(-of_all // n_pages))


def _words(
    config: FinetuneConfig, source: StartingModels, folder: Path, pages: Pages, options: Mapping[str, Any]
) -> list[str]:
    """Return the options that both stages have, and further ones."""
    common = {
        "output_dir": folder, "data_root": config.data, "start": source.files.folder, "lr": config.lr,
        "start_share": config.start_share,
        "evaluate_every": int(bool(pages.held_out.image_ids)), "seed": config.seed, "device": config.device,
        "workers": config.workers, "threads": config.threads, "cache_mib": 600, "force": int(config.force),
    }  # fmt: skip
    words: list[str] = []
    for name, value in {**common, **options}.items():
        values = value if isinstance(value, list | tuple) else [value]
        words += [as_flag(name), *map(str, values)] if values else []
    return words


def _reader(config: FinetuneConfig, models: Path) -> BundleReader:
    settings = PredictConfig(pages=(), models=str(models), device=config.device, threads=config.threads)
    return load_reader(settings, find_models(models), Stopwatch())


def _image(path: Path) -> Any:
    return read_picture(pictures_in(path)[0])


def _boxes(reader: BundleReader, path: Path) -> Boxes:
    return reader.boxes(_image(path))


def _measured(folder: Path, reader: BundleReader, pages: Pages) -> dict[str, Any] | None:
    """Read the held-out pages into a folder, and return the scores; None where no page is held out."""
    if not pages.held_out.image_ids:
        return None
    for image_id in pages.held_out.image_ids:
        path = pages.data.train_image(image_id)
        read = reader.read(_image(path), name=image_id, file=path.name)
        with atomic_path(folder / f"{image_id}.json") as temporary:
            made_by = {"models": reader.digest, "settings": {}}
            temporary.write_bytes(transcription_json(replace(read, made_by=made_by)))
    truth = folder.parent / TRUTH
    found = facts_of(evaluate(EvaluateConfig(predictions=folder, truth=truth, form="predict", truth_form="table")))
    return {"boxes": found["boxes"]["f1"], "characters": found["characters"]["f1"], "cer": found["text"]["cer"]}


def _summary(
    config: FinetuneConfig,
    pages: Pages,
    vocabulary: Vocabulary,
    source: StartingModels,
    before: dict[str, Any] | None,
    after: dict[str, Any] | None,
) -> Facts:
    if before and after and after["characters"] < before["characters"]:
        logger.warning("the new models read the held-out pages worse than %s: keep those", config.from_)
    new = set(vocabulary.codes).difference(source.vocabulary.codes)
    return {
        "from": config.from_, "pages": len(pages.train.image_ids), "held out": len(pages.held_out.image_ids),
        "classes": len(vocabulary.codes), "new classes": len(new), "before": before, "after": after,
    }  # fmt: skip


def rows_of(facts: Mapping[str, Any]) -> Sequence[tuple[str, float | None, float | None]]:
    """Return the table of scores: what, before, after."""
    before, after = facts["before"] or {}, facts["after"] or {}
    names = {"boxes": "F1 of boxes", "characters": "F1 of characters", "cer": "CER"}
    return [(title, before.get(name), after.get(name)) for name, title in names.items()]


def check_folders(config: FinetuneConfig) -> None:
    """Check that there is data, and that the new run does not replace the models that it starts from.

    Raises:
        InputError: there is no such folder; it would.
    """
    if not config.data.is_dir():
        raise InputError(f"{config.data}: expected the data root (DATA) with the corrected pages, got no folder")
    if Path(config.from_).resolve() == config.output.resolve():
        raise InputError(f"--output {config.output}: expected another folder than that of the models to start from")
