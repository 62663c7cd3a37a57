"""Runs the list of commands in run-all.sh and level2.sh: which, where, beside which, and what the terminal shows of it.

Nothing here imports more than Python's standard library, so that the command line is read, and what is wrong is said,
before packages are installed.
"""
