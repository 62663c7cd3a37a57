"""Stages 2 to 4: which characters they are."""
