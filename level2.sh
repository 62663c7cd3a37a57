#!/usr/bin/env bash
# The second level: LightGBM and XGBoost choose among the best classes of the four kinds of models.
#
#   bash level2.sh [PROFILE] [--force] [--dry-run] [--jobs N]
#
# Needs the tables that run-all.sh has made up to the stage `pseudo`, and is the stage `level2` of run-all.sh.

# The kinds of models: each is in $RUNS/clf-fold{k}KIND.
model_kinds() {
  KINDS=('' "-$SECOND_NAME" "-$SECOND_NAME-pseudo" "-$SECOND_NAME-pseudo-ft")
}

# table_groups NAME FOLD...: prints the groups of tables as JSON; a group holds the models of one kind and those folds.
table_groups() {
  local name=$1 kind fold group groups=''
  for kind in "${KINDS[@]}"; do
    group=''
    for fold in "${@:2}"; do group+=",\"$RUNS/clf-fold$fold$kind/$name\""; done
    groups+=",[${group:1}]"
  done
  echo "[${groups:1}]"
}

second_level() {
  local fold detailed=() features=() test_features=()
  model_kinds

  # A row for each box and candidate class, of the models of one fold: those of the pages that they have not seen, and
  # those of the test pages. The boosters then see test pages through models like those they were trained on; blended
  # over the folds, the same models would look surer than any of them.
  for fold in "${FOLDS[@]}"; do
    start_job "level2-features-fold$fold" kuzushiji.classify.level2_features \
      "$(table_groups detailed.parquet "$fold")" "$RUNS/level2_features_fold$fold.parquet" \
      "${COMMON[@]}" ${LEVEL2_FEATURES[@]+"${LEVEL2_FEATURES[@]}"}
    start_job "level2-features-test-fold$fold" kuzushiji.classify.level2_features \
      "$(table_groups test_detailed.parquet "$fold")" "$RUNS/level2_features_test_fold$fold.parquet" \
      "${COMMON[@]}" ${LEVEL2_FEATURES[@]+"${LEVEL2_FEATURES[@]}"}
  done

  # The boosters, each fold's trained on the other folds; then all of them on the test pages.
  for fold in "${FOLDS[@]}"; do
    detailed+=("$RUNS/clf-fold$fold/detailed.parquet")
    features+=("$RUNS/level2_features_fold$fold.parquet")
    test_features+=("$RUNS/level2_features_test_fold$fold.parquet")
  done
  run_one level2-train kuzushiji.classify.level2 "${detailed[@]}" "${features[@]}" \
    --save-model "$RUNS/level2_models" --n-folds "$N_FOLDS" "${COMMON[@]}" ${LEVEL2[@]+"${LEVEL2[@]}"}
  run_one level2-apply kuzushiji.classify.level2 "$RUNS/clf-fold0/test_detailed.parquet" \
    "${test_features[@]}" --load-model "$RUNS/level2_models" --output "$RUNS/submission.csv" "${COMMON[@]}"
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
  set -euo pipefail
  unset CDPATH # with it `cd` goes elsewhere, and prints where
  cd "$(dirname "$0")"
  source scripts/environment.sh
  source scripts/jobs.sh
  source scripts/lock.sh
  source scripts/options.sh
  for option in "$@"; do
    case $option in --fold | --stage | --gpus-per-job) bad_usage "$option is an option of run-all.sh" ;; esac
  done
  parse_options "$@"
  load_profile "${PROFILE:-kaggle}"
  STAGE=level2 # the part of the run that is locked
  begin "$@"
  second_level
  finish_jobs
fi
