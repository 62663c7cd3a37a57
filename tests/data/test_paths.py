"""Where things lie, and that nothing outside is reached."""

import os
from pathlib import Path

import pytest

from kuzushiji.data.pages import read_page
from kuzushiji.data.paths import DataRoot, image_path
from kuzushiji.errors import InputError


def test_the_root_is_the_given_one_else_the_environments_else_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("given", "environment", "data"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("KUZUSHIJI_DATA", raising=False)
    assert DataRoot.find().root == Path("data")
    monkeypatch.setenv("KUZUSHIJI_DATA", "environment")
    assert DataRoot.find().root == Path("environment")
    assert DataRoot.find(Path("given")).root == Path("given")
    monkeypatch.setenv("KUZUSHIJI_DATA", "")
    assert DataRoot.find().root == Path("data")


def test_no_data_root_says_how_to_get_the_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("KUZUSHIJI_DATA", raising=False)
    with pytest.raises(InputError, match=r"data: expected a folder.*kaggle competitions download.*kuzushiji\.demo"):
        DataRoot.find()
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="file: expected a folder"):
        DataRoot.find(Path("file"))


def test_the_competitions_layout(tiny_root: Path) -> None:
    root = DataRoot.find(tiny_root)
    for path in (root.train_csv, root.unicode_translation_csv, root.sample_submission_csv, root.solution_csv):
        assert path.is_file()
    assert root.train_image("umgy001-001").is_file()
    assert root.test_image("test_100000009_00002_1").is_file()


@pytest.mark.parametrize(
    "image_id", ["../train", "../../etc/passwd", "/etc/passwd", "a/b", "a\\b", "..", ".", "", "a\0", "a\n", "\x1b[2J"]
)
def test_ids_never_leave_the_folder(image_id: str, tiny_root: Path) -> None:
    root = DataRoot.find(tiny_root)
    for path_of in (root.train_image, root.test_image):
        with pytest.raises(InputError, match="expected an image id that is a plain file name"):
            path_of(image_id)


@pytest.mark.parametrize(
    ("there", "expected"),
    [
        ([], "page.jpg"),  # what is missing is a JPEG
        (["page.png"], "page.png"),
        (["page.tif", "page.webp"], "page.tif"),
        (["page.png", "page.jpg"], "page.jpg"),
        (["page.txt", "other.png"], "page.jpg"),
    ],
)
def test_pages_are_images_of_any_kind(there: list[str], expected: str, tmp_path: Path) -> None:
    for name in there:
        (tmp_path / name).touch()
    assert image_path(tmp_path, "page") == tmp_path / expected


@pytest.mark.parametrize(("image_id", "fits"), [("a" * 251, True), ("a" * 252, False), ("あ" * 84, False)])
def test_ids_are_no_longer_than_a_files_name(image_id: str, fits: bool, tmp_path: Path) -> None:
    if fits:
        image_path(tmp_path, image_id).touch()
    else:
        with pytest.raises(InputError, match="plain file name, got '.{60}…'$"):
            image_path(tmp_path, image_id)


def test_links_that_go_round_in_a_circle_are_no_pages(tmp_path: Path) -> None:
    os.symlink("round.jpg", tmp_path / "round.jpg")
    with pytest.raises(InputError, match="round.jpg"):
        read_page(image_path(tmp_path, "round"))


def test_links_never_leave_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    (tmp_path / "secret.jpg").touch()
    (folder / "real.jpg").touch()
    os.symlink(tmp_path / "secret.jpg", folder / "out.jpg")
    os.symlink("real.jpg", folder / "in.jpg")
    os.symlink(folder, tmp_path / "linked")
    assert image_path(folder, "in") == folder / "in.jpg"
    # the folder itself may be a link: people keep 10 GB of images where there is room
    assert image_path(tmp_path / "linked", "real").is_file()
    with pytest.raises(InputError, match="expected a file in its folder, got a link to"):
        image_path(folder, "out")
