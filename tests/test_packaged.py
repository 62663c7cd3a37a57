from pathlib import Path

import pytest

from kuzushiji import packaged
from kuzushiji.errors import InputError


@pytest.mark.parametrize(
    ("weights", "path"),
    [
        (None, None),  # no flag
        ("", None),
        ("some/file.pth", Path("some/file.pth")),  # a file of the user's, there or not
    ],
)
def test_files(weights: str | None, path: Path | None) -> None:
    assert packaged.weights_file(weights, "resnet18") == path


@pytest.mark.parametrize("backbone", ["resnet18", "resnet10t"])
def test_the_demo_has_both_its_backbones(backbone: str) -> None:
    path = packaged.weights_file("books", backbone)
    assert path is not None and path.stat().st_size > 1e6


def test_all_that_is_packaged_is_small() -> None:
    folder = Path(packaged.__file__).parent / "weights"
    assert sum(path.stat().st_size for path in folder.glob("*.safetensors")) <= 10e6  # what training starts from
    models = [path for name in ("books", "reader") for path in (folder / name).iterdir()]
    assert sum(path.stat().st_size for path in models) <= 60e6  # what reads real pages


def test_a_backbone_without_packaged_weights() -> None:
    with pytest.raises(InputError, match=r"--weights books: expected .* packaged weights \(.*\), got resnet152"):
        packaged.weights_file("books", "resnet152")
