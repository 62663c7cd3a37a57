"""A server for one folder on 127.0.0.1: who has its token sees the pages and saves corrections, and nothing else."""

import hmac
import json
import logging
import secrets
import sys
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from kuzushiji.edit.folder import EditedFolder, StaleError, digest_of
from kuzushiji.errors import InputError
from kuzushiji.forms.corrections import FILE, content_of
from kuzushiji.viewer.book import BOOK

logger = logging.getLogger(__name__)

HOST = "127.0.0.1"
MAX_PAGE = 16 << 20
"""Bytes of a page of corrections; one of 5,000 characters has about 1 MB."""

_TYPES = {".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8"}
_JSON, _TEXT = "application/json", "text/plain; charset=utf-8"
_SAVED = "corrections/"


class EditServer(ThreadingHTTPServer):
    """Serves a folder until `shutdown` is called.

    Args:
        folder: What is edited.
        port: Port on 127.0.0.1; 0 for a free one.

    Attributes:
        folder: What is edited.
        token: Part of the address; new for each server.

    Raises:
        InputError: the port is taken.
    """

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, folder: EditedFolder, port: int) -> None:
        self.folder = folder
        self.token = secrets.token_urlsafe(24)
        try:
            super().__init__((HOST, port), _Handler)
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or error
            raise InputError(f"--port {port}: expected a free port on {HOST}, got one in use ({reason})") from error

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Go on where a browser was closed before it had its answer."""
        if isinstance(sys.exc_info()[1], ConnectionError):
            logger.debug("the browser has closed the connection")
        else:
            super().handle_error(request, client_address)

    @property
    def address(self) -> str:
        """What is typed into the browser."""
        return f"http://{HOST}:{self.server_port}/{self.token}/{BOOK}"


class _Handler(BaseHTTPRequestHandler):
    """Answers a request; what is refused gets one line of text."""

    server: EditServer
    protocol_version = "HTTP/1.1"
    timeout = 60

    def do_GET(self) -> None:
        """Answer with a file of the viewer, or with the corrections."""
        name = self._asked()
        if name is None:
            return
        try:
            text = self.server.folder.text(name)
            if name == FILE:
                pages = self.server.folder.corrections()
                digests = {page["page"]: digest_of(page) for page in pages}
                self._answer(json.dumps({**content_of(pages), "digests": digests}, ensure_ascii=False), _JSON)
            elif text is None:
                self._refuse(HTTPStatus.NOT_FOUND, "expected a file of the viewer, got another path")
            else:
                self._answer(text, _TYPES[Path(name).suffix])
        except (OSError, InputError) as error:
            self._refuse(HTTPStatus.INTERNAL_SERVER_ERROR, str(error))

    def do_PUT(self) -> None:
        """Save a page of corrections; answer with its new revision and digest.

        `If-Match` names the digest of the version that it began from.
        """
        name = self._asked()
        if name is None:
            return
        length = self.headers.get("Content-Length", "")
        if not name.startswith(_SAVED) or not length.isdigit() or int(length) > MAX_PAGE:
            self._refuse(HTTPStatus.NOT_FOUND, f"expected a page of corrections of at most {MAX_PAGE >> 20} MiB")
            return
        try:
            value = json.loads(self.rfile.read(int(length)))
            base = self.headers.get("If-Match")
            revision, digest = self.server.folder.save(name.removeprefix(_SAVED), value, base)
        except StaleError as error:
            self._refuse(HTTPStatus.CONFLICT, str(error))
        except (InputError, ValueError, RecursionError) as error:
            self._refuse(HTTPStatus.UNPROCESSABLE_ENTITY, str(error))
        else:
            self._answer(json.dumps({"revision": revision, "digest": digest}), _JSON)

    def _asked(self) -> str | None:
        """Return the path behind the token; refuse what comes from elsewhere, and return None."""
        port = self.server.server_port
        hosts = {f"{host}:{port}" for host in (HOST, "localhost")}
        origin = self.headers.get("Origin")
        if self.headers.get("Host") not in hosts or (origin and origin not in {f"http://{host}" for host in hosts}):
            self._refuse(HTTPStatus.FORBIDDEN, f"expected a request from {HOST}:{port}, got one of another host")
            return None
        token, _, name = self.path.removeprefix("/").partition("/")
        if not hmac.compare_digest(token.encode(), self.server.token.encode()):
            self._refuse(
                HTTPStatus.FORBIDDEN, "expected the address that kuzushiji edit has printed, got one with another token"
            )
            return None
        return unquote(name.partition("?")[0])

    def _answer(self, text: str, kind: str, status: HTTPStatus = HTTPStatus.OK) -> None:
        content = text.encode()
        self.send_response(status)
        for header, value in (
            ("Content-Type", kind), ("Content-Length", str(len(content))), ("Cache-Control", "no-store"),
            ("X-Content-Type-Options", "nosniff"), ("Referrer-Policy", "no-referrer"),
            ("Cross-Origin-Resource-Policy", "same-origin"), ("X-Frame-Options", "DENY"),
        ):  # fmt: skip
            self.send_header(header, value)
        self.end_headers()
        self.wfile.write(content)

    def _refuse(self, status: HTTPStatus, line: str) -> None:
        self.close_connection = True  # what the request still holds is not read
        self._answer(" ".join(line.split()) + "\n", _TEXT, status)

    def log_message(self, format: str, *args: Any) -> None:
        """Tell of requests with --verbose alone."""
        logger.debug(format, *args)
