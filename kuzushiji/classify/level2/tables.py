"""The input of level 2: detailed tables and features of the same boxes, divided into folds."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
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
from kuzushiji.classify.averaging import blend_tables
from kuzushiji.classify.given_tables import read_tables
from kuzushiji.data.folds import BOOKS, assign_folds
from kuzushiji.data.label_text import shown
from kuzushiji.data.labels import PageLabels
from kuzushiji.data.paths import DataRoot
from kuzushiji.data.vocabulary import Vocabulary
from kuzushiji.errors import InputError
from kuzushiji.files import sha256_of_file
from kuzushiji.run_folder import kinds_of


def kind_of_table(path: Path) -> str:
    """Return what a file holds: the kind of features or of extra columns, or anything else for a detailed table.

    Raises:
        InputError: no such file, or neither text nor Parquet.
    """
    if not path.is_file():
        raise InputError(f"{path}: expected a detailed table or features, got no file")
    return "" if is_text(path) else kind_of(path)


@dataclass(frozen=True)
class Input:
    """The contents of the tables on the command line.

    Attributes:
        views: Features of all boxes, in the order of the detailed tables: once, or once a view.
        names: The files of each view.
        pages: All pages looked at.
        files: The file that has each page: of features, else a detailed table.
    """

    views: list[Features]
    names: list[str]
    pages: tuple[str, ...]
    files: dict[str, str]


def read_input(paths: Sequence[Path], root: DataRoot) -> Input:
    """Return the features of all boxes, once or several times, and all pages looked at.

    Features of different pages are joined. Features of the same pages are several views of the same boxes, such as the
    predictions of each fold's models for the test pages. Extra columns are added to the features they were made for.

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
    tables = read_tables(of_boxes, root, top_k=1)
    detailed = blend_tables(tables, list(map(str, of_boxes)))
    boxes_from = _files_of_pages(tables, of_boxes)
    every = _read_features(of_features, of_extra)
    views, names_of_views = [], []
    for numbers in _views(every):
        parts, names = [every[number] for number in numbers], [str(of_features[number]) for number in numbers]
        view = concat_features(parts, names)
        rows = _rows_of(detailed, boxes_from, parts, names)
        views.append(view if rows is None else view.take(rows))
        names_of_views.append(", ".join(names))
    files = boxes_from | _files_of_pages(every, of_features)
    return Input(views, names_of_views, tuple(dict.fromkeys((*detailed.pages, *files))), files)


def _files_of_pages(tables: Iterable[Detailed | Features], paths: Iterable[Path]) -> dict[str, str]:
    """Return the first file that has each page."""
    files: dict[str, str] = {}
    for table, path in zip(tables, paths, strict=True):
        files = dict.fromkeys(table.pages, str(path)) | files
    return files


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


def _views(parts: Sequence[Features]) -> list[list[int]]:
    """Return, for each view of the pages, the tables of features that form it together, with each page once."""
    views: list[list[int]] = []
    seen: list[set[str]] = []
    for i, part in enumerate(parts):
        number = next((v for v, pages in enumerate(seen) if pages.isdisjoint(part.pages)), len(views))
        if number == len(views):
            views.append([])
            seen.append(set())
        views[number].append(i)
        seen[number].update(part.pages)
    return views


def _rows_of(
    detailed: Detailed, boxes_from: Mapping[str, str], parts: Sequence[Features], names: Sequence[str]
) -> NDArray[np.intp] | None:
    """Return the position of each box of the detailed table in the features; None if both have the same order.

    Args:
        detailed: All boxes.
        boxes_from: The file of each page there, for messages.
        parts: Features of different pages, as they are joined.
        names: Their files.

    Raises:
        InputError: they are not of the same boxes or vocabulary; naming the files that have the page.
    """
    rows = np.full(len(detailed), -1, np.intp)
    begin = 0
    for part, name in zip(parts, names, strict=True):
        known = [page for page in part.pages if page in boxes_from]
        first = ", ".join(dict.fromkeys(boxes_from[page] for page in known))
        every = ", ".join(dict.fromkeys(boxes_from.values()))
        if len(part) and not known:
            raise InputError(f"{name}: expected the pages of {every}, got none in common")
        if part.vocabulary != detailed.vocabulary:
            raise InputError(f"{name}: expected the vocabulary of {first or every}, got another")
        mine = np.flatnonzero(detailed.boxes["image_id"].isin(part.pages))
        order = rows_in_order_of(detailed.boxes.iloc[mine], part.boxes, name, first)
        rows[mine] = begin + (np.arange(len(mine)) if order is None else order)
        begin += len(part)
    lost = np.flatnonzero(rows < 0)
    if len(lost):
        page = str(detailed.boxes["image_id"].iloc[lost[0]])
        raise InputError(
            f"{boxes_from[page]}, page {shown(page)}: expected features of each page, got none in {', '.join(names)}"
        )
    return None if np.array_equal(rows, np.arange(begin)) else rows


def split_by_fold(
    features: Features, given: Input, truth: PageLabels, train_csv: Path, n_folds: int, split: str = BOOKS
) -> tuple[dict[int, Features], NDArray[np.int32]]:
    """Return the boxes of each fold, and the fold of each page.

    Args:
        features: Of all boxes.
        given: What they are from.
        truth: All training pages: folds are by book, and books are counted there.
        train_csv: The file of the truth, for messages.
        n_folds: Number of folds.
        split: What they divide.

    Raises:
        InputError: a page that is no training page, or a fold without boxes.
    """
    folds = assign_folds(truth.image_ids, n_folds, split)
    strange = next((page for page in given.pages if page not in folds), None)
    if strange is not None:
        where = f"{given.files[strange]}, page {shown(strange)}"
        raise InputError(f"{where}: expected a training page, got one that is not in {train_csv}")
    fold_of_page = np.array([folds[page] for page in given.pages], np.int32)
    fold_of_box = features.boxes["image_id"].map(folds).to_numpy(np.int32)
    empty = sorted(set(range(n_folds)) - set(fold_of_box.tolist()))
    if empty:
        names = ", ".join(dict.fromkeys(given.files.values()))
        raise InputError(f"{names}: expected boxes of all {n_folds} folds (--n-folds), got none of fold {empty[0]}")
    return {fold: features.take(np.flatnonzero(fold_of_box == fold)) for fold in range(n_folds)}, fold_of_page


def true_classes(features: Features) -> NDArray[np.int32]:
    """Return the class numbers (n,) of the truth."""
    return features.vocabulary.encode(features.boxes["true"], "the detailed tables")


def out_of_fold_table(
    features: Sequence[Features], probability: Sequence[NDArray[np.float32]], pages: Sequence[str]
) -> Detailed:
    """Return a detailed table of the out-of-fold predictions: the best candidates, log probabilities as logits.

    Every box has as many candidates as the box with the fewest.

    Args:
        features: Of each fold.
        probability: (m,) of each candidate of each fold.
        pages: All pages.
    """
    k = min((int(np.diff(part.offsets).min()) for part in features if len(part)), default=1)
    best = [best_candidates(part.candidates, part.offsets, p, k) for part, p in zip(features, probability, strict=True)]
    boxes = pd.concat([part.boxes for part in features], ignore_index=True)
    vocabulary: Vocabulary = features[0].vocabulary
    classes, logits = (np.concatenate(parts) for parts in zip(*best, strict=True))
    return Detailed(boxes, classes, logits, vocabulary, tuple(pages))


def best_candidates(
    candidates: NDArray[np.int32], offsets: NDArray[np.int64], probability: NDArray[np.float32], k: int
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Return the best `k` candidates (n, k) of each box, best first, and the logarithms of their probabilities.

    Args:
        candidates: (m,) class numbers, at least `k` of each box.
        offsets: (n + 1,) where each box's candidates begin.
        probability: (m,) of each candidate.
        k: How many.
    """
    box = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    order = np.lexsort((candidates, -probability, box))
    best = order[offsets[:-1, None] + np.arange(k)]
    return candidates[best], np.log(np.maximum(probability[best], np.float32(1e-12)))
