# PYTHON_ARGCOMPLETE_OK
"""`python -m kuzushiji.classify` is `python -m kuzushiji.classify.main`."""

from kuzushiji import cli
from kuzushiji.classify.main import main

if __name__ == "__main__":
    cli.run(main)
