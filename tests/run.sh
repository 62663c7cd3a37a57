#!/usr/bin/env bash
# All checks: ruff, mypy, import-linter, pytest. Arguments go to pytest: tests/run.sh -m "not chain" tests/data
set -uo pipefail
unset CDPATH # with it `cd` goes elsewhere, and prints where
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
source scripts/environment.sh
use_environment requirements.txt requirements-dev.txt || exit 1

failed=()
check() {
  echo "== $*"
  "$PYTHON" -m "$@" || failed+=("$*;")
}
check ruff check .
check ruff format --check .
check mypy
echo "== lint-imports"
"$PYTHON" -c 'from importlinter.cli import lint_imports_command; lint_imports_command()' || failed+=('lint-imports;')
[ ${#failed[@]} = 0 ] || echo "failed: ${failed[*]}"

# Last, so that pytest's closing line ends the output; its exit code counts only after those of the other checks.
# Two processes with a thread each, which share the files of tests among them; `-n 0` in the arguments: in this process.
echo "== pytest $*"
OMP_NUM_THREADS=1 "$PYTHON" -m pytest -n 2 --dist loadfile --no-loadscope-reorder "$@" || failed+=(pytest)
[ ${#failed[@]} = 0 ]
