"""A plot with what it shows in words."""

import base64
from dataclasses import dataclass


@dataclass(frozen=True)
class Plot:
    """A plot.

    Attributes:
        title: Its heading.
        svg: An SVG element; empty where there is nothing to show.
        alt: What it shows, in words.
    """

    title: str
    svg: str
    alt: str = ""

    @property
    def source(self) -> str:
        """The picture as a data URI: pictures of one page cannot disturb each other's styles and names."""
        return f"data:image/svg+xml;base64,{base64.b64encode(self.svg.encode()).decode()}"
