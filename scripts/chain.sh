# shellcheck shell=bash
# Sourced by run-all.sh and level2.sh, which are lists of commands.
#
# The script that a user types becomes `python -m kuzushiji.chain SCRIPT ...`. That reads the command line, runs the
# script once more with PROFILE and LISTING=1 to get the list, and runs the commands that are asked for. In this second
# run the functions below write the list to standard output, as words that end with a zero byte:
#
#   stage NAME [INPUT]               what follows belongs to this stage, which begins when those above have ended; one
#                                    fold's part of it waits until INPUT is there, a file made from all folds
#   beside NAME [INPUT]              the same, but it may begin while the stage above is at work
#   start NAME MODULE [ARGUMENT...]  a job that runs beside the others of its stage
#   run NAME MODULE [ARGUMENT...]    a job that runs alone, on all cores
#
# A job of one fold has the option --fold. kuzushiji.chain fills in $THREADS and $NEEDED_WEIGHTS.

if [ -z "${LISTING-}" ]; then
  source scripts/environment.sh
  # Python's standard library is enough to read the command line: packages are installed when the work begins.
  PYTHON=$(first_runnable "${VIRTUAL_ENV:-${CONDA_PREFIX:-.venv}}/bin/python" python3 python3.{14..10} python) ||
    find_environment "$PWD" || exit 1
  exec "$PYTHON" -m kuzushiji.chain --script "$(basename "$0")" "$@"
fi

exec 3>&1 1>&2 # what a profile prints is no part of the list
set +u         # an empty array is unset for old versions of bash
write() { printf '%s\0' $# "$@" >&3; }
stage() { write stage "$@"; }
beside() { write beside "$@"; }
start() { write start "$@"; }
run() { write run "$@"; }

# shellcheck source=/dev/null
source "profiles/$PROFILE.env"
for name in RUNS DATA_ROOT N_FOLDS DISK_GB SEGMENT START FIRST_BACKBONE SECOND_NAME SECOND_BACKBONE; do
  [ -n "${!name}" ] || { echo "error: profiles/$PROFILE.env: expected it to set $name" >&2; exit 1; }
done
# What the second backbone starts from, where that is something else. Files of weights come in place of models.
FIRST_START=("${START[@]}")
[ -n "$SECOND_START" ] || SECOND_START=("${START[@]}")
[ -z "$SEGMENT_WEIGHTS" ] || SEGMENT_START=(--weights "$SEGMENT_WEIGHTS")
[ -z "$FIRST_WEIGHTS" ] || FIRST_START=(--weights "$FIRST_WEIGHTS")
[ -z "$SECOND_WEIGHTS" ] || SECOND_START=(--weights "$SECOND_WEIGHTS")
for name in RUNS DATA_ROOT N_FOLDS DISK_GB JOBS JOB_GPUS JOB_CPUS HOURS SEGMENT_WEIGHTS FIRST_WEIGHTS SECOND_WEIGHTS; do
  write set "$name" "${!name}"
done
write set HOURS_SHARE "${HOURS_SHARE[*]}"
write set BOOKS "${BOOKS[*]}"

# shellcheck disable=SC2034 # the lists read these
{
  FORCED=(${FORCE:+--force})
  COMMON=(--data-root "$DATA_ROOT" "${FORCED[@]}")
  THREADS='{threads}' NEEDED_WEIGHTS='{weights}'
  KINDS=('' "-$SECOND_NAME" "-$SECOND_NAME-pseudo" "-$SECOND_NAME-pseudo-ft") # of models, each in clf-fold{k}KIND
  FOLDS=()
  for ((fold = 0; fold < N_FOLDS; fold++)); do FOLDS+=("$fold"); done
  TEST_FOLDS=("${FOLDS[@]}") # whose models read the test pages
  if [ -e "$DATA_ROOT/train.csv" ] && [ ! -e "$DATA_ROOT/sample_submission.csv" ] && [ ! -e "$DATA_ROOT/test_images" ]; then
    TEST_FOLDS=() KINDS=('' "-$SECOND_NAME")
  fi
}
