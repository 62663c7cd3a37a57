"""Writers: whatever comes from data comes out as text."""

import html.parser
import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable

import numpy as np

from benchmarks.fuzz_targets.target import Target, require


def writer_targets() -> list[Target]:
    """Return the targets whose input is a text that is written."""
    texts = [
        "あ",
        "<script>alert(1)</script>",
        '"><img src=x onerror=alert(1)>',
        "]]>",
        "&amp;&#0;",
        "</script><!--",
        "{{ 7*7 }}",
    ]
    seeds = [text.encode() for text in texts]
    return [
        Target("HTML of the viewer", 2, seeds, check_viewer),
        Target("PAGE XML", 2, seeds, check_page_xml),
        Target("ALTO XML", 2, seeds, check_alto_xml),
    ]


class _Reader(html.parser.HTMLParser):
    """Collects tags with their attributes' names, the heading, the pages' names, the data."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, tuple[str, ...]]] = []
        self.texts: dict[str, str] = {}
        self._inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note it."""
        self.tags.append((tag, tuple(name for name, _ in attrs)))
        self._inside = "data" if ("type", "application/json") in attrs else tag

    def handle_endtag(self, tag: str) -> None:
        """Leave it."""
        self._inside = ""

    def handle_data(self, data: str) -> None:
        """Note the text of what it stands in."""
        self.texts[self._inside] = self.texts.get(self._inside, "") + data


def _viewer(text: str) -> _Reader:
    from kuzushiji.viewer import Candidate, ViewerBox, ViewerPage, ViewerPicture, render_viewer

    candidates = {text: [Candidate(text, text, 0.5)]}
    box = ViewerBox(1, 2, 3, 4, "wrong", text, text, 0.5, text, text, candidates)
    reader = _Reader()
    reader.feed(render_viewer([ViewerPage(text, ViewerPicture(b"x", 10, 20), [box], note=text)], text))
    reader.close()
    return reader


def check_viewer(data: bytes) -> bool:
    """The viewer of a page whose every text is this one."""
    text = data.decode("utf-8", "replace")
    found, plain = _viewer(text), _viewer("x")
    require(found.tags == plain.tags, "other elements than of a plain text")
    content = json.loads(found.texts["data"])
    require(content["pages"][0]["name"] == text and content["models"] == [text], "other data")
    require(content["classes"] == [[text, text]], "other data")
    require(_shown(found.texts.get("h1", "")) == _shown(text), "another heading")
    return True


def _shown(text: str) -> str:
    """Return what is left of a text in HTML: lines end in one way only."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _xml(data: bytes, write: Callable[[object], bytes]) -> tuple[str, ET.Element]:
    from kuzushiji.predict.transcription import Candidates, make_transcription

    text = data.decode("utf-8", "replace")
    candidates = {text: Candidates(np.array([["U+3042", "U+3044"]], object), np.array([[0.7, 0.2]], np.float32))}
    one = np.ones(1, np.float32)
    boxes = np.array([[10, 20, 30, 40]])
    transcription = make_transcription(
        text, text, (100, 200), boxes, np.array(["U+3042"], object), one, one, candidates
    )
    return text, ET.fromstring(write(transcription))


def check_page_xml(data: bytes) -> bool:
    """PAGE XML of an image of this name."""
    from kuzushiji.predict.formats.page_xml import NAMESPACE, page_xml

    text, root = _xml(data, page_xml)
    page = root.find(f"{{{NAMESPACE}}}Page")
    require(page is not None and _same_in_xml(page.get("imageFilename", ""), text), "another file name")
    require(len(root.findall(f".//{{{NAMESPACE}}}Glyph")) == 1, "other elements")
    return True


def check_alto_xml(data: bytes) -> bool:
    """ALTO XML of an image of this name."""
    from kuzushiji.predict.formats.alto_xml import NAMESPACE, alto_xml

    text, root = _xml(data, alto_xml)
    require(_same_in_xml(root.findtext(f".//{{{NAMESPACE}}}fileName") or "", text), "another file name")
    require(len(root.findall(f".//{{{NAMESPACE}}}Glyph")) == 1, "other elements")
    return True


def _same_in_xml(found: str, text: str) -> bool:
    """Return whether a text came through: XML has one end of a line, and no control characters."""
    return _in_xml(found) == _in_xml(text)


def _in_xml(text: str) -> str:
    """Return what XML can hold of a text, white space aside."""
    held = re.sub("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "\ufffd", text)
    return re.sub("[\t\n\r ]+", " ", held).strip()
