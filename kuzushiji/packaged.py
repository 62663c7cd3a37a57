"""The small weights that come with the package: backbones trained on machine-written books."""

from pathlib import Path

from kuzushiji.errors import InputError

BOOKS = "books"
"""What `--weights` says to ask for them in place of a file."""

LACKING = ("layer4.",)
"""Beginnings of names that these files leave out: they end at stride 16, as the classifier does."""

_FOLDER = Path(__file__).parent / "weights"


def weights_file(weights: str | None, backbone: str) -> Path | None:
    """Return the file that `--weights` means for a backbone; None where no flag names any.

    Raises:
        InputError: none come with the package for this backbone.
    """
    if weights != BOOKS:
        return Path(weights) if weights else None
    path = _FOLDER / f"{backbone}.safetensors"
    if not path.is_file():
        there = ", ".join(sorted(file.stem for file in _FOLDER.glob("*.safetensors"))) or "none"
        raise InputError(f"--weights {BOOKS}: expected a backbone with packaged weights ({there}), got {backbone}")
    return path
