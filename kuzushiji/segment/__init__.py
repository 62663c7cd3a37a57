"""Stage 1: where the characters are."""
