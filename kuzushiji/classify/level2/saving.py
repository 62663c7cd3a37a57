"""A trained level 2 as a folder of text, JSON and Parquet files.

`level2.json` (columns, vocabulary, recipe, rounds, linear starts, digests of the other files), `fold{k}.lgb.txt` and
`fold{k}.xgb.json` in the libraries' own formats, `language.parquet` (counts of n-grams by fold).
"""

from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np

from kuzushiji.classify.level2.choice import Decision
from kuzushiji.classify.level2.columns import column_names
from kuzushiji.classify.level2.config import BINARY, EXTENDED, FEATURE_SETS, OBJECTIVES
from kuzushiji.classify.level2.cross_fitting import FoldModel
from kuzushiji.classify.level2.fields import Field
from kuzushiji.classify.level2.libraries import SUFFIXES, load_trees
from kuzushiji.classify.level2.linear_start import LinearStart, linear_names
from kuzushiji.classify.level2.model import Level2Model
from kuzushiji.classify.level2.ngrams import ORDER, NGrams
from kuzushiji.data.vocabulary import Vocabulary
from kuzushiji.errors import InputError
from kuzushiji.files import atomic_path, atomic_write_json, read_json, sha256_of_file
from kuzushiji.run_folder import LEVEL2_FILE

FORMAT = 2
"""Raised when the meaning of a file changes: since 2 there are several readers."""

_MOST_GROUPS = 1000
"""Upper bound of the number of groups, so that a damaged number does not create a huge table."""

_LANGUAGE = "language.parquet"
_LANGUAGE_KIND = "ngrams"


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
        InputError: no model there, another format, a file that was changed, or parts that do not fit together.
    """
    facts = _facts_of(folder)
    language = _read_language(folder / _LANGUAGE) if _LANGUAGE in facts["files"].members() else None
    vocabulary = _vocabulary_of(facts["vocabulary"])
    model = Level2Model(
        folds=tuple(_read_fold(facts, fold) for fold in facts["folds"].items(least=1)),
        feature_set=facts["feature_set"].text(FEATURE_SETS),
        columns=facts["columns"].texts(),
        objective=facts["objective"].text(OBJECTIVES),
        top_k=facts["top_k"].whole(1, len(vocabulary)),
        n_groups=facts["n_groups"].whole(1, _MOST_GROUPS),
        extra=facts["extra"].texts(),
        vocabulary=vocabulary,
        language=language,
        decision=Decision(**{one.name: facts["decision"][one.name].number() for one in fields(Decision)}),
        kinds=facts["kinds"].texts() if "kinds" in facts.members() else (),  # older models have none
    )
    if len({fold.fold for fold in model.folds}) < len(model.folds):
        facts["folds"].fail("each fold once")
    _check_columns(facts, model)
    for field, fold in zip(facts["folds"].items(), model.folds, strict=True):
        _check_fold(field, fold, model)
    return model


def _facts_of(folder: Path) -> Field:
    """Return the content of `level2.json`, after checking that its other files were saved with it.

    Raises:
        InputError: it is of another format, or they are others.
    """
    path = folder / LEVEL2_FILE
    facts = read_json(path)
    found = facts.get("format") if isinstance(facts, dict) else None
    if found != FORMAT:
        way_out = "level2.sh trains it again; predict and export do without it by --level2 0"
        got = f"format {found}; {way_out}" if isinstance(found, int) else "something else"
        raise InputError(f"{path}: expected a second level of format {FORMAT}, got {got}")
    whole = Field(path, facts)
    for name, digest in whole["files"].members().items():
        if "/" in name or not (folder / name).is_file() or sha256_of_file(folder / name) != digest.text():
            raise InputError(f"{folder / name}: expected the file that was saved with {LEVEL2_FILE}, got another")
    return whole


def _vocabulary_of(field: Field) -> Vocabulary:
    codes = field.texts()
    try:
        return Vocabulary(codes)
    except InputError:
        field.fail("sorted codes, each once, and seg_fp last")


def _check_columns(facts: Field, model: Level2Model) -> None:
    """Check that the columns, and the data they are computed from, match the feature set.

    Raises:
        InputError: they are others.
    """
    if (model.language is not None) != (model.feature_set == EXTENDED):
        facts["files"].fail(f"{_LANGUAGE} for the features {EXTENDED}, and for no others,")
    if model.language is not None and model.language.edge != len(model.vocabulary):
        facts["vocabulary"].fail(f"the {model.language.edge} classes of {_LANGUAGE}")
    if model.kinds and len(model.kinds) != model.n_groups:
        facts["kinds"].fail(f"one kind a group, {model.n_groups},")
    expected = column_names(
        model.feature_set, model.n_groups, model.top_k, model.extra, model.vocabulary, model.language
    )
    if model.columns != expected:
        facts["columns"].fail(f"the {len(expected)} columns of the features {model.feature_set}")


def _check_fold(field: Field, fold: FoldModel, model: Level2Model) -> None:
    """Check that the models of a fold use the columns of the whole model.

    Raises:
        InputError: they are of others; linear models are missing or too many.
    """
    linear = model.feature_set == EXTENDED and model.objective != BINARY
    names = linear_names(model.columns) if linear else ()
    none = f"no linear model with the features {model.feature_set} under {model.objective}"
    if bool(fold.readers) != linear:
        field["readers"].fail("linear models" if linear else none)
    if (fold.start is not None) != linear:
        field["start"].fail("a linear model" if linear else none)
    starts = [*field["readers"].items(), *([field["start"]] if linear else [])]
    for one in starts:
        if one["names"].texts() != names:
            one["names"].fail(f"the {len(names)} columns of a linear model")
    for kind, trees in fold.trees.items():
        if trees.names != model.columns:
            path = field.path.parent / f"fold{fold.fold}.{SUFFIXES[kind]}"
            raise InputError(f"{path}: expected trees on the columns of {field.path.name}, got others")


def _fold_facts(fold: FoldModel) -> dict[str, Any]:
    return {
        "fold": fold.fold,
        "rounds": fold.rounds,
        "readers": [_linear_facts(reader) for reader in fold.readers],
        "start": None if fold.start is None else _linear_facts(fold.start),
    }


def _linear_facts(linear: LinearStart) -> dict[str, Any]:
    return {"names": list(linear.names), "weights": linear.weights.tolist()}


def _read_linear(field: Field) -> LinearStart:
    names = field["names"].texts()
    weights = [weight.number() for weight in field["weights"].items()]
    if len(weights) != len(names):
        field["weights"].fail(f"{len(names)} numbers, one a name,")
    return LinearStart(names, np.asarray(weights, np.float64))


def _read_fold(facts: Field, field: Field) -> FoldModel:
    number = field["fold"].whole(0)
    rounds = field["rounds"].members()
    if not rounds or set(rounds) - set(SUFFIXES):
        field["rounds"].fail(" or ".join(SUFFIXES))
    names = {kind: f"fold{number}.{SUFFIXES[kind]}" for kind in rounds}
    for name in names.values():
        facts["files"][name].text()  # what is not there has not been compared with what was saved
    trees = {kind: load_trees(kind, facts.path.with_name(name)) for kind, name in names.items()}
    return FoldModel(
        fold=number,
        readers=tuple(map(_read_linear, field["readers"].items())),
        start=None if field["start"].value is None else _read_linear(field["start"]),
        trees=trees,
        rounds={kind: rounds[kind].whole(0, trees[kind].most_rounds) for kind in rounds},
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
    try:
        n, keys = table["n"].to_numpy(), table["key"].to_numpy()
        counts = np.stack([table[f"fold{fold}"].to_numpy() for fold in range(meta["n_folds"])], axis=1)
        parts = [n == size for size in range(1, ORDER + 1)]
        if meta["edge"] in keys[parts[0]]:
            raise ValueError("it counts ends of pages as characters, as before 0.1.0")
        return NGrams(int(meta["edge"]), tuple(keys[part] for part in parts), tuple(counts[part] for part in parts))
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: expected counts of n-grams, got a damaged table ({error!r})") from error
