"""Configs as frozen dataclasses: one definition of an option gives its flag, help, default and name in params.json."""

import argparse
import dataclasses
import inspect
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from kuzushiji.cli import bool_flag
from kuzushiji.errors import InputError, UsageError

_LEFT_TO_MACHINE = {"opt_level": "auto"}
"""Values of options with which each machine chooses for itself: a run with any other value is the same run."""

Config = TypeVar("Config")

_META = "option"
_PLAIN_TYPES = (str, int, float, bool, Path)


@dataclasses.dataclass(frozen=True)
class _Option:
    help: str
    type: Callable[[str], Any] | None
    choices: Sequence[str] | None
    nargs: str | int | None
    metavar: str | tuple[str, ...] | None
    group: str
    changes_result: bool
    positional: bool
    beside_file: Callable[[str], Any] | None


def option(
    default: Any,
    help: str,
    *,
    type: Callable[[str], Any] | None = None,
    choices: Sequence[str] | None = None,
    nargs: str | int | None = None,
    metavar: str | tuple[str, ...] | None = None,
    group: str = "options",
    changes_result: bool = True,
    positional: bool = False,
    beside_file: Callable[[str], Any] | None = None,
) -> Any:
    """Return the dataclass field of one command-line option; the field `crop_height` becomes `--crop-height`.

    Args:
        default: The default; `dataclasses.MISSING` makes the option required.
        help: A sentence, with the unit of the value.
        type: Parser of one word, such as `cli.positive_int`; without it the field's own type (bool reads 0 and 1).
        choices: The words that are admitted.
        nargs: As in argparse; the value becomes a tuple.
        metavar: As in argparse.
        group: Title under which `--help` lists the option.
        changes_result: Whether the outputs depend on it; False for workers, devices and the like.
        positional: Whether it is an argument without a flag.
        beside_file: Of words that name files and are no `Path`: what of a word counts beside the file's content.
    """
    meta = {_META: _Option(help, type, choices, nargs, metavar, group, changes_result, positional, beside_file)}
    if default is dataclasses.MISSING:
        return dataclasses.field(metadata=meta)
    return dataclasses.field(default=default, metadata=meta)


def json_option(group: str = "options") -> Any:
    """Return the option that prints the result of a command as JSON."""
    return option(False, "print the result as one JSON object", group=group, changes_result=False)


def force_option(how: str = "and replace what others wrote", group: str = "options") -> Any:
    """Return the option that runs a finished stage again; `how` ends the sentence of its help."""
    return option(False, f"run again, {how}", group=group, changes_result=False)


def data_root_option(content: str, group: str = "options") -> Any:
    """Return the option for the data root; `content` names what is read there."""
    return option(
        None, f"folder with {content}; without it $KUZUSHIJI_DATA, else data/", metavar="DIR", group=group,
        changes_result=False,
    )  # fmt: skip


def split_option(group: str = "options") -> Any:
    """Return the option that says what folds divide."""
    how = "what folds divide: books, or pages where there are too few books, with scores that flatter"
    return option("books", how, choices=("books", "pages"), group=group)


def pages_option(group: str = "options") -> Any:
    """Return the option that names the pages to score; `metric.chosen_pages` reads its words."""
    how = "score these pages alone: image ids, or files with one a line"
    return option((), how, nargs="+", metavar="PAGE", group=group)


def add_options(parser: argparse.ArgumentParser, config_class: Any) -> None:
    """Add an argument to `parser` for every field of `config_class` that was made by `option`."""
    groups: dict[str, argparse.ArgumentParser | argparse._ArgumentGroup] = {"options": parser}
    hints = typing.get_type_hints(config_class)
    for item in _option_fields(config_class):
        spec: _Option = item.metadata[_META]
        if spec.group not in groups:
            groups[spec.group] = parser.add_argument_group(spec.group)
        groups[spec.group].add_argument(*_names(item.name, spec), **_arguments(item, spec, hints[item.name]))


def config_from(namespace: argparse.Namespace, config_class: Callable[..., Config], **further: Any) -> Config:
    """Return the config with the values of a parsed command line; lists become tuples.

    Args:
        namespace: What the parser returned.
        config_class: The config.
        further: Values of fields that are no options.

    Raises:
        UsageError: the config refuses them.
    """
    values = {item.name: getattr(namespace, item.name) for item in _option_fields(config_class)}
    tuples = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    try:
        return config_class(**tuples, **further)
    except InputError as error:
        raise UsageError(str(error)) from error


def given_options(parser: argparse.ArgumentParser, argv: Sequence[str]) -> frozenset[str]:
    """Return the names of the options that a command line sets itself, whatever their values.

    A checkpoint rebuilds its model without flags: an option that is not given means "as in the checkpoint", and one
    that is given may contradict it.
    """
    words = {word.split("=", maxsplit=1)[0] for word in argv if word.startswith("--")}
    given = {action.dest for action in parser._actions if words.intersection(action.option_strings)}
    return frozenset(given - {argparse.SUPPRESS})  # --quiet and --verbose leave nothing in the namespace


def parameters(config: Any) -> dict[str, Any]:
    """Return the values on which the outputs of a stage depend, as JSON values: for records and for comparison."""
    return {
        item.name: _as_json(getattr(config, item.name))
        for item in _option_fields(type(config))
        if item.metadata[_META].changes_result
    }


def all_parameters(config: Any) -> dict[str, Any]:
    """Return every value of the config as JSON values: the content of params.json."""
    return {item.name: _as_json(getattr(config, item.name)) for item in _option_fields(type(config))}


def different_parameters(then: Mapping[str, Any], now: Mapping[str, Any], config_class: Any = None) -> list[str]:
    """Return the names of the parameters that two runs do not share.

    A run that was recorded before an option existed had what is the option's default, and what an option says that
    changes no result any more does not count. None means that a value was not given. Of paths only their number and
    arrangement count: what they hold is compared as an input.

    Args:
        then: `parameters` of an earlier run, perhaps of an earlier version.
        now: `parameters` of this one.
        config_class: The class of its config. Without it an option has no default: the flags given are compared.
    """
    fields = [] if config_class is None else _option_fields(config_class)
    defaults = {item.name: _as_json(item.default) for item in fields}
    hints = {} if config_class is None else typing.get_type_hints(config_class)
    beside = {item.name: item.metadata[_META].beside_file or _nothing for item in fields}
    files = {name for name in beside if beside[name] is not _nothing or _holds_paths(hints[name])}
    idle = {item.name for item in fields if not item.metadata[_META].changes_result}

    def same(name: str) -> bool:
        if name in _LEFT_TO_MACHINE and _LEFT_TO_MACHINE[name] in (then.get(name), now.get(name)):
            return True
        if name not in then:
            return now[name] is None or (name in defaults and defaults[name] == now[name])
        if name not in now:
            return then[name] is None or name in idle
        if name in files:
            return bool(_arrangement(then[name], beside[name]) == _arrangement(now[name], beside[name]))
        return bool(then[name] == now[name])

    return sorted(name for name in {*then, *now} if not same(name))


def _holds_paths(hint: Any) -> bool:
    return hint is Path or any(map(_holds_paths, typing.get_args(hint)))


def _nothing(_word: str) -> str:
    return ""


def _arrangement(value: Any, beside: Callable[[str], Any]) -> Any:
    if isinstance(value, list):
        return [_arrangement(part, beside) for part in value]
    return beside(value) if isinstance(value, str) else value


def as_flag(name: str) -> str:
    """Return how the option of a field is typed; a field whose name would be a word of Python ends with `_`."""
    return f"--{name.rstrip('_').replace('_', '-')}"


def _option_fields(config_class: Any) -> list["dataclasses.Field[Any]"]:
    """Return the options in the order in which `--help` lists them: the class's own, then those of its bases."""
    fields = [item for item in dataclasses.fields(config_class) if _META in item.metadata]
    own = {name: place for place, name in enumerate(inspect.get_annotations(config_class))}
    return sorted(fields, key=lambda item: own.get(item.name, len(own)))


def _names(name: str, spec: _Option) -> list[str]:
    return [name] if spec.positional else [as_flag(name)]


def _arguments(item: "dataclasses.Field[Any]", spec: _Option, hint: Any) -> dict[str, Any]:
    kind = _plain_type(hint)
    arguments: dict[str, Any] = {"help": spec.help, "type": spec.type or (bool_flag if kind is bool else kind)}
    if kind is bool:
        arguments |= {"nargs": "?", "const": True, "metavar": "0|1"}
    if not spec.positional:
        arguments["dest"] = item.name
    for key, value in (("choices", spec.choices), ("nargs", spec.nargs), ("metavar", spec.metavar)):
        if value is not None:
            arguments[key] = value
    if item.default is not dataclasses.MISSING:
        arguments["default"] = item.default
    elif not spec.positional:
        arguments["required"] = True
    return arguments


def _plain_type(hint: Any) -> Any:
    """Return the type of one word: `int` for `int`, `int | None` and `tuple[int, ...]`."""
    if hint in _PLAIN_TYPES:
        return hint
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) in (typing.Union, tuple):
        inner = [_plain_type(part) for part in typing.get_args(hint) if part not in (type(None), Ellipsis)]
        if inner:
            return inner[0]
    return str


def _as_json(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return [_as_json(part) for part in value]
    return str(value) if isinstance(value, Path) else value
