"""The server of the editor: it writes corrections.json in its folder, for whoever has the token, and nothing else."""

import http.client
import json
import threading
from pathlib import Path
from typing import Any

import pytest

from kuzushiji.edit.__main__ import main
from kuzushiji.edit.folder import EditedFolder
from kuzushiji.edit.server import EditServer
from kuzushiji.errors import InputError
from tests.edit.books import page_of


def ask(server: EditServer, path: str, value: Any = None, **headers: str) -> tuple[int, str]:
    """Return the status and the text of an answer; `path` stands behind the token unless it begins with a slash."""
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=20)
    body = None if value is None else value if isinstance(value, str) else json.dumps(value)
    target = path if path.startswith("/") else f"/{server.token}/{path}"
    connection.request("GET" if value is None else "PUT", target, body, headers)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text


def saved(folder: Path) -> list[dict[str, Any]]:
    pages: list[dict[str, Any]] = json.loads((folder / "corrections.json").read_text(encoding="utf-8"))["pages"]
    return pages


def test_the_viewer_and_the_corrections(server: EditServer, folder: Path) -> None:
    assert ask(server, "viewer.html") == (200, (folder / "viewer.html").read_text(encoding="utf-8"))
    assert ask(server, "b1_001.viewer.js") == (200, (folder / "b1_001.viewer.js").read_text(encoding="utf-8"))
    assert json.loads(ask(server, "corrections.json")[1])["pages"] == []
    assert not (folder / "corrections.json").exists()


def test_pages_are_saved_with_their_revision(server: EditServer, folder: Path) -> None:
    assert ask(server, "corrections/b1_002", page_of(folder, "b1_002")) == (200, '{"revision": 1}')
    assert ask(server, "corrections/b1_001", page_of(folder)) == (200, '{"revision": 1}')
    assert ask(server, "corrections/b1_001", page_of(folder, revision=1, done=False)) == (200, '{"revision": 2}')
    assert saved(folder) == [page_of(folder, revision=2, done=False), page_of(folder, "b1_002", revision=1)]
    assert json.loads(ask(server, "corrections.json")[1])["pages"] == saved(folder)


def test_the_second_of_two_is_told(server: EditServer, folder: Path) -> None:
    """Two browsers, or two servers, that began from the same version of a page."""
    with EditServer(EditedFolder(folder), 0) as other:
        thread = threading.Thread(target=other.serve_forever, args=(0.02,))
        thread.start()
        assert ask(server, "corrections/b1_001", page_of(folder, done=False))[0] == 200
        status, line = ask(other, "corrections/b1_001", page_of(folder))
        other.shutdown()
        thread.join()
    assert status == 409 and line.count("\n") == 1
    assert "somebody else has saved it (revision 1, yours began from 0); load the page again" in line
    assert saved(folder) == [page_of(folder, revision=1, done=False)]


@pytest.mark.parametrize(
    ("path", "value", "headers", "status", "line"),
    [
        ("secret.txt", None, {}, 404, "expected a file of the viewer, got another path"),
        ("../secret.txt", None, {}, 404, "expected a file of the viewer"),
        ("%2e%2e/secret.txt", None, {}, 404, "expected a file of the viewer"),
        ("records/b1_001.json", None, {}, 404, "expected a file of the viewer"),
        ("/", None, {}, 403, "got one with another token"),
        ("/wrong/viewer.html", None, {}, 403, "got one with another token"),
        ("viewer.html", None, {"Host": "evil.example"}, 403, "expected a request from 127.0.0.1"),
        ("corrections/b1_001", {}, {"Origin": "http://evil.example"}, 403, "got one of another host"),
        ("corrections/../../b1_001", {}, {}, 422, "expected page as str, got None"),
        ("secret.txt", {}, {}, 404, "expected a page of corrections"),
        ("corrections/b1_001", "{", {}, 422, "Expecting property name"),
        ("corrections/b1_001", "[" * 100_000, {}, 422, "recursion"),
        ("corrections/b1_001", {"page": "b1_001"}, {}, 422, "page b1_001: expected image as str, got None"),
    ],
)
def test_what_is_refused(
    path: str, value: Any, headers: dict[str, str], status: int, line: str, server: EditServer, folder: Path
) -> None:
    before = {item: item.read_bytes() for item in folder.parent.rglob("*") if item.is_file()}
    got = ask(server, path, value, **headers)
    assert got[0] == status and line in got[1] and got[1].count("\n") == 1 and "secret\n" not in got[1]
    assert before == {item: item.read_bytes() for item in folder.parent.rglob("*") if item.is_file()}


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"sha256": "b" * 64}, "page b1_001: expected corrections of the picture in the folder"),
        (
            {"width": 301},
            "page b1_001: expected corrections of the width in the folder (300), got those of another (301)",
        ),
        ({"reading": "1" * 16}, "page b1_001: expected corrections of the reading in the folder (000000000000), got"),
        ({"page": "b1_002"}, "expected one of its 2 pages, got 'b1_002'"),
    ],
)
def test_another_page_picture_or_reading(changes: dict[str, Any], line: str, server: EditServer, folder: Path) -> None:
    status, text = ask(server, "corrections/b1_001", page_of(folder, **changes))
    assert status == 422 and line in text and not (folder / "corrections.json").exists()


def test_damaged_corrections_stay_as_they_are(server: EditServer, folder: Path) -> None:
    (folder / "corrections.json").write_text("damaged")
    assert ask(server, "corrections/b1_001", page_of(folder))[0] == 422
    assert ask(server, "corrections.json")[0] == 500
    assert (folder / "corrections.json").read_text() == "damaged"
    with pytest.raises(InputError, match=r"corrections.json: expected JSON, got something else"):
        main([str(folder)])


def test_a_folder_that_is_none_and_a_port_that_is_taken(server: EditServer, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match="expected a folder of kuzushiji predict --formats viewer, got none with viewer"
    ):
        main([str(tmp_path)])
    with pytest.raises(InputError, match=f"--port {server.server_port}: expected a free port on 127.0.0.1, got one in"):
        main([str(folder), "--port", str(server.server_port)])
