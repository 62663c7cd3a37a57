"""What goes to the process that reads a page, and what comes back."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from kuzushiji.data.labels import PagePoints
from kuzushiji.predict.fence import Failure
from kuzushiji.predict.records import PageSource
from kuzushiji.predict.sources import PageToRead


@dataclass(frozen=True)
class PageTask:
    """A page to read; as text, where it comes from.

    Attributes:
        page: The page.
        source: What its results depend on.
        location: The way from the results to the picture.
    """

    page: PageToRead
    source: PageSource
    location: str

    def __str__(self) -> str:
        return self.page.place


@dataclass(frozen=True)
class PageAnswer:
    """What was read on a page.

    Attributes:
        failures: Why it could not be read; the rest is empty then.
        contents: Its files, by their names.
        points: Its characters, as a submission has them.
        characters: How many there are.
        doubt: Why the reading is doubtful as a whole.
        notes: What is odd about the page.
        seconds: By stage.
        loading: Seconds that loading the models took, of the process that read the page.
    """

    failures: tuple[Failure, ...] = ()
    contents: Mapping[str, bytes] = field(default_factory=dict)
    points: PagePoints | None = None
    characters: int = 0
    doubt: str = ""
    notes: tuple[str, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)
    loading: float = 0.0
