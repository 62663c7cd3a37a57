"""Every file between stages: its columns, keys and types, how it is read, written and checked."""

from kuzushiji.artifacts.box_table import BOX_COLUMNS
from kuzushiji.artifacts.detailed import N_BEST, Detailed, concat_detailed, rows_in_order_of
from kuzushiji.artifacts.detailed_files import read_detailed, write_detailed
from kuzushiji.artifacts.predicted_characters import (
    PredictedCharacters,
    candidates_path,
    characters_path,
    read_characters,
    write_characters,
)

__all__ = [
    "BOX_COLUMNS",
    "N_BEST",
    "PredictedCharacters",
    "Detailed",
    "candidates_path",
    "characters_path",
    "concat_detailed",
    "read_characters",
    "read_detailed",
    "rows_in_order_of",
    "write_characters",
    "write_detailed",
]
