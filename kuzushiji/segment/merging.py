"""Label tables of several folds -> one table."""

from collections.abc import Sequence

import pandas as pd

from kuzushiji.data.labels import PageLabels
from kuzushiji.errors import InputError


def merge_tables(tables: Sequence[PageLabels], names: Sequence[str]) -> PageLabels:
    """Return all pages of all tables with their boxes; boxes keep their order and numbers.

    Args:
        tables: At least one.
        names: How each is called in messages.

    Raises:
        InputError: a page is in two tables.
    """
    origin: dict[str, str] = {}
    for table, name in zip(tables, names, strict=True):
        for image_id in table.image_ids:
            if image_id in origin:
                raise InputError(f"{name}, page {image_id}: expected each page once, it is in {origin[image_id]} too")
            origin[image_id] = name
    return PageLabels(tuple(origin), pd.concat([table.boxes for table in tables], ignore_index=True))


def in_order_of(labels: PageLabels, image_ids: Sequence[str], *, allow_missing: bool = False) -> PageLabels:
    """Return the table with its pages in the order of `image_ids`.

    Raises:
        InputError: the table has another page, or lacks one (unless `allow_missing`).
    """
    strange = sorted(set(labels.image_ids).difference(image_ids))
    if strange:
        raise InputError(f"page {strange[0]}: expected only pages of train.csv, {len(strange)} are none")
    found = set(labels.image_ids)
    missing = [image_id for image_id in image_ids if image_id not in found]
    if missing and not allow_missing:
        raise InputError(
            f"page {missing[0]}: expected every page of train.csv in some table, {len(missing)} are missing: "
            "name the clf_gt.csv of every fold (--allow-missing leaves them out)"
        )
    return labels.of_pages(image_id for image_id in image_ids if image_id in found)
