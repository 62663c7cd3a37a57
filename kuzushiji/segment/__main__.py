# PYTHON_ARGCOMPLETE_OK
"""Makes `python -m kuzushiji.segment` the same as `python -m kuzushiji.segment.main`."""

from kuzushiji.cli import run
from kuzushiji.segment.main import main

if __name__ == "__main__":
    run(main)
