"""The kinds of models behind the groups of columns of level 2, in order."""

from collections.abc import Iterable
from pathlib import Path

from kuzushiji.run_folder import ModelName


def kinds_of(groups: Iterable[Iterable[str]]) -> tuple[str, ...]:
    """Return the kind of each group of tables, such as `clf-resnet10t`, by the folders of a run that these lie in.

    Returns:
        One a group; empty where a group has no kind: its tables lie elsewhere, or are of several kinds.
    """
    kinds: list[str] = []
    for group in groups:
        names = [ModelName.of_folder(Path(table).parent.name) for table in group]
        of_group = {name.kind for name in names if name}
        if len(of_group) != 1 or not all(names):
            return ()
        kinds.extend(of_group)
    return tuple(kinds)
