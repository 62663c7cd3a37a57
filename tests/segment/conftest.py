"""What the tests of the stage share: the command line in process."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from kuzushiji import cli

Main = Callable[[Sequence[str] | None], int]


@pytest.fixture
def failure(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[Any, str]]:
    """Run a command that must fail; return its exit code and the one line that it prints."""

    def run(main: Main, *words: object) -> tuple[Any, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as exit_:
            cli.run(main, [str(word) for word in words])
        error = capsys.readouterr().err.strip()
        assert error.count("\n") == 0, error
        return exit_.value.code, error

    return run
