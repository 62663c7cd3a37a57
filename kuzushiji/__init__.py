"""A pipeline that reads old Japanese books: where the characters are on a page, and which they are."""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"
"""The version of everything that is built or written; `setup.py` reads it here."""

__all__ = ["Reader", "__version__"]


def __getattr__(name: str) -> Any:
    """Return `Reader` (`kuzushiji.predict.api.Reader`), which is imported when it is asked for: it needs torch."""
    if name == "Reader":
        return import_module("kuzushiji.predict.api").Reader
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
