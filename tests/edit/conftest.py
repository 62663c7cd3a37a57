"""A folder of two pages to edit, and the server for it."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from kuzushiji.edit.folder import EditedFolder
from kuzushiji.edit.server import EditServer
from tests.edit.books import write_book


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The pages, and a file that the server does not serve."""
    write_book(tmp_path / "out")
    (tmp_path / "out" / "secret.txt").write_text("secret")
    return tmp_path / "out"


@pytest.fixture
def server(folder: Path) -> Iterator[EditServer]:
    """The server, running."""
    with EditServer(EditedFolder(folder), 0) as started:
        thread = threading.Thread(target=started.serve_forever, args=(0.02,))
        thread.start()
        yield started
        started.shutdown()
        thread.join()
