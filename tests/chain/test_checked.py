"""Data that passed their check are checked again only when they have changed."""

import os
from pathlib import Path

from kuzushiji.chain.checked import is_checked, note_checked


def test_data_that_passed_are_checked_again_only_in_another_folder_or_after_a_change(tmp_path: Path) -> None:
    data, other, logs = (tmp_path / name for name in ("data", "other", "logs"))
    for folder in (data, other, logs, data / "images"):
        folder.mkdir()
    (data / "images" / "a.jpg").write_text("a")
    for path in (data, other, data / "images", data / "images" / "a.jpg"):
        os.utime(path, (1000, 1000))
    assert not is_checked(data, logs)
    note_checked(data, logs)
    assert (logs / "check.passed").read_text() == f"{data}\n"
    assert is_checked(data, logs) and not is_checked(other, logs)
    (tmp_path / "link").symlink_to(data)
    assert is_checked(tmp_path / "link", logs)
    os.utime(data / "images" / "a.jpg", (1e10, 1e10))
    assert not is_checked(data, logs)
