"""A pipeline that reads old Japanese books: where the characters are on a page, and which they are."""

__version__ = "0.1.0"
"""The version of everything that is built or written; `setup.py` reads it here."""
