"""What a command is, and what a stage is: a config and three functions, `inputs`, `outputs` and `run`.

Parsing, usage errors, locking, skipping, recording and printing are here, once for all stages. A module with a command
ends with::

    main = Merge.main

    if __name__ == "__main__":
        cli.run(main)
"""

import dataclasses
import inspect
import sys
import typing
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from kuzushiji import cli
from kuzushiji.content import Input
from kuzushiji.locks import hold
from kuzushiji.options import add_options, config_from, given_options, parameters
from kuzushiji.record import StageRecord, path_of
from kuzushiji.terminal import print_result

Result = TypeVar("Result")
Facts = dict[str, Any]
"""What a stage found out, by name: it is recorded, and printed."""


def _here(call: Callable[[], Result]) -> Result:
    return call()


class Command(ABC):
    """A command line. The docstring of a subclass is the description in its `--help`.

    Attributes:
        config: The checked parameters. A subclass annotates it with the class of its config, a frozen dataclass of
            options; a field `given` receives the names of the options that the command line sets.
    """

    config: Any

    def __init__(self, config: Any) -> None:
        self.config = config

    @abstractmethod
    def execute(self) -> int:
        """Do what the config asks for; return the exit code. Heavy imports belong here, behind the parsing."""

    @classmethod
    def get_parser(cls, prog: str | None = None) -> cli.ArgumentParser:
        """Return the parser of the command line; `prog` is how the command is typed, if not by `python -m`."""
        parser = cli.ArgumentParser(prog=prog or cli.name_of(cls), description=inspect.getdoc(cls))
        add_options(parser, cls._config_class())
        return parser

    @classmethod
    def parse_args(cls, argv: Sequence[str] | None = None, prog: str | None = None) -> Any:
        """Return the config of a command line.

        Raises:
            UsageError: the config refuses it.
        """
        parser, config_class = cls.get_parser(prog), cls._config_class()
        words = sys.argv[1:] if argv is None else argv
        namespace = parser.parse_intermixed_args(words)
        wants_given = any(item.name == "given" for item in dataclasses.fields(config_class))
        further = {"given": given_options(parser, words)} if wants_given else {}
        return config_from(namespace, config_class, **further)

    @classmethod
    def main(cls, argv: Sequence[str] | None = None, prog: str | None = None) -> int:
        """Run a command line; return the exit code."""
        return cls(cls.parse_args(argv, prog)).execute()

    @classmethod
    def _config_class(cls) -> Any:
        return typing.get_type_hints(cls)["config"]


class Stage(Command):
    """A command that writes files and is skipped where they are there, of the same parameters and inputs.

    The config has the options `force` and `json` (`options.force_option`, `options.json_option`). A stage without
    outputs runs each time, and leaves no record.

    Attributes:
        name: Name of the stage in its record, such as `segment.merge`.
        from_flags: Whether `parameters` holds only the flags that were given: an option that an earlier record lacks
            then was not given. In other stages it had its default.
    """

    name: ClassVar[str]
    from_flags: ClassVar[bool] = False

    @abstractmethod
    def inputs(self) -> Iterable[Input]:
        """Return the files, and images of folders, that the outputs depend on."""

    def outputs(self) -> Sequence[Path]:
        """Return the files that are written: the config's `output`, unless a stage has others."""
        return [self.config.output]

    @abstractmethod
    def run(self) -> Facts:
        """Write the outputs, and return what is worth recording and printing."""

    def check(self) -> None:
        """Check what can be known before the inputs are read, such as the name of the output.

        Raises:
            InputError: the stage cannot run so.
        """

    def parameters(self) -> Mapping[str, Any]:
        """Return the values that the outputs depend on: the config's, unless a stage has others."""
        return parameters(self.config)

    def checkpoint(self) -> Path | None:
        """Return the state of a training from which the other outputs are written again without training."""
        return None

    def models(self) -> Sequence[Path]:
        """Return those of the outputs that cost a training: only `--force` replaces them."""
        return ()

    def record_path(self) -> Path:
        """Return the path of the record: beside the first output."""
        return path_of(self.outputs()[0])

    def places(self) -> Sequence[Path]:
        """Return the files or folders that no other process may write at the same time: the first output."""
        return self.outputs()[:1]

    def forced(self) -> bool:
        """Return whether the stage runs in any case."""
        return bool(self.config.force)

    def show(self, facts: Facts) -> None:
        """Print what the stage found out."""
        print_result(facts, as_json=self.config.json)

    @cached_property
    def record(self) -> StageRecord:
        """The record of this run."""
        return StageRecord(
            self.record_path(), self.name, self.parameters(), self.inputs(), self.outputs(),
            options=None if self.from_flags else type(self.config), models=self.models(), checkpoint=self.checkpoint(),
        )  # fmt: skip

    def output_path(self, path: Path) -> AbstractContextManager[Path]:
        """Return the path to write an output to, as `StageRecord.output_path`: replaces only what this stage wrote."""
        return self.record.output_path(path, force=self.config.force)

    def execute(self) -> int:
        """Run the stage unless that is done, and print its result."""
        with ExitStack() as held:
            for place in self.places():
                held.enter_context(hold(place))
            facts = self.run_unless_done()
            if facts is not None:
                self.show(facts)
        return 0

    def run_unless_done(self, on_main: Callable[[Callable[[], Any]], Any] = _here) -> Facts | None:
        """Run the stage and record it; return what it found out, None where it is done already.

        Args:
            on_main: Calls a function in the first of several processes, and returns its result in all of them.
        """
        self.check()
        if not self.outputs():
            return self.run()
        if not on_main(lambda: self.record.needs_run(force=self.forced())):
            return None
        facts = self.run()
        on_main(lambda: self.record.finish(**facts))
        return facts


def run_parts(parts: Mapping[str, Stage], on_main: Callable[[Callable[[], Any]], Any]) -> dict[str, Facts]:
    """Run the stages of one command, one after the other, each unless it is done; return what they found out.

    Args:
        parts: By the name under which the result is printed.
        on_main: As of `Stage.run_unless_done`.
    """
    found = {name: part.run_unless_done(on_main) for name, part in parts.items()}
    return {name: facts for name, facts in found.items() if facts is not None}
