"""Features of level 2: the best classes and logits of each group of models for each box, and the box's candidates."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kuzushiji.artifacts.box_table import TEXT_COLUMNS, boxes_of, check_name, labels_of, to_arrow
from kuzushiji.data.label_text import shown
from kuzushiji.data.labels import PageLabels
from kuzushiji.data.vocabulary import Vocabulary
from kuzushiji.errors import InputError
from kuzushiji.files import atomic_path
from kuzushiji.ragged import members, offsets_of

KIND = "level2_features"
_ARRAYS = ("overlap", "top_classes", "top_logits", "log_sum", "candidates", "candidate_logits")


@dataclass(frozen=True)
class Features:
    """The candidates of n boxes, by g groups of models with k top classes each; m candidates of all boxes together.

    A row of the second level is a box and one of its candidates; (image_id, box, candidate) is its key. Values of
    boxes are stored once per box; candidates are in flat arrays, box after box.

    Attributes:
        boxes: (n rows) columns `BOX_COLUMNS`, as in a detailed table.
        overlap: (n,) float32, largest intersection with another box of the page as a share of that other box, 0 to 1.
        top_classes: (n, g, k) int32, the best classes of each group.
        top_logits: (n, g, k) float32, their logits.
        log_sum: (n, g) float32, log of the sum of exp over all logits that the group has.
        offsets: (n + 1,) int64, where each box's candidates begin.
        candidates: (m,) int32, class numbers, ascending within a box, `seg_fp` (the largest) always the last.
        candidate_logits: (m, g) float32, logit of the candidate in each group; NaN where it is not among its best.
        vocabulary: What the class numbers mean.
        pages: Every page that was looked at.
        groups: The files of each group.
        sources: SHA-256 of each of these files.
        extra: (m,) float32 by name, columns of optional stages; not part of the file.
    """

    boxes: pd.DataFrame
    overlap: NDArray[np.float32]
    top_classes: NDArray[np.int32]
    top_logits: NDArray[np.float32]
    log_sum: NDArray[np.float32]
    offsets: NDArray[np.int64]
    candidates: NDArray[np.int32]
    candidate_logits: NDArray[np.float32]
    vocabulary: Vocabulary
    pages: tuple[str, ...]
    groups: tuple[tuple[str, ...], ...]
    sources: dict[str, str]
    extra: dict[str, NDArray[np.float32]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.boxes)

    @property
    def top_k(self) -> int:
        """Top classes of each group."""
        return int(self.top_classes.shape[2])

    @property
    def n_groups(self) -> int:
        """Groups of models."""
        return int(self.top_classes.shape[1])

    @property
    def extra_columns(self) -> tuple[str, ...]:
        """Names of the columns of optional stages."""
        return tuple(self.extra)

    @property
    def box_of_candidate(self) -> NDArray[np.int64]:
        """(m,) position of each candidate's box."""
        return np.repeat(np.arange(len(self)), np.diff(self.offsets))

    def labels(self, codes: NDArray[np.object_], pages: Sequence[str]) -> PageLabels:
        """Return the boxes with their predicted codes (n,); `pages` are all pages, in order."""
        return labels_of(self.boxes, codes, pages)

    def take(self, rows: NDArray[np.int64]) -> "Features":
        """Return the features of the boxes at these positions, with all pages."""
        chosen = members(self.offsets, rows)
        return replace(
            self,
            boxes=self.boxes.iloc[rows].reset_index(drop=True),
            overlap=self.overlap[rows],
            top_classes=self.top_classes[rows],
            top_logits=self.top_logits[rows],
            log_sum=self.log_sum[rows],
            offsets=offsets_of(np.diff(self.offsets)[rows]),
            candidates=self.candidates[chosen],
            candidate_logits=self.candidate_logits[chosen],
            extra={name: values[chosen] for name, values in self.extra.items()},
        )

    def keep(self, kept: NDArray[np.bool_]) -> "Features":
        """Return the features of the same boxes with those candidates (m,) only; `seg_fp` of each box must stay."""
        counts = np.add.reduceat(kept, self.offsets[:-1], dtype=np.int64) if len(self) else np.zeros(0, np.int64)
        return replace(
            self,
            offsets=offsets_of(counts),
            candidates=self.candidates[kept],
            candidate_logits=self.candidate_logits[kept],
            extra={name: values[kept] for name, values in self.extra.items()},
        )


def concat_features(parts: Sequence[Features], names: Sequence[str]) -> Features:
    """Return the features of the boxes of several tables of different pages, such as the folds.

    Raises:
        InputError: no tables, a page in two of them, or other candidates or columns: another top k, groups, vocabulary
            or extra columns.
    """
    if not parts:
        raise InputError("expected at least one table of features, got none")
    first = parts[0]
    seen: dict[str, str] = {}
    for part, name in zip(parts, names, strict=True):
        for what in ("top_k", "n_groups", "vocabulary", "extra_columns"):
            if getattr(part, what) != getattr(first, what):
                expected, got = (_short(getattr(table, what)) for table in (first, part))
                raise InputError(f"{name}: expected features with {what} {expected} as {names[0]}, got {got}")
        doubled = next((page for page in part.pages if page in seen), None)
        if doubled is not None:
            where = f"{name}, page {shown(doubled)}"
            raise InputError(f"{where}: expected pages of its own, got a page that {seen[doubled]} has")
        seen |= dict.fromkeys(part.pages, name)

    arrays: dict[str, Any] = {name: np.concatenate([getattr(part, name) for part in parts]) for name in _ARRAYS}
    return replace(
        first,
        boxes=pd.concat([part.boxes for part in parts], ignore_index=True),
        offsets=offsets_of(np.concatenate([np.diff(part.offsets) for part in parts])),
        pages=tuple(seen),
        sources={name: digest for part in parts for name, digest in part.sources.items()},
        extra={name: np.concatenate([part.extra[name] for part in parts]) for name in first.extra},
        **arrays,
    )


def write_features(path: Path, features: Features) -> None:
    """Write the features as Parquet, whole or not at all.

    Raises:
        InputError: the name does not end in `.parquet`, or the folder cannot be written to.
    """
    import pyarrow as pa

    from kuzushiji.artifacts.parquet import lists, write_table

    check_name(path, "features")
    n, g, k = features.top_classes.shape
    columns = to_arrow(features.boxes)
    small = np.int16 if len(features.vocabulary) <= np.iinfo(np.int16).max else np.int32
    each, by_group = np.arange(n + 1, dtype=np.int64), features.offsets * g
    columns |= {
        "box_overlap": pa.array(features.overlap),
        "top_classes": lists(features.top_classes.astype(small), each * (g * k)),
        "top_logits": lists(features.top_logits, each * (g * k)),
        "log_sum": lists(features.log_sum, each * g),
        "candidates": lists(features.candidates.astype(small), features.offsets),
        "candidate_logits": lists(features.candidate_logits, by_group),
    }
    meta = {
        "top_k": k,
        "groups": [list(group) for group in features.groups],
        "sources": features.sources,
        "vocabulary": list(features.vocabulary.codes),
        "pages": list(features.pages),
    }
    floats = [f"{name}.list.element" for name in ("top_logits", "log_sum", "candidate_logits")]
    with atomic_path(path) as temporary:
        write_table(temporary, pa.table(columns), KIND, meta, use_dictionary=list(TEXT_COLUMNS), split=floats)


def read_features(path: Path) -> Features:
    """Read features that `write_features` wrote.

    Raises:
        InputError: no such file, another kind of table, or one that contradicts itself.
    """
    import pyarrow as pa

    from kuzushiji.artifacts.parquet import read_table, rows, values_and_offsets

    table, meta = read_table(path, KIND)
    try:
        k, groups = int(meta["top_k"]), tuple(tuple(map(str, group)) for group in meta["groups"])
        g, n = len(groups), table.num_rows
        candidates, offsets = values_and_offsets(table["candidates"])
        logits, logit_offsets = values_and_offsets(table["candidate_logits"])
        features = Features(
            boxes=boxes_of(table),
            overlap=table["box_overlap"].to_numpy(),
            top_classes=rows(table["top_classes"], g * k).reshape(n, g, k).astype(np.int32),
            top_logits=rows(table["top_logits"], g * k).reshape(n, g, k),
            log_sum=rows(table["log_sum"], g),
            offsets=offsets,
            candidates=candidates.astype(np.int32),
            candidate_logits=logits.reshape(-1, g),
            vocabulary=Vocabulary.from_codes(meta["vocabulary"]),
            pages=tuple(map(str, meta["pages"])),
            groups=groups,
            sources=dict(meta["sources"]),
        )
        if not np.array_equal(logit_offsets, offsets * g):
            raise ValueError("candidates and their logits do not fit")
        _check_candidates(features)
    except (KeyError, TypeError, ValueError, pa.ArrowException) as error:
        raise InputError(f"{path}: expected a table of {KIND}, got a damaged one: {error}") from error
    return features


def read_groups(path: Path) -> tuple[tuple[str, ...], ...]:
    """Return the files of each group of models that features are of, without reading the features.

    Raises:
        InputError: no such file or another kind of table.
    """
    from kuzushiji.artifacts.parquet import read_facts

    groups = read_facts(path, KIND).get("groups")
    if not isinstance(groups, list) or not all(isinstance(group, list) for group in groups):
        raise InputError(f"{path}: expected a table of {KIND}, got a damaged one: no groups of tables")
    return tuple(tuple(map(str, group)) for group in groups)


def _short(value: Any) -> Any:
    return value.digest() if isinstance(value, Vocabulary) else value


def _check_candidates(features: Features) -> None:
    """Check the invariants that level 2 relies on; ValueError, with the page and the box, if one is violated."""
    size, candidates, last = len(features.vocabulary), features.candidates, features.offsets[1:] - 1
    xywh = features.boxes[["x", "y", "w", "h"]].to_numpy(np.float64)
    _refuse(features, ~np.isfinite(xywh) | (xywh < [-np.inf, -np.inf, 0, 0]), "a corner or size is no finite number")
    _refuse(features, features.boxes.duplicated(["image_id", "box"]).to_numpy(), "it comes twice")
    _refuse(features, np.diff(features.offsets) < 1, "it has no candidate")
    _refuse_candidates(features, (candidates < 0) | (candidates >= size), f"a candidate is no class up to {size - 1}")
    _refuse(features, candidates[last] != size - 1, "it lacks the candidate seg_fp")
    descending = np.zeros(len(candidates), np.bool_)
    np.less_equal(candidates[1:], candidates[:-1], out=descending[1:])
    descending[features.offsets[:-1]] = False
    _refuse_candidates(features, descending, "its candidates are not in ascending order")
    for name in ("top_logits", "log_sum", "overlap"):
        _refuse(features, ~np.isfinite(getattr(features, name)), f"a number in {name} is NaN or infinite")
    _refuse_candidates(features, np.isinf(features.candidate_logits), "a candidate's logit is infinite")
    _refuse(features, _missing_best(features), "a best class of a group is no candidate, or has another logit as one")


def _missing_best(features: Features) -> NDArray[np.bool_]:
    """Return which best classes (n, g, k) are not among the candidates with the logit that they have in their group."""
    size = len(features.vocabulary)
    keys = features.box_of_candidate * size + features.candidates
    missing = np.ones(features.top_classes.shape, np.bool_)
    for g in range(features.n_groups):
        wanted = np.arange(len(features))[:, None] * size + features.top_classes[:, g]
        place = np.minimum(np.searchsorted(keys, wanted), max(len(keys) - 1, 0))
        same = features.candidate_logits[place, g] == features.top_logits[:, g]
        missing[:, g] = (keys[place] != wanted) | ~same  # NaN equals nothing
    return missing


def _refuse_candidates(features: Features, broken: NDArray[np.bool_], message: str) -> None:
    """Raise a ValueError with the page and the box of the first candidate (m,) or (m, g) that is broken."""
    _refuse(features, np.logical_or.reduceat(broken, features.offsets[:-1]) if broken.any() else broken, message)


def _refuse(features: Features, broken: NDArray[np.bool_], message: str) -> None:
    """Raise a ValueError with the page and the number of the first box (n,) or (n, …) that is broken."""
    if broken.any():
        row = int(np.argmax(broken.reshape(len(broken), -1).any(axis=1)))
        page, number = features.boxes["image_id"].iloc[row], features.boxes["box"].iloc[row]
        raise ValueError(f"page {shown(page)}, box {number}: {message}")
