"""Names of models' folders, both ways."""

import pytest

from kuzushiji.run_folder import ModelName


@pytest.mark.parametrize(
    ("folder", "kind", "fold", "is_detector"),
    [
        ("segment-fold0", "segment", 0, True),
        ("clf-fold12", "clf", 12, False),
        ("clf-fold1-resnet10t", "clf-resnet10t", 1, False),
        ("clf-fold4-wsl8d-mt256-frozen-pseudo-ft", "clf-wsl8d-mt256-frozen-pseudo-ft", 4, False),
        ("segment-fold0-wide", "segment-wide", 0, True),
    ],
)
def test_a_models_folder_names_it(folder, kind, fold, is_detector):
    name = ModelName.of_folder(folder)
    assert name == ModelName(kind, fold)
    assert name.folder == folder and name.is_detector == is_detector


@pytest.mark.parametrize(
    "folder", ["books", "logs", "level2_models", "clf-fold", "clf-foldx", "clf-fold1resnet", "xclf-fold1"]
)
def test_other_folders(folder):
    assert ModelName.of_folder(folder) is None
