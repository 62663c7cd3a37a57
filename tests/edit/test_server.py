"""The server of the editor: it writes corrections.json in its folder, for whoever has the token, and nothing else."""

import errno
import http.client
import json
import socket
import struct
import threading
from pathlib import Path
from typing import Any

import pytest

from kuzushiji.edit.__main__ import main
from kuzushiji.edit.folder import EditedFolder
from kuzushiji.edit.server import EditServer
from kuzushiji.errors import InputError
from kuzushiji.forms.corrections import content_of
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
    sent = [page_of(folder, "b1_002"), page_of(folder), page_of(folder, revision=1, done=False)]
    answers = [ask(server, f"corrections/{page['page']}", page) for page in sent]
    assert [(status, json.loads(line)["revision"]) for status, line in answers] == [(200, 1), (200, 1), (200, 2)]
    assert saved(folder) == [page_of(folder, revision=2, done=False), page_of(folder, "b1_002", revision=1)]
    content = json.loads(ask(server, "corrections.json")[1])
    assert content["pages"] == saved(folder)
    digests = {"b1_001": json.loads(answers[2][1])["digest"], "b1_002": json.loads(answers[0][1])["digest"]}
    assert content["digests"] == digests
    assert (
        ask(server, "corrections/b1_002", page_of(folder, "b1_002")) == answers[0]
    )  # nothing to save, nothing to refuse


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
        ({"page": "b1_002"}, "expected one of its 2 pages, got 'b1_002'"),
    ],
)
def test_another_page_or_picture(changes: dict[str, Any], line: str, server: EditServer, folder: Path) -> None:
    status, text = ask(server, "corrections/b1_001", page_of(folder, **changes))
    assert status == 422 and line in text and not (folder / "corrections.json").exists()


def test_an_older_reading_is_saved(server: EditServer, folder: Path) -> None:
    """Corrections are of a picture; the browser says that the candidates are those of another reading."""
    assert ask(server, "corrections/b1_001", page_of(folder, reading="1" * 16))[0] == 200
    assert saved(folder) == [page_of(folder, reading="1" * 16, revision=1)]


def test_the_file_was_changed_by_another_program(server: EditServer, folder: Path) -> None:
    """Its page has the revision that the browser began from, and another content."""
    _, answer = ask(server, "corrections/b1_001", page_of(folder))
    other = page_of(folder, revision=1, done=False)
    (folder / "corrections.json").write_text(json.dumps(content_of([other])), encoding="utf-8")
    match = {"If-Match": json.loads(answer)["digest"]}
    status, line = ask(server, "corrections/b1_001", page_of(folder, revision=1), **match)
    assert status == 409 and "somebody else has saved it" in line and saved(folder) == [other]
    match = {"If-Match": json.loads(ask(server, "corrections.json")[1])["digests"]["b1_001"]}
    assert ask(server, "corrections/b1_001", page_of(folder, revision=1), **match)[0] == 200


def test_the_file_has_a_page_of_another_picture(
    server: EditServer, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As after a new scan under the old name; it is neither edited nor overwritten."""
    other = page_of(folder, sha256="b" * 64, revision=3)
    (folder / "corrections.json").write_text(json.dumps(content_of([other])), encoding="utf-8")
    status, line = ask(server, "corrections/b1_001", page_of(folder))
    assert status == 422 and "corrections of the picture in the folder" in line and "move the file away" in line
    assert saved(folder) == [other]
    assert EditedFolder(folder).done() == 1 and "page b1_001 is of another picture" in caplog.text


def test_a_folder_that_cannot_be_written(server: EditServer, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ask(server, "corrections/b1_001", page_of(folder))[0] == 200

    def full(file: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    status, line = ask(server, "corrections/b1_001", page_of(folder, revision=1, done=False))
    assert status == 422 and line.count("\n") == 1
    assert "corrections.json: cannot be written: " in line and "what was there before is untouched" in line
    assert saved(folder) == [page_of(folder, revision=1)]


def test_a_browser_that_leaves_while_it_sends(
    server: EditServer, folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Half a page is none."""
    body = json.dumps(page_of(folder))
    with socket.create_connection(("127.0.0.1", server.server_port)) as connection:
        head = f"PUT /{server.token}/corrections/b1_001 HTTP/1.1\r\nHost: 127.0.0.1:{server.server_port}\r\n"
        connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n{body[:50]}".encode())
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # reset, not closed
    assert ask(server, "corrections.json")[0] == 200
    assert not (folder / "corrections.json").exists() and "Traceback" not in capfd.readouterr().err


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
