"""Configs as frozen dataclasses: one definition of an option gives its flag, help, default and name in params.json."""

import argparse
import dataclasses
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

WEIGHTS, PREDICTIONS = "weights", "predictions"
BOTH = (WEIGHTS, PREDICTIONS)
"""What an option of a network decides: the weights that training finds, and the predictions of a model with weights."""

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
    decides: tuple[str, ...]
    from_checkpoint: tuple[str, ...]


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
    decides: tuple[str, ...] = (WEIGHTS,),
    from_checkpoint: tuple[str, ...] = (),
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
        decides: Of the options of a network: what depends on it.
        from_checkpoint: Where a checkpoint decides about it unless the flag is given: in training that starts from one
            (`WEIGHTS`), in applying one (`PREDICTIONS`).
    """
    spec = _Option(
        help, type, choices, nargs, metavar, group, changes_result, positional, beside_file, decides, from_checkpoint
    )
    meta = {_META: spec}
    if default is dataclasses.MISSING:
        return dataclasses.field(metadata=meta)
    return dataclasses.field(default=default, metadata=meta)


def again(default: Any, **changes: Any) -> Any:
    """Return the field of an option that a base class has, with another default and other arguments of `option`.

    Where only the default changes, a plain value does the same.
    """
    return dataclasses.field(default=default, metadata=changes)


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
    return option("books", how, choices=("books", "pages"), group=group, decides=BOTH)


def pages_option(group: str = "options") -> Any:
    """Return the option that names the pages to score; `metric.chosen_pages` reads its words."""
    how = "score these pages alone: image ids, or files with one a line"
    return option((), how, nargs="+", metavar="PAGE", group=group)


def add_options(parser: argparse.ArgumentParser, config_class: Any) -> None:
    """Add an argument to `parser` for every field of `config_class` that was made by `option`."""
    groups: dict[str, argparse.ArgumentParser | argparse._ArgumentGroup] = {"options": parser}
    hints = typing.get_type_hints(config_class)
    for item, spec in _options(config_class):
        if spec.group not in groups:
            groups[spec.group] = parser.add_argument_group(spec.group)
        groups[spec.group].add_argument(
            item.name if spec.positional else as_flag(item.name), **_arguments(item, spec, hints[item.name])
        )


def config_from(namespace: argparse.Namespace, config_class: Callable[..., Config], **further: Any) -> Config:
    """Return the config with the values of a parsed command line; lists become tuples.

    Args:
        namespace: What the parser returned.
        config_class: The config.
        further: Values of fields that are no options.

    Raises:
        UsageError: the config refuses them.
    """
    values = {item.name: getattr(namespace, item.name) for item, _ in _options(config_class)}
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


def parameters(config: Any, decides: str | None = None) -> dict[str, Any]:
    """Return the values on which the outputs of a stage depend, as JSON values: for records and for comparison.

    Args:
        config: The config.
        decides: `WEIGHTS` or `PREDICTIONS`: only what these depend on.
    """
    return {
        item.name: _as_json(getattr(config, item.name))
        for item, spec in _options(type(config))
        if spec.changes_result and (decides is None or decides in spec.decides)
    }


def from_checkpoint(config: Any, use: str, *, given: bool = False) -> list[str]:
    """Return the names of the options about which a checkpoint decides; with `given` those of them that are given.

    Args:
        config: The config.
        use: `WEIGHTS`: the checkpoint is trained on; `PREDICTIONS`: it is applied.
        given: Which ones.
    """
    names = [item.name for item, spec in _options(type(config)) if use in spec.from_checkpoint]
    return [name for name in names if (name in config.given) is given]


def all_parameters(config: Any) -> dict[str, Any]:
    """Return every value of the config as JSON values: the content of params.json."""
    return {item.name: _as_json(getattr(config, item.name)) for item, _ in _options(type(config))}


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
    options = [] if config_class is None else _options(config_class)
    defaults = {item.name: _as_json(item.default) for item, _ in options}
    hints = {} if config_class is None else typing.get_type_hints(config_class)
    beside = {item.name: spec.beside_file or _nothing for item, spec in options}
    files = {name for name in beside if beside[name] is not _nothing or _holds_paths(hints[name])}
    idle = {item.name for item, spec in options if not spec.changes_result}

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


def _options(config_class: Any) -> "list[tuple[dataclasses.Field[Any], _Option]]":
    """Return the options, those of base classes first, as the class itself has them; see `again`."""
    specs: dict[str, _Option] = {}
    for base in reversed(config_class.__mro__):
        for name, item in vars(base).get("__dataclass_fields__", {}).items():
            if _META in item.metadata:
                specs[name] = item.metadata[_META]
            elif name in specs:
                specs[name] = dataclasses.replace(specs[name], **item.metadata)
    return [(item, specs[item.name]) for item in dataclasses.fields(config_class) if item.name in specs]


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
