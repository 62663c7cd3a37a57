"""The input of the second level: detailed tables and features of the same boxes, split into folds."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kuzushiji.artifacts import Detailed, rows_in_order_of
from kuzushiji.artifacts.detailed_files import is_text
from kuzushiji.artifacts.extra import KIND as EXTRA
from kuzushiji.artifacts.extra import read_extra
from kuzushiji.artifacts.features import KIND, Features, concat_features, read_features
from kuzushiji.artifacts.parquet import kind_of
from kuzushiji.classify.blending import blend_tables
from kuzushiji.classify.level2.kinds import kinds_of
from kuzushiji.classify.tables import read_tables
from kuzushiji.data.folds import assign_folds
from kuzushiji.data.labels import PageLabels
from kuzushiji.data.paths import DataRoot
from kuzushiji.data.vocabulary import Vocabulary
from kuzushiji.errors import InputError
from kuzushiji.files import sha256_of_file


def kind_of_table(path: Path) -> str:
    """Return what a file holds: the kind of features or of extra columns, or anything else for a detailed table.

    Raises:
        InputError: no such file, or neither text nor Parquet.
    """
    if not path.is_file():
        raise InputError(f"{path}: expected a detailed table or features, got no file")
    return "" if is_text(path) else kind_of(path)


def read_input(paths: Sequence[Path], root: DataRoot) -> tuple[list[Features], tuple[str, ...]]:
    """Return the features of all boxes, once or several times, and all pages looked at.

    Features of other pages are joined. Those of the same pages are several views of the same boxes, such as what the
    models of each fold say of the test pages. Extra columns become part of the features that they were made for.

    Raises:
        InputError: one kind of table is missing, or the tables do not match.
    """
    kinds = [kind_of_table(path) for path in paths]
    of_features = [path for path, kind in zip(paths, kinds, strict=True) if kind == KIND]
    of_extra = [path for path, kind in zip(paths, kinds, strict=True) if kind == EXTRA]
    of_boxes = [path for path, kind in zip(paths, kinds, strict=True) if kind not in {KIND, EXTRA}]
    if not of_features or not of_boxes:
        missing = "features (of level2_features)" if of_boxes else "detailed table"
        raise InputError(f"{paths[0]}: expected detailed tables and features, got no {missing}")
    detailed = blend_tables(read_tables(of_boxes, root, top_k=1), list(map(str, of_boxes)))
    views = _views(_read_features(of_features, of_extra), list(map(str, of_features)))
    in_order = []
    for view, names in views:
        rows = rows_of(detailed, view, str(of_boxes[0]), ", ".join(names))
        in_order.append(view if rows is None else view.take(rows))
    of_views = (page for view in in_order for page in view.pages)
    return in_order, tuple(dict.fromkeys((*detailed.pages, *of_views)))


def _read_features(paths: Sequence[Path], extra_paths: Sequence[Path]) -> list[Features]:
    """Return the features of each file, with the extra columns that were made for it."""
    features = [read_features(path) for path in paths]
    _check_same_kinds(features, paths)
    if not extra_paths:
        return features
    digests = [sha256_of_file(path) for path in paths]
    for path in extra_paths:
        extra = read_extra(path)
        if extra.features not in digests:
            raise InputError(f"{path}: expected extra columns of one of the tables of features, got those of another")
        number = digests.index(extra.features)
        part = features[number]
        doubled = next((name for name in extra.columns if name in part.extra), None)
        if doubled is not None:
            raise InputError(f"{path}: expected each extra column once for {paths[number]}, got {doubled} twice")
        if any(len(values) != len(part.candidates) for values in extra.columns.values()):
            raise InputError(f"{path}: expected {len(part.candidates)} rows, one a candidate, got another number")
        features[number] = replace(part, extra=part.extra | extra.columns)
    return features


def _check_same_kinds(features: Sequence[Features], paths: Sequence[Path]) -> None:
    """Check that the groups of all features are of the same kinds of models in one order, where these are known."""
    known = [(path, kinds) for path, part in zip(paths, features, strict=True) if (kinds := kinds_of(part.groups))]
    for path, kinds in known[1:]:
        first, expected = known[0]
        if kinds != expected:
            raise InputError(f"{path}: expected groups of {', '.join(expected)} as in {first}, got {', '.join(kinds)}")


def _views(parts: Sequence[Features], names: Sequence[str]) -> list[tuple[Features, list[str]]]:
    """Return the features joined to tables in which no page comes twice, each with the names of its files."""
    views: list[list[int]] = []
    seen: list[set[str]] = []
    for i, part in enumerate(parts):
        number = next((v for v, pages in enumerate(seen) if pages.isdisjoint(part.pages)), len(views))
        if number == len(views):
            views.append([])
            seen.append(set())
        views[number].append(i)
        seen[number].update(part.pages)
    return [
        (concat_features([parts[i] for i in view], [names[i] for i in view]), [names[i] for i in view])
        for view in views
    ]


def rows_of(detailed: Detailed, features: Features, of_boxes: str, of_features: str) -> NDArray[np.intp] | None:
    """Return where in the features each box of the detailed table stands; None where both have the same order.

    Raises:
        InputError: they are not of the same boxes or vocabulary.
    """
    if len(features) and not set(features.boxes["image_id"]) & set(detailed.boxes["image_id"]):
        raise InputError(f"{of_features}: expected the pages of {of_boxes}, got none in common")
    if features.vocabulary != detailed.vocabulary:
        raise InputError(f"{of_features}: expected the vocabulary of {of_boxes}, got another")
    return rows_in_order_of(detailed.boxes, features.boxes, of_features)


def split_by_fold(
    features: Features, pages: Sequence[str], truth: PageLabels, n_folds: int
) -> tuple[dict[int, Features], NDArray[np.int32]]:
    """Return the boxes of each fold, and the fold of each page.

    Args:
        features: Of all boxes.
        pages: All pages that the tables looked at.
        truth: All training pages: folds are by book, and books are counted there.
        n_folds: Number of folds.

    Raises:
        InputError: a page that is no training page, or a fold without boxes.
    """
    folds = assign_folds(truth.image_ids, n_folds)
    strange = next((page for page in pages if page not in folds), None)
    if strange is not None:
        raise InputError(f"train.csv: expected the training pages of the tables, page {strange} is not there")
    fold_of_page = np.array([folds[page] for page in pages], np.int32)
    fold_of_box = features.boxes["image_id"].map(folds).to_numpy(np.int32)
    empty = sorted(set(range(n_folds)) - set(fold_of_box.tolist()))
    if empty:
        raise InputError(f"expected boxes of all {n_folds} folds (--n-folds), got none of fold {empty[0]}")
    return {fold: features.take(np.flatnonzero(fold_of_box == fold)) for fold in range(n_folds)}, fold_of_page


def true_classes(features: Features) -> NDArray[np.int32]:
    """Return the class numbers (n,) of the truth."""
    return features.vocabulary.encode(features.boxes["true"], "the detailed tables")


def out_of_fold_table(
    features: Sequence[Features], probability: Sequence[NDArray[np.float32]], pages: Sequence[str]
) -> Detailed:
    """Return a detailed table of what was read out of fold: the best candidates, log probabilities as logits.

    Every box has as many candidates as the box with the fewest.

    Args:
        features: Of each fold.
        probability: (m,) of each candidate of each fold.
        pages: All pages.
    """
    k = min((int(np.diff(part.offsets).min()) for part in features if len(part)), default=1)
    classes, logits = [], []
    for part, p in zip(features, probability, strict=True):
        box = part.box_of_candidate
        order = np.lexsort((part.candidates, -p, box))
        best = order[part.offsets[:-1, None] + np.arange(k)]
        classes.append(part.candidates[best])
        logits.append(np.log(np.maximum(p[best], np.float32(1e-12))))
    boxes = pd.concat([part.boxes for part in features], ignore_index=True)
    vocabulary: Vocabulary = features[0].vocabulary
    return Detailed(boxes, np.concatenate(classes), np.concatenate(logits), vocabulary, tuple(pages))
