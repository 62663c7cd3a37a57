"""The modules behind the commands that are typed."""

import importlib
import importlib.util
from types import ModuleType
from typing import Any


def module_of(name: str) -> ModuleType:
    """Return the module with the parser and `main` of `python -m NAME`; a package has them in `main` or `__main__`."""
    spec = importlib.util.find_spec(name)
    assert spec is not None, name
    if spec.submodule_search_locations is not None:
        name += ".main" if importlib.util.find_spec(f"{name}.main") else ".__main__"
    return importlib.import_module(name)


def command_of(name: str) -> Any:
    """Return the command that is `python -m NAME`: it has `get_parser` and `parse_args`."""
    module = module_of(name)
    return getattr(module.main, "__self__", module)
