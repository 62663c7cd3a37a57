# shellcheck shell=bash
# Sourced by run-all.sh, level2.sh and tests/run.sh: `use_environment FILE...` sets PYTHON to an interpreter that has the
# packages of these requirements files, installing what is missing.

# An activated environment (venv or conda) is used as it is; otherwise .venv in the repository is, made at the first call.
# Packages are installed when the requirements or the interpreter changed since the last time, which a stamp inside the
# environment remembers.
use_environment() {
  local home log stamp wanted
  home=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
  find_environment "$home" || return 1
  stamp="$("$PYTHON" -c 'import sys; print(sys.prefix)')/kuzushiji-$(IFS=+; echo "$*").stamp"
  wanted=$(cd "$home" && { "$PYTHON" --version && grep -hvE '^[[:space:]]*(#|$)' "$@"; } | cksum)
  if [ -f "$stamp" ] && grep -qxF "$wanted" "$stamp"; then
    return 0
  fi
  log=$(mktemp "${TMPDIR:-/tmp}/kuzushiji-install.XXXXXX") || return 1
  echo "installing the packages of $* (a few minutes the first time; log: $log)" >&2
  if ! (cd "$home" && install_requirements "$@") >"$log" 2>&1; then
    fail "packages could not be installed: $(last_line "$log") (log: $log)"
  elif ! fitting_torch >>"$log" 2>&1; then
    fail "torch and torchvision in this environment do not fit together: $(last_line "$log") (log: $log)"
  else
    echo "$wanted" >"$stamp" && rm -f "$log"
  fi
}

# Sets PYTHON to the activated environment's interpreter, or to that of .venv, which is made when it is not there.
find_environment() {
  local home=$1 active=${VIRTUAL_ENV:-${CONDA_PREFIX:-}} python candidate log
  if [ -n "$active" ]; then
    PYTHON=$(first_runnable "$active/bin/python" "$active/Scripts/python.exe" "$active/python.exe") ||
      fail "the activated environment $active has no Python >= 3.10; deactivate it or make one with a newer Python"
    return
  fi
  PYTHON=$home/.venv/bin/python
  first_runnable "$PYTHON" >/dev/null && return
  for candidate in python3 python3.{14..10} python; do
    python=$(first_runnable "$candidate") && break
  done
  [ -n "${python:-}" ] || { fail "Python >= 3.10 is needed, and none was found on PATH"; return; }
  log=$(mktemp "${TMPDIR:-/tmp}/kuzushiji-venv.XXXXXX") || return 1
  "$python" -m venv --clear "$home/.venv" >"$log" 2>&1 ||
    { fail "$python cannot make the environment .venv: $(last_line "$log") (log: $log)"; return; }
  rm -f "$log"
}

# Prints the first of the interpreters that runs and is new enough.
first_runnable() {
  local candidate
  for candidate in "$@"; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 10))' >/dev/null 2>&1; then
      echo "$candidate"
      return 0
    fi
  done
  return 1
}

# Torch is gigabytes: connections break on the way, so pip tries again within a download and we try again as a whole.
install_requirements() {
  local file attempt files=()
  for file in "$@"; do files+=(-r "$file"); done
  for attempt in 1 2 3; do
    echo "attempt $attempt"
    # Into this environment, whatever the user's own settings of pip are for others.
    env -u PIP_TARGET -u PIP_PREFIX -u PIP_ROOT PIP_USER=0 \
      "$PYTHON" -m pip install --quiet --disable-pip-version-check --no-input --retries 10 "${files[@]}" && return 0
  done
  return 1
}

# A torchvision that was built for another torch imports, and fails at its first compiled operator.
fitting_torch() {
  "$PYTHON" -c 'import torch, torchvision; torchvision.ops.nms(torch.zeros(1, 4), torch.zeros(1), 0.5)'
}

# Prints the line of a log that says why: the last one with "error" in it, else the last one.
last_line() {
  grep -i error "$1" | tail -n 1 | grep . || tail -n 1 "$1"
}

fail() {
  echo "error: $*" >&2
  return 1
}
