"""A trained second level as a folder of text, JSON and Parquet files.

`level2.json` (columns, vocabulary, recipe, rounds, linear starts, digests of the other files), `fold{k}.lgb.txt` and
`fold{k}.xgb.json` in the libraries' own formats, `language.parquet` (counts of n-grams by fold).
"""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kuzushiji.artifacts.features import Features, members
from kuzushiji.classify.level2.boosters import SUFFIXES, load_trees
from kuzushiji.classify.level2.choice import Choice, Decision, choose, mean_probability
from kuzushiji.classify.level2.columns import source_of
from kuzushiji.classify.level2.kinds import kinds_of
from kuzushiji.classify.level2.linear_start import LinearStart
from kuzushiji.classify.level2.training import FoldModel, fold_scores
from kuzushiji.classify.ngrams import ORDER, NGrams
from kuzushiji.data.vocabulary import Vocabulary
from kuzushiji.errors import InputError
from kuzushiji.files import atomic_path, atomic_write_json, read_json, sha256_of_file
from kuzushiji.run_folder import LEVEL2_FILE

FORMAT = 2
"""Raised when a model means something else: 2 has several readers."""
_CHUNK_BOXES = 100_000
"""Boxes of whole pages that are looked at together: half a gigabyte."""

_LANGUAGE = "language.parquet"
_LANGUAGE_KIND = "ngrams"


@dataclass(frozen=True)
class Level2Model:
    """The models of all folds, and what they need to know of their input.

    Attributes:
        folds: One model a fold.
        feature_set: Which columns.
        columns: Their names.
        objective: Of boosting.
        top_k: Of the features.
        n_groups: Of the features.
        extra: Names of the columns of optional stages.
        vocabulary: Of the features.
        language: Counts of the training truth; None for the reference's columns.
        decision: When a box is no character.
        kinds: Of models, one a group of the features; empty where their tables lay in no folders of a run.
    """

    folds: tuple[FoldModel, ...]
    feature_set: str
    columns: tuple[str, ...]
    objective: str
    top_k: int
    n_groups: int
    extra: tuple[str, ...]
    vocabulary: Vocabulary
    language: NGrams | None
    decision: Decision
    kinds: tuple[str, ...] = ()

    @property
    def libraries(self) -> list[str]:
        """Names of the libraries whose trees the model has."""
        return sorted({kind for fold in self.folds for kind in fold.trees})

    def of_libraries(self, wanted: Collection[str]) -> "Level2Model":
        """Return the model with the trees of those libraries only."""
        return replace(self, folds=tuple(fold.of_libraries(wanted) for fold in self.folds))

    def check(self, features: Features, name: str) -> None:
        """Check that features are of the kind the models were trained on.

        Raises:
            InputError: another top k, other groups, other kinds of models in them, another vocabulary or other extra
                columns.
        """
        kinds = kinds_of(features.groups)
        for what, expected, got in (
            ("top-k", self.top_k, features.top_k),
            ("number of groups", self.n_groups, features.n_groups),
            ("kinds of models", self.kinds or kinds, kinds or self.kinds),
            ("vocabulary", self.vocabulary.digest(), features.vocabulary.digest()),
            ("extra columns", self.extra, features.extra_columns),
        ):
            if expected != got:
                raise InputError(f"{name}: expected features with the {what} of the model, {expected}, got {got}")


def apply_model(model: Level2Model, views: Sequence[Features]) -> Choice:
    """Return what the models of all folds read together in boxes that none of them has seen.

    Each model looks at each view, and all probabilities are averaged; a candidate that a view lacks has none there.
    The language is that of all training pages: no truth of these boxes is in it.

    Args:
        model: The models.
        views: Of the same boxes, on whole pages, in the same order.
    """
    size, n = len(model.vocabulary), len(views[0])
    if not n:
        return Choice(np.zeros(0, np.int32), np.zeros(0, np.float32))
    keys = np.concatenate([view.box_of_candidate * size + view.candidates for view in views])
    probability = np.concatenate([_probability(model, view) for view in views]) / len(views)
    every, place = np.unique(keys, return_inverse=True)
    pooled = np.bincount(place, probability, len(every)).astype(np.float32)
    offsets = np.searchsorted(every, np.arange(n + 1) * size).astype(np.int64)
    return choose((every % size).astype(np.int32), offsets, pooled, model.decision)


def _probability(model: Level2Model, features: Features) -> NDArray[np.float32]:
    """Return the mean over the folds' models of the probability of each candidate (m,), some pages at a time."""
    page, _ = pd.factorize(features.boxes["image_id"])
    order = np.argsort(page, kind="stable")
    chunk = np.cumsum(np.bincount(page))[page[order]] // _CHUNK_BOXES
    mean = np.zeros(len(features.candidates), np.float32)
    for rows in np.split(order, np.flatnonzero(np.diff(chunk)) + 1):
        part = features.take(rows)
        source = source_of(part, model.feature_set, model.language)
        chosen = members(features.offsets, rows)
        for fold in model.folds:
            scores = list(fold_scores(fold, source, ()).values())
            mean[chosen] += mean_probability(scores, part.offsets, model.objective) / len(model.folds)
    return mean


def model_files(folder: Path, n_folds: int, kinds: list[str], *, language: bool) -> list[Path]:
    """Return the files that `save_model` writes."""
    trees = [folder / f"fold{fold}.{SUFFIXES[kind]}" for fold in range(n_folds) for kind in kinds]
    return [folder / LEVEL2_FILE, *trees, *([folder / _LANGUAGE] if language else [])]


def save_model(folder: Path, model: Level2Model) -> None:
    """Write the models to `folder`, `level2.json` last: a folder with it is whole.

    Raises:
        InputError: the folder cannot be written to.
    """
    written = []
    for fold in model.folds:
        for kind, trees in fold.trees.items():
            written.append(folder / f"fold{fold.fold}.{SUFFIXES[kind]}")
            with atomic_path(written[-1]) as temporary:
                trees.save(temporary)
    if model.language is not None:
        written.append(folder / _LANGUAGE)
        _write_language(written[-1], model.language)
    facts: dict[str, Any] = {
        "format": FORMAT,
        "feature_set": model.feature_set,
        "columns": list(model.columns),
        "objective": model.objective,
        "top_k": model.top_k,
        "n_groups": model.n_groups,
        "kinds": list(model.kinds),
        "extra": list(model.extra),
        "decision": asdict(model.decision),
        "folds": [_fold_facts(fold) for fold in model.folds],
        "vocabulary": list(model.vocabulary.codes),
        "files": {path.name: sha256_of_file(path) for path in written},
    }
    atomic_write_json(folder / LEVEL2_FILE, facts)


def load_model(folder: Path) -> Level2Model:
    """Read what `save_model` wrote.

    Raises:
        InputError: no model there, another format, or a file that was changed.
    """
    facts = read_json(folder / LEVEL2_FILE)
    found = facts.get("format") if isinstance(facts, dict) else None
    if found != FORMAT:
        way_out = "level2.sh trains it again; predict and export do without it by --level2 0"
        got = f"format {found}; {way_out}" if isinstance(found, int) else "something else"
        raise InputError(f"{folder / LEVEL2_FILE}: expected a second level of format {FORMAT}, got {got}")
    try:
        for name, digest in facts["files"].items():
            if "/" in name or not (folder / name).is_file() or sha256_of_file(folder / name) != digest:
                raise InputError(f"{folder / name}: expected the file that was saved with {LEVEL2_FILE}, got another")
        return Level2Model(
            folds=tuple(_read_fold(folder, fold) for fold in facts["folds"]),
            feature_set=facts["feature_set"],
            columns=tuple(facts["columns"]),
            objective=facts["objective"],
            top_k=facts["top_k"],
            n_groups=facts["n_groups"],
            extra=tuple(facts["extra"]),
            vocabulary=Vocabulary.from_codes(facts["vocabulary"]),
            language=_read_language(folder / _LANGUAGE) if _LANGUAGE in facts["files"] else None,
            decision=Decision(**facts["decision"]),
            kinds=tuple(map(str, facts.get("kinds", ()))),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{folder / LEVEL2_FILE}: expected a second level, got a damaged one ({error!r})") from error


def _fold_facts(fold: FoldModel) -> dict[str, Any]:
    return {
        "fold": fold.fold,
        "rounds": fold.rounds,
        "readers": [_linear_facts(reader) for reader in fold.readers],
        "start": None if fold.start is None else _linear_facts(fold.start),
    }


def _linear_facts(linear: LinearStart) -> dict[str, Any]:
    return {"names": list(linear.names), "weights": linear.weights.tolist()}


def _read_linear(facts: dict[str, Any]) -> LinearStart:
    return LinearStart(tuple(facts["names"]), np.asarray(facts["weights"], np.float64))


def _read_fold(folder: Path, facts: dict[str, Any]) -> FoldModel:
    return FoldModel(
        fold=int(facts["fold"]),
        readers=tuple(map(_read_linear, facts["readers"])),
        start=None if facts["start"] is None else _read_linear(facts["start"]),
        trees={kind: load_trees(kind, folder / f"fold{facts['fold']}.{SUFFIXES[kind]}") for kind in facts["rounds"]},
        rounds={kind: int(rounds) for kind, rounds in facts["rounds"].items()},
    )


def _write_language(path: Path, language: NGrams) -> None:
    import pyarrow as pa

    from kuzushiji.artifacts.parquet import write_table

    lengths = np.repeat(np.arange(1, len(language.keys) + 1), [len(keys) for keys in language.keys])
    columns: dict[str, Any] = {"n": lengths.astype(np.int8), "key": np.concatenate(language.keys)}
    counts = np.concatenate(language.counts)
    columns |= {f"fold{fold}": counts[:, fold] for fold in range(language.n_folds)}
    with atomic_path(path) as temporary:
        meta = {"edge": language.edge, "n_folds": language.n_folds}
        write_table(temporary, pa.table(columns), _LANGUAGE_KIND, meta, use_dictionary=[], split=[])


def _read_language(path: Path) -> NGrams:
    from kuzushiji.artifacts.parquet import read_table

    table, meta = read_table(path, _LANGUAGE_KIND)
    n, keys = table["n"].to_numpy(), table["key"].to_numpy()
    counts = np.stack([table[f"fold{fold}"].to_numpy() for fold in range(meta["n_folds"])], axis=1)
    parts = [n == size for size in range(1, ORDER + 1)]
    return NGrams(meta["edge"], tuple(keys[part] for part in parts), tuple(counts[part] for part in parts))
