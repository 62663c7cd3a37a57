# shellcheck shell=bash
# Sourced by run-all.sh and level2.sh: `lock_run PART COMMAND` makes this script the only one that does this part of RUNS
# (all of it where PART is empty), until it and all that it has started have ended. Where another one is at it, says
# which and ends the script.

# The locks are the system's, of the files opened here: what is killed lets go of them. Jobs inherit them on purpose: a
# chain that was killed is over only when its last job is.
lock_run() {
  exec 8>>"$RUNS/.chain.lock" 9>>"$RUNS/.chain${1:+-$1}.lock" || exit 1
  "$PYTHON" -m kuzushiji.chain_lock "$RUNS" --part "$1" --pid $$ --command "$2" || exit 1
}
