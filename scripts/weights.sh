# shellcheck shell=bash
# Sourced by run-all.sh: the weights from which a run's training starts. SEGMENT_WEIGHTS, FIRST_WEIGHTS and
# SECOND_WEIGHTS, in a profile or the environment, are files for the detector and the two backbones, in place of what the
# profile starts from.

# Sets NEEDED to the networks that are still to be trained from published weights, each as NAME or NAME=FILE.
needed_weights() {
  NEEDED=()
  need_weights "${SEGMENT_WEIGHTS:-}" segment-fold '' "${SEGMENT[@]}"
  need_weights "${FIRST_WEIGHTS:-}" clf-fold '' "${FIRST_BACKBONE[@]}" "${START[@]}"
  need_weights "${SECOND_WEIGHTS:-}" clf-fold "-$SECOND_NAME" "${SECOND_BACKBONE[@]}" "${START[@]}"
  need_weights "${SECOND_WEIGHTS:-}" clf-fold "-$SECOND_NAME-pseudo" "${SECOND_BACKBONE[@]}" "${START[@]}"
}

# need_weights FILE FOLDER KIND ARGUMENT...: adds the network that these arguments start from published weights, or from
# FILE if it is not empty, unless the runs in FOLDER{k}KIND are trained. Packaged weights are there.
need_weights() {
  local weights=$1 folder=$2 kind=$3 fold name='' pretrained=1 trained=1
  for fold in "${FOLDS[@]}"; do
    [ "$FORCE" = 0 ] && [ -e "$RUNS/$folder$fold$kind/record-train.json" ] || trained=0
  done
  [ "$trained" = 0 ] || return 0
  shift 3
  while [ $# -gt 1 ]; do
    case $1 in
      --model | --base) name=$2 ;;
      --pretrained) pretrained=$2 ;;
      --weights) weights=${weights:-$2} ;;
    esac
    shift
  done
  [ "$weights" != books ] || return 0
  [ -n "$weights" ] || [ "$pretrained" = 1 ] || return 0
  name+=${weights:+=$weights}
  [[ " ${NEEDED[*]-} " == *" $name "* ]] || NEEDED+=("$name")
}

# Ends the script where a file of weights is not there: the stage that reads it may begin days later.
check_weights_files() {
  local variable
  for variable in SEGMENT_WEIGHTS FIRST_WEIGHTS SECOND_WEIGHTS; do
    case ${!variable:-} in
      '' | books) ;;
      *) [ -f "${!variable}" ] || { echo "error: $variable: expected a file of weights, got ${!variable}" >&2; exit 2; } ;;
    esac
  done
}
