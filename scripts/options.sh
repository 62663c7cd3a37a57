# shellcheck shell=bash
# Sourced by run-all.sh and level2.sh: their command line and the profiles.

# The stages in their order; those marked with a star run once per fold, the others once.
STAGES=(
  books check weights '*segment' merge '*classify' '*classify-second' pseudolabel '*pseudo-ft' '*pseudo' blend level2 report
)

usage() {
  local script plan=', and before them the hours and the disk they take'
  script=$(basename "$0")
  if [ "$script" = level2.sh ]; then # one stage of all folds: it has no part to choose
    echo "usage: bash level2.sh [PROFILE] [--force] [--dry-run] [--jobs N]"
    plan=''
  else
    echo "usage: bash $script [PROFILE] [--fold K] [--stage NAME] [--force] [--dry-run] [--jobs N] [--gpus-per-job N]"
  fi
  echo
  echo "  PROFILE           $(profiles); kaggle without it"
  [ "$script" = level2.sh ] || cat <<END
  --fold K          only the part of fold K: its runs of the stages marked with a star, as far as their inputs are there
  --stage NAME      only this stage: ${STAGES[*]}
END
  cat <<END
  --force           run again what is done
  --dry-run         print the commands$plan; run nothing
  --jobs N          processes side by side; without it what the profile says, else one a GPU, or a core
END
  [ "$script" = level2.sh ] || cat <<END
  --gpus-per-job N  train each fold on N GPUs, or on all; without it on one, so that the folds run side by side

RUNS=FOLDER before the command puts the run elsewhere; the other variables are in profiles/*.env.
END
}

# Sets PROFILE FOLD STAGE FORCE DRY_RUN JOBS JOB_GPUS from the command line; anything wrong ends the script with 2.
parse_options() {
  PROFILE='' FOLD='' STAGE='' FORCE=0 DRY_RUN=0
  while [ $# -gt 0 ]; do
    case $1 in
      -h | --help) usage; exit 0 ;;
      --fold | --stage | --jobs | --gpus-per-job)
        [ $# -ge 2 ] || bad_usage "$1 needs a value"
        case $1 in --fold) FOLD=$2 ;; --stage) STAGE=$2 ;; --jobs) JOBS=$2 ;; --gpus-per-job) JOB_GPUS=$2 ;; esac
        shift
        ;;
      --force) FORCE=1 ;;
      --dry-run) DRY_RUN=1 ;;
      -*) bad_usage "unknown option $1" ;;
      *) [ -z "$PROFILE" ] || bad_usage "one profile expected, got $PROFILE and $1"; PROFILE=$1 ;;
    esac
    shift
  done
  [[ ${JOBS:-1} =~ ^[1-9][0-9]*$ ]] || bad_usage "--jobs: expected a number of at least 1, got $JOBS"
  [[ ${JOB_GPUS:-1} =~ ^([1-9][0-9]*|all)$ ]] || bad_usage "--gpus-per-job: expected a number or all, got $JOB_GPUS"
  [ -z "$STAGE" ] || is_stage "$STAGE" || bad_usage "--stage: expected one of ${STAGES[*]//\*/}, got $STAGE"
}

is_stage() {
  [[ " ${STAGES[*]//\*/} " == *" $1 "* ]]
}

is_per_fold() {
  [[ " ${STAGES[*]} " == *" *$1 "* ]]
}

# Reads profiles/NAME.env, and checks --fold and --stage against it.
load_profile() {
  [ -f "profiles/$1.env" ] || bad_usage "no profile $1; there are: $(profiles)"
  # shellcheck source=/dev/null
  source "profiles/$1.env"
  LOGS=$RUNS/logs
  FORCED=()
  HOURS_SHARE=(${HOURS_SHARE[@]+"${HOURS_SHARE[@]}"})
  [ "$FORCE" = 0 ] || FORCED=(--force)
  # shellcheck disable=SC2034  # read where it is sourced
  COMMON=(--data-root "$DATA_ROOT" ${FORCED[@]+"${FORCED[@]}"})
  FOLDS=()
  local fold
  for ((fold = 0; fold < N_FOLDS; fold++)); do FOLDS+=("$fold"); done
  if [ -n "$FOLD" ]; then
    if [[ ! $FOLD =~ ^(0|[1-9][0-9]*)$ ]] || [ "$FOLD" -ge "$N_FOLDS" ]; then
      bad_usage "--fold: expected 0 to $((N_FOLDS - 1)) with this profile, got $FOLD"
    fi
    FOLDS=("$FOLD")
  fi
}

# Makes what all stages need: the environment, the folder of logs, the plan of places for jobs; and sees to it that no
# other script does the same part of the run. The arguments are those of the script.
begin() {
  local part=${FOLD:+fold$FOLD}
  plan_places
  [ "$DRY_RUN" = 0 ] || return 0
  use_environment requirements.txt || exit 1
  mkdir -p "$LOGS" || exit 1
  lock_run "$part${STAGE:+${part:+-}$STAGE}" "$(basename "$0") $*"
  SECONDS=0 # what is measured begins after the set-up
}

profiles() {
  local file names=()
  for file in profiles/*.env; do names+=("$(basename "$file" .env)"); done
  echo "${names[*]}"
}

bad_usage() {
  echo "$(basename "$0"): error: $* (--help lists all)" >&2
  exit 2
}
