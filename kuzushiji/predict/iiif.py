"""Books on IIIF servers: manifests of the Presentation API 2 and 3, and single pictures (info.json).

https://iiif.io/api/presentation/3.0/, https://iiif.io/api/presentation/2.1/, https://iiif.io/api/image/3.0/
"""

import hashlib
import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kuzushiji import __version__
from kuzushiji.data.images import open_image
from kuzushiji.data.pictures import NEW_FORMATS
from kuzushiji.errors import InputError
from kuzushiji.files import atomic_path

_TRIES = 4
_WAIT = 1.0
"""Seconds before the second try; twice as many before each next one, unless the server says how many."""

_LONGEST_WAIT = 60.0
_TIMEOUT = 60.0
_PASSING = (429, 500, 502, 503, 504)
"""Answers that may be others a moment later."""

_MOST_TEXT, _MOST_PICTURE = 64 << 20, 512 << 20
"""Bytes that are read of a manifest and of a picture."""

_CHUNK = 1 << 20
_SCHEMES = ("http://", "https://")
_NO_PICTURES = ("video", "sound", "audio", "text", "dataset", "model")
"""Types of what may lie on a canvas in place of a picture."""


@dataclass(frozen=True)
class Canvas:
    """A page of a manifest.

    Attributes:
        label: What the manifest calls it; may be empty.
        url: Of its picture, as large as the server gives it.
    """

    label: str
    url: str


def is_meant(word: str) -> bool:
    """Return whether a word on the command line is an address, or the name of a JSON file."""
    return word.lower().startswith(_SCHEMES) or word.lower().endswith(".json")


def canvases_of(word: str) -> list[Canvas]:
    """Return the pages of a manifest, or the one of an info.json, by its address or file.

    Raises:
        InputError: it cannot be had, or is no manifest.
    """
    try:
        text = _read(word, _MOST_TEXT) if word.lower().startswith(_SCHEMES) else Path(word).read_bytes()
        value = json.loads(text)
    except OSError as error:
        raise InputError(f"{word}: expected an IIIF manifest, cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{word}: expected an IIIF manifest, got no JSON ({error})") from error
    if not isinstance(value, dict):
        raise InputError(f"{word}: expected an IIIF manifest or info.json with pictures, got other JSON")
    try:
        found = list(_canvases(value))
    except (AttributeError, IndexError, KeyError, TypeError) as error:
        raise InputError(f"{word}: expected an IIIF manifest, got one without {error}") from error
    if not found:
        kind = value.get("type") or value.get("@type")
        raise InputError(f"{word}: expected an IIIF manifest or info.json with pictures, got {kind or 'other JSON'}")
    return found


def path_of(url: str, folder: Path) -> Path:
    """Return the file that holds a picture once it is fetched."""
    return folder / f"{hashlib.sha256(url.encode()).hexdigest()[:32]}.jpg"


def fetch(url: str, path: Path) -> None:
    """Fetch a picture unless its file is there: one at a time, with a pause after what a busy server answers.

    Raises:
        InputError: the server does not give it, or gives something else; it is too large.
    """
    if path.is_file():
        return
    content = _read(url, _MOST_PICTURE)
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)
        try:
            with open_image(temporary, NEW_FORMATS):
                return
        except InputError as error:  # such as a page that says why there is none
            raise InputError(f"{url}: expected a picture from this server, got other data") from error


def _read(url: str, most: int) -> bytes:
    if not url.lower().startswith(_SCHEMES):  # a manifest of somebody else must not name files of this machine
        raise InputError(f"{url}: expected an address that begins with http:// or https://")
    request = urllib.request.Request(url, headers={"User-Agent": f"kuzushiji/{__version__}"})
    wait = _WAIT
    for attempt in range(_TRIES):
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT) as answer:
                return _content(answer, url, most)
        except urllib.error.HTTPError as error:
            reason: object = f"{error.code} {error.reason}"
            asked = error.headers.get("Retry-After", "")
            wait = float(asked) if asked.isdigit() else wait
            if error.code not in _PASSING:
                break
        except urllib.error.URLError as error:
            reason = error.reason
        except (OSError, EOFError) as error:  # the connection broke
            reason = error
        if attempt + 1 < _TRIES:
            time.sleep(min(wait, _LONGEST_WAIT))
            wait *= 2
    raise InputError(f"{url}: expected a file from this server, got: {reason}")


def _content(answer: Any, url: str, most: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    while part := answer.read(_CHUNK):
        parts.append(part)
        size += len(part)
        if size > most:
            raise InputError(f"{url}: expected at most {most >> 20} MiB, got more")
    promised = answer.headers.get("Content-Length")
    if promised is not None and promised.isdigit() and size < int(promised):
        raise EOFError(f"{size} of {promised} bytes")
    return b"".join(parts)


def _canvases(value: dict[str, Any]) -> Iterator[Canvas]:
    context = str(value.get("@context", ""))
    if "/image/" in context:
        yield Canvas("", _picture_of_service(value, context))
    elif "sequences" in value:
        for canvas in value["sequences"][0]["canvases"]:
            resources = [image["resource"] for image in canvas.get("images") or ()]
            yield from _canvas(canvas, resources)
    elif value.get("type") == "Manifest":
        for canvas in value["items"]:
            bodies = [item["body"] for page in canvas.get("items", ()) for item in page.get("items", ())]
            yield from _canvas(canvas, bodies)


def _canvas(canvas: dict[str, Any], resources: list[Any]) -> Iterator[Canvas]:
    """Yield a canvas with the first picture on it; nothing where there is none."""
    first = [resource[0] if isinstance(resource, list) and resource else resource for resource in resources]
    pictures = [resource for resource in first if _may_be_picture(resource)]
    if pictures:
        yield Canvas(_label(canvas.get("label")), _picture(pictures[0]))


def _may_be_picture(resource: Any) -> bool:
    if not isinstance(resource, dict):
        return False
    kind = str(resource.get("type") or resource.get("@type") or "").lower()
    return not any(word in kind for word in _NO_PICTURES)


def _picture(resource: Any) -> str:
    """Return the address of a picture: of its service, where it has one, for the size; of several the first."""
    if resource.get("type") == "Choice" or resource.get("@type") == "oa:Choice":
        resource = resource["items"][0] if "items" in resource else resource["default"]
    services = resource.get("service") or []
    named = [item for item in (services if isinstance(services, list) else [services]) if _is_image_service(item)]
    for service in named[:1]:
        return _picture_of_service(service, str(service.get("@context", "")))
    return str(resource["id"] if "id" in resource else resource["@id"])


def _is_image_service(service: Any) -> bool:
    """Return whether a service gives pictures: others let users log in, or search."""
    if not isinstance(service, dict) or not ("@id" in service or "id" in service):
        return False
    kind = " ".join(str(service.get(key, "")) for key in ("@context", "type", "@type", "profile")).lower()
    return "image" in kind or not kind.strip()


def _picture_of_service(service: dict[str, Any], context: str) -> str:
    address = str(service["id"] if "id" in service else service["@id"]).rstrip("/")
    is_third = "/image/3" in context or service.get("type") == "ImageService3"
    return f"{address}/full/{'max' if is_third else 'full'}/0/default.jpg"


def _label(label: Any) -> str:
    """Return a label as text: a word, a list of words, or words by language."""
    while isinstance(label, dict | list) and label:
        if isinstance(label, list):
            label = label[0]
        else:
            label = label["@value"] if "@value" in label else next(iter(label.values()))
    return str(label) if isinstance(label, str | int) else ""
