"""Labelled pages in the forms of other programs: read into one description, written from it."""
