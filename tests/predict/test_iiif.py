"""Books on IIIF servers, one of which runs here."""

import http.server
import io
import json
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from kuzushiji.errors import InputError
from kuzushiji.predict import iiif
from kuzushiji.predict.sources import find_pages


def jpeg() -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.full((9, 6, 3), 200, np.uint8)).save(file, "JPEG")
    return file.getvalue()


class Server(http.server.ThreadingHTTPServer):
    """Answers with `files`; each address fails as often as `failures` says, with a status or by breaking off."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.failures: dict[str, list[int]] = {}
        self.asked: Counter[str] = Counter()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked[self.path] += 1
        waiting = self.server.failures.get(self.path, [])
        status = waiting.pop(0) if waiting else 200
        content = self.server.files.get(self.path)
        if content is None or status > 200:
            self.send_response(404 if content is None else status)
            self.send_header("Retry-After", "0")
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2] if status < 200 else content)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(iiif, "_WAIT", 0.0)
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def second(address: str) -> dict[str, Any]:
    """A manifest of the Presentation API 2: a picture with a service, and one without."""
    service = {"@context": "http://iiif.io/api/image/2/context.json", "@id": f"{address}/image/1"}
    resources = [{"@id": f"{address}/small.jpg", "service": service}, {"@id": f"{address}/2.jpg"}]
    canvases = [
        {"@type": "sc:Canvas", "label": label, "images": [{"resource": resource}]}
        for label, resource in zip(["表紙", "1 オ"], resources, strict=True)
    ]
    return {
        "@context": "http://iiif.io/api/presentation/2/context.json", "@type": "sc:Manifest",
        "sequences": [{"canvases": [*canvases, {"label": "no picture"}]}],
    }  # fmt: skip


def third(address: str) -> dict[str, Any]:
    """The same of the API 3."""
    service = [{"id": f"{address}/image/1", "type": "ImageService3"}]
    bodies = [
        {"id": f"{address}/small.jpg", "type": "Image", "service": service},
        {"type": "Choice", "items": [{"id": f"{address}/2.jpg", "type": "Image"}]},
    ]
    canvases = [
        {"type": "Canvas", "label": {"ja": [label]}, "items": [{"items": [{"body": body}]}]}
        for label, body in zip(["表紙", "1 オ"], bodies, strict=True)
    ]
    return {"@context": "http://iiif.io/api/presentation/3/context.json", "type": "Manifest", "items": canvases}


@pytest.mark.parametrize(("make", "size"), [(second, "full"), (third, "max")])
@pytest.mark.parametrize("where", ["address", "file"])
def test_manifest(server: Server, tmp_path: Path, make: Any, size: str, where: str) -> None:
    content = json.dumps(make(server.address)).encode()
    server.files["/book/manifest.json"] = content
    (tmp_path / "book.json").write_bytes(content)
    word = f"{server.address}/book/manifest.json" if where == "address" else str(tmp_path / "book.json")
    pages, failures = find_pages([word], [], [tmp_path / "out"])
    assert [page.name for page in pages] == ["book_001_表紙", "book_002_1 オ"] and not failures
    assert [page.url for page in pages] == [
        f"{server.address}/image/1/full/{size}/0/default.jpg",
        f"{server.address}/2.jpg",
    ]
    assert all(page.picture.path.parent == tmp_path / "out" / "iiif" for page in pages)


@pytest.mark.parametrize(("version", "size"), [(2, "full"), (3, "max")])
def test_info_json_is_one_page(server: Server, tmp_path: Path, version: int, size: str) -> None:
    name = "@id" if version == 2 else "id"
    info = {"@context": f"http://iiif.io/api/image/{version}/context.json", name: f"{server.address}/image/7/"}
    server.files["/image/7/info.json"] = json.dumps(info).encode()
    (page,), _ = find_pages([f"{server.address}/image/7/info.json"], [], [tmp_path])
    assert (page.name, page.url) == ("7", f"{server.address}/image/7/full/{size}/0/default.jpg")


def test_a_picture_is_fetched_once_and_whole(server: Server, tmp_path: Path) -> None:
    """After answers of a busy server, and after a connection that broke in the middle."""
    server.files["/1.jpg"], path = jpeg(), tmp_path / "iiif" / "1.jpg"
    server.failures["/1.jpg"] = [503, 429, 100]
    for _ in range(2):
        iiif.fetch(f"{server.address}/1.jpg", path)
    assert path.read_bytes() == jpeg() and server.asked["/1.jpg"] == 4


def test_what_a_server_does_not_give(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "1.jpg"
    with pytest.raises(InputError, match="expected a file from this server, got: 404 Not Found"):
        iiif.fetch(f"{server.address}/1.jpg", path)
    server.files["/1.jpg"] = jpeg()
    server.failures["/1.jpg"] = [500] * 9
    with pytest.raises(InputError, match="got: 500"):
        iiif.fetch(f"{server.address}/1.jpg", path)
    assert server.asked["/1.jpg"] == 5  # one for what is not there, four for what may come
    monkeypatch.setattr(iiif, "_MOST_PICTURE", 10)
    server.failures.clear()
    with pytest.raises(InputError, match="expected at most 0 MiB, got more"):
        iiif.fetch(f"{server.address}/1.jpg", path)
    assert not path.exists()


def test_an_answer_that_is_no_picture_is_not_kept(server: Server, tmp_path: Path) -> None:
    server.files["/1.jpg"], path = b"<html>come back tomorrow</html>", tmp_path / "1.jpg"
    with pytest.raises(InputError, match="/1.jpg: expected a picture from this server, got other data"):
        iiif.fetch(f"{server.address}/1.jpg", path)
    assert not list(tmp_path.iterdir())
    server.files["/1.jpg"] = jpeg()
    iiif.fetch(f"{server.address}/1.jpg", path)
    assert path.read_bytes() == jpeg()


@pytest.mark.parametrize("url", ["file:///etc/hostname", "ftp://127.0.0.1/1.jpg", "1.jpg", ""])
def test_a_manifest_names_addresses_alone(tmp_path: Path, url: str) -> None:
    with pytest.raises(InputError, match="expected an address that begins with http:// or https://"):
        iiif.fetch(url, tmp_path / "1.jpg")


def test_what_is_no_picture_on_a_canvas_is_passed_over(tmp_path: Path) -> None:
    """Films, and services of which the first is none of pictures: its users log in."""
    login = {"@context": "http://iiif.io/api/auth/1/context.json", "@id": "http://a/login", "profile": "…/auth/1/login"}
    service = [login, {"@type": "ImageService2", "@id": "http://a/2"}]
    bodies: list[list[Any]] = [
        [{"type": "Video", "id": "http://a/1.mp4"}],
        [{"type": "TextualBody", "value": "a note"}, {"type": "Image", "id": "http://a/2.jpg", "service": service}],
        [[{"type": "Image", "id": "http://a/3.jpg", "service": [login]}]],
        [[], "http://a/4.jpg"],
    ]
    canvases = [{"items": [{"items": [{"body": body} for body in of_canvas]}]} for of_canvas in bodies]
    (tmp_path / "book.json").write_text(json.dumps({"type": "Manifest", "items": canvases}))
    found = [canvas.url for canvas in iiif.canvases_of(str(tmp_path / "book.json"))]
    assert found == ["http://a/2/full/full/0/default.jpg", "http://a/3.jpg"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("no JSON", "expected an IIIF manifest, got no JSON"),
        ("[]", "expected an IIIF manifest or info.json with pictures, got other JSON"),
        ("null", "got other JSON"),
        ("[" * 100_000, "got no JSON"),
        ('{"sequences": [{"canvases": [{"images": [{}]}]}]}', "got one without 'resource'"),
        ('{"type": "Collection", "items": []}', "with pictures, got Collection"),
        ('{"sequences": [{}]}', "expected an IIIF manifest, got one without 'canvases'"),
        ('{"type": "Manifest", "items": [{"items": [{"items": [{"body": {}}]}]}]}', "got one without '@id'"),
    ],
)
def test_what_is_no_manifest(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "book.json").write_text(content)
    with pytest.raises(InputError, match=message) as error:
        find_pages([str(tmp_path / "book.json")], [], [tmp_path])
    assert "\n" not in str(error.value)
