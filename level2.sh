#!/usr/bin/env bash
# The second level: LightGBM and XGBoost choose among the best classes of the four kinds of models.
#
#   bash level2.sh [PROFILE] [--force] [--dry-run] [--jobs N]
#
# Needs the tables that run-all.sh has made up to the stage `pseudo`, and is the stage `level2` of run-all.sh.
if [ "${BASH_SOURCE[0]}" = "$0" ]; then
  set -euo pipefail
  unset CDPATH # with it `cd` goes elsewhere, and prints where
  cd "$(dirname "$0")"
  source scripts/chain.sh
fi

# table_groups NAME FOLD: prints the groups of tables as JSON; a group holds the models of one kind.
table_groups() {
  local kind groups=''
  for kind in "${KINDS[@]}"; do groups+=",[\"$RUNS/clf-fold$2$kind/$1\"]"; done
  echo "[${groups:1}]"
}

# A row for each box and candidate class, of the models of one fold: those of the pages that they have not seen, and those
# of the test pages. The boosters then see test pages through models like those they were trained on; blended over the
# folds, the same models would look surer than any of them.
stage level2
for fold in "${FOLDS[@]}"; do
  start "level2-features-fold$fold" kuzushiji.classify.level2_features \
    "$(table_groups detailed.parquet "$fold")" "$RUNS/level2_features_fold$fold.parquet" \
    "${COMMON[@]}" "${LEVEL2_FEATURES[@]}"
  [ ${#TEST_FOLDS[@]} = 0 ] || start "level2-features-test-fold$fold" kuzushiji.classify.level2_features \
    "$(table_groups test_detailed.parquet "$fold")" "$RUNS/level2_features_test_fold$fold.parquet" \
    "${COMMON[@]}" "${LEVEL2_FEATURES[@]}"
done

# The boosters, each fold's trained on the other folds; then all of them on the test pages.
detailed=() features=() test_features=()
for fold in "${FOLDS[@]}"; do
  detailed+=("$RUNS/clf-fold$fold/detailed.parquet")
  features+=("$RUNS/level2_features_fold$fold.parquet")
  test_features+=("$RUNS/level2_features_test_fold$fold.parquet")
done
run level2-train kuzushiji.classify.level2 "${detailed[@]}" "${features[@]}" \
  --save-model "$RUNS/level2_models" --n-folds "$N_FOLDS" "${COMMON[@]}" "${LEVEL2[@]}"
[ ${#TEST_FOLDS[@]} = 0 ] || run level2-apply kuzushiji.classify.level2 "$RUNS/clf-fold0/test_detailed.parquet" "${test_features[@]}" \
  --load-model "$RUNS/level2_models" --output "$RUNS/submission.csv" "${COMMON[@]}"
