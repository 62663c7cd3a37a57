"""What became of the pages of a call."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kuzushiji.predict.fence import Failure
from kuzushiji.terminal import printable


@dataclass
class Summary:
    """What became of the pages.

    Attributes:
        read: Pages that were read.
        skipped: Pages that were done before.
        failures: Pages that could not be read.
        characters: Read on all of them but the skipped ones.
        doubtful: Names of pages whose reading is doubtful as a whole.
        seconds: By stage, of the pages that were read, together; processes side by side count each.
        loading: Seconds that loading the models took.
        notes: What is odd about pages that were read, a line each.
    """

    read: int = 0
    skipped: int = 0
    failures: list[Failure] = field(default_factory=list)
    characters: int = 0
    doubtful: list[str] = field(default_factory=list)
    seconds: Mapping[str, float] = field(default_factory=dict)
    loading: float = 0.0
    notes: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {
            "read": self.read,
            "skipped": self.skipped,
            "failed": [{"page": failure.where, "error": failure.message} for failure in self.failures],
            "notes": [printable(note) for note in self.notes],
            "characters": self.characters,
            "doubtful": self.doubtful,
            "seconds": {stage: round(value, 3) for stage, value in self.seconds.items()},
            "loading": round(self.loading, 3),
        }
