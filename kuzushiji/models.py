# PYTHON_ARGCOMPLETE_OK
"""The models that come with the package: `python -m kuzushiji.models`."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from kuzushiji import cli
from kuzushiji.options import json_option
from kuzushiji.stage import Command
from kuzushiji.terminal import format_table, print_result


@dataclass(frozen=True)
class ModelsConfig:
    """What the command line asks for."""

    json: bool = json_option()


class Models(Command):
    """List the models that come with the package, which `kuzushiji predict --models NAME` reads pages with.

    F1 and CER (character error rate) are means over books that the models were measured on without having seen them;
    --json has them by book.
    """

    config: ModelsConfig

    def execute(self) -> int:
        """Print a row for each of them."""
        from kuzushiji.bundle.model_files import digest_of, find_models
        from kuzushiji.named_models import FOLDER, packaged_models

        found = []
        for models in packaged_models().values():
            size = sum(path.stat().st_size for path in models.folder.rglob("*") if path.is_file())
            facts = {**asdict(models), "folder": str(models.folder), "bytes": size}
            digest = digest_of(find_models(models.folder).paths())
            found.append({**facts, "digest": digest, "as_published": digest == models.digest})
        if self.config.json:
            print_result({"models": found}, as_json=True)
        elif found:
            print(format_table(("name", "trained on", "licence", "F1", "CER", "size", "digest"), map(_row, found)))
        else:
            print(f"no models come with this package ({FOLDER} is without any)")
        return 0


def _row(facts: Mapping[str, Any]) -> tuple[str, ...]:
    changed = "" if facts["as_published"] else " (not as published)"
    return (
        facts["name"], facts["trained_on"] or "unknown", facts["licence"] or "unknown", _mean(facts["f1"]),
        _mean(facts["cer"]), f"{facts['bytes'] / 1e6:.1f} MB", facts["digest"] + changed,
    )  # fmt: skip


def _mean(by_book: Mapping[str, float]) -> str:
    return f"{sum(by_book.values()) / len(by_book):.3f}" if by_book else "-"


main = Models.main

if __name__ == "__main__":
    cli.run(main)
