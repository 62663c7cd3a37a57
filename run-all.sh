#!/usr/bin/env bash
# The whole chain, from page photographs to a submission. `bash run-all.sh --help` lists the options.
#
#   bash run-all.sh demo       eight minutes on two cores, on books that the machine writes itself
#   bash run-all.sh kaggle     the competition's data in data/, days on a GPU
#
# Each stage is a `python -m` command, printed as it would be typed. A stage whose parameters and inputs are unchanged
# says so and is skipped, so the same command continues what was interrupted. Profiles only set parameters.
# shellcheck disable=SC2317,SC2329 # stages are called by name
set -euo pipefail
unset CDPATH # with it `cd` goes elsewhere, and prints where
cd "$(dirname "${BASH_SOURCE[0]}")"
source scripts/environment.sh
source scripts/jobs.sh
source scripts/lock.sh
source scripts/options.sh
source scripts/plan.sh
source scripts/weights.sh
source ./level2.sh

# The books: only for profiles whose data the machine writes itself.
stage_books() {
  [ ${#BOOKS[@]} -gt 0 ] || return 0
  run_one books kuzushiji.demo "$DATA_ROOT" "${BOOKS[@]}" ${FORCED[@]+"${FORCED[@]}"}
}

# Every fault of the data before any of it is used; again only after a file has changed.
stage_check() {
  local passed=$LOGS/check.passed
  local root
  root=$(cd "$DATA_ROOT" 2>/dev/null && pwd -P || echo "$DATA_ROOT")
  if [ "$FORCE$DRY_RUN" = 00 ] && [ -f "$passed" ] && grep -qxF "$root" "$passed" &&
    [ -z "$(find -L "$DATA_ROOT" -newer "$passed" -print -quit)" ]; then
    echo "check: $DATA_ROOT is unchanged since it passed, skipped"
    return
  fi
  run_one check kuzushiji.data.check "$DATA_ROOT"
  [ "$DRY_RUN" = 1 ] || echo "$root" >"$passed"
}

# The published weights that training starts from, before any of it: fetched into the cache where there is a network,
# given files looked into. Not for models that are trained.
stage_weights() {
  needed_weights
  [ ${#NEEDED[@]} = 0 ] || run_one weights kuzushiji.pretrained "${NEEDED[@]}"
}

# Where the characters are. Each fold's detector finds the boxes of the pages it has not seen and those of the test pages.
stage_segment() {
  local fold
  for fold in "${FOLDS[@]}"; do
    start_job "segment-fold$fold" kuzushiji.segment.main --output-dir "$RUNS/segment-fold$fold" \
      --fold "$fold" --n-folds "$N_FOLDS" --with-test 1 --threads "$THREADS" "${COMMON[@]}" "${SEGMENT[@]}" \
      ${SEGMENT_WEIGHTS:+--weights "$SEGMENT_WEIGHTS"}
  done
}

# The held-out boxes of all folds in one table; the test boxes of all folds fused.
stage_merge() {
  local fold tables=() folders=()
  for fold in "${FOLDS[@]}"; do
    tables+=("$RUNS/segment-fold$fold/clf_gt.csv")
    folders+=("$RUNS/segment-fold$fold")
  done
  run_one segment-merge kuzushiji.segment.merge "${tables[@]}" "$RUNS/segment_clf_gt.csv" "${COMMON[@]}"
  run_one segment-fuse kuzushiji.segment.fuse "${folders[@]}" "$RUNS/segment_test_predictions.csv" \
    ${FORCED[@]+"${FORCED[@]}"} ${FUSE[@]+"${FUSE[@]}"}
}

# Which characters they are: two backbones.
stage_classify() {
  local fold
  for fold in "${FOLDS[@]}"; do
    classify "$fold" '' "${FIRST_BACKBONE[@]}" "${START[@]}" ${FIRST_WEIGHTS:+--weights "$FIRST_WEIGHTS"}
  done
}

stage_classify-second() {
  local fold
  for fold in "${FOLDS[@]}"; do
    classify "$fold" "-$SECOND_NAME" "${SECOND_BACKBONE[@]}" "${START[@]}" \
      ${SECOND_WEIGHTS:+--weights "$SECOND_WEIGHTS"}
  done
}

# classify FOLD KIND ARGUMENT...: one run in clf-foldFOLDKIND.
classify() {
  start_job "clf-fold$1$2" kuzushiji.classify.main "$RUNS/segment_clf_gt.csv" --output-dir "$RUNS/clf-fold$1$2" \
    --fold "$1" --n-folds "$N_FOLDS" --with-test 1 --threads "$THREADS" "${COMMON[@]}" "${@:3}"
}

# The test characters that both backbones of all folds together are sure of.
stage_pseudolabel() {
  local kind fold tables=()
  for kind in '' "-$SECOND_NAME"; do
    for fold in "${FOLDS[@]}"; do tables+=("$RUNS/clf-fold$fold$kind/test_detailed.parquet"); done
  done
  run_one pseudolabel kuzushiji.classify.pseudolabel "${tables[@]}" "$RUNS/pseudolabels.csv.gz" \
    "${COMMON[@]}" ${PSEUDOLABEL[@]+"${PSEUDOLABEL[@]}"}
}

# The second backbone with these as extra training pages: fine-tuned, and from scratch.
stage_pseudo-ft() {
  local fold
  for fold in "${FOLDS[@]}"; do
    classify "$fold" "-$SECOND_NAME-pseudo-ft" "${SECOND_BACKBONE[@]}" ${PSEUDO_FT[@]+"${PSEUDO_FT[@]}"} \
      --pseudolabels "$RUNS/pseudolabels.csv.gz" --resume "$RUNS/clf-fold$fold-$SECOND_NAME/model_best.pth"
  done
}

stage_pseudo() {
  local fold
  for fold in "${FOLDS[@]}"; do
    classify "$fold" "-$SECOND_NAME-pseudo" "${SECOND_BACKBONE[@]}" "${START[@]}" \
      ${SECOND_WEIGHTS:+--weights "$SECOND_WEIGHTS"} ${PSEUDO[@]+"${PSEUDO[@]}"} \
      --pseudolabels "$RUNS/pseudolabels.csv.gz"
  done
}

# Submissions of blends, to see what each step brings: each kind over its folds, both backbones, all kinds.
stage_blend() {
  local kind
  model_kinds
  finish_jobs
  for kind in "${KINDS[@]}"; do blend "clf$kind" "$kind"; done
  blend backbones '' "-$SECOND_NAME"
  blend all "${KINDS[@]}"
}

# blend NAME KIND...: the models of these kinds and all folds.
blend() {
  local kind fold tables=() held_out=()
  for kind in "${@:2}"; do
    for fold in "${FOLDS[@]}"; do
      tables+=("$RUNS/clf-fold$fold$kind/test_detailed.parquet")
      held_out+=("$RUNS/clf-fold$fold$kind/detailed.parquet")
    done
  done
  start_job "blend-$1" kuzushiji.classify.blend "${tables[@]}" --held-out "${held_out[@]}" \
    --output "$RUNS/blend-$1.csv" "${COMMON[@]}"
}

stage_level2() {
  second_level
}

# What all this brought: a table here, and a page to look at.
stage_report() {
  run_one report kuzushiji.report "$RUNS" --data-root "$DATA_ROOT"
}

# The part of one fold: its starred stages in order, until one needs what other folds have not made yet.
run_fold() {
  local stage
  stage_weights
  for stage in "${STAGES[@]#\*}"; do
    is_per_fold "$stage" || continue
    if ! ready_for "$stage"; then
      echo "fold $FOLD: $stage needs $MISSING, of all folds; the next time this command is given it goes on from there"
      return
    fi
    finish_jobs
    "stage_$stage"
  done
}

# Sets MISSING to the first input of a stage that is made from all folds and is not there.
ready_for() {
  case $1 in
    segment) MISSING='' ;;
    classify*) MISSING=$RUNS/segment_clf_gt.csv ;;
    *) MISSING=$RUNS/pseudolabels.csv.gz ;;
  esac
  [ -z "$MISSING" ] || [ -e "$MISSING" ]
}

main() {
  local stage
  parse_options "$@"
  load_profile "${PROFILE:-kaggle}"
  if [ -n "$FOLD" ] && [ -n "$STAGE" ] && ! is_per_fold "$STAGE"; then
    bad_usage "--fold: $STAGE is of all folds together"
  fi
  if [ ${#BOOKS[@]} = 0 ]; then
    has_competition_data "$DATA_ROOT" || [ "$DRY_RUN" = 1 ] || { how_to_begin "$DATA_ROOT" >&2; exit 2; }
  fi
  if has_plan; then print_plan; fi
  [ "$DRY_RUN" = 1 ] || { check_disk && check_weights_files; }
  begin "$@"
  if [ -n "$STAGE" ]; then
    "stage_$STAGE"
  elif [ -n "$FOLD" ]; then
    run_fold
  else
    for stage in "${STAGES[@]#\*}"; do "stage_$stage"; done
  fi
  finish_jobs
  [ "$DRY_RUN" = 1 ] || echo "total time: $((SECONDS / 60)) min $((SECONDS % 60)) s"
}

main "$@"; exit # read to the end before it begins: an edit of this file does not disturb a run
