#!/usr/bin/env bash
# The whole chain, from page photographs to a submission. `bash run-all.sh --help` lists the options.
#
#   bash run-all.sh demo       on two cores, on books that the machine writes itself
#   bash run-all.sh real       fifteen real pages, which it fetches
#   bash run-all.sh kaggle     the competition's data in data/, days on a GPU
#
# This is the list of its commands: each is `python -m MODULE ARGUMENT...`, and --dry-run prints them as they would be
# typed. A stage whose parameters and inputs are unchanged is skipped, so the same command continues what was
# interrupted. Profiles only set parameters. What the words stage, beside, start and run mean is in scripts/chain.sh.
set -euo pipefail
unset CDPATH # with it `cd` goes elsewhere, and prints where
cd "$(dirname "${BASH_SOURCE[0]}")"
source scripts/chain.sh

# The books: only for profiles whose data the machine writes itself, or fetches (BOOKS_BY).
stage books
[ ${#BOOKS[@]} = 0 ] || run books "${BOOKS_BY:-kuzushiji.demo}" "$DATA_ROOT" "${BOOKS[@]}" "${FORCED[@]}"

# Every fault of the data before any of it is used; again only after the data have changed.
stage check
run check kuzushiji.data.check "$DATA_ROOT"

# The published weights that training starts from: fetched into the cache, given files looked into. Only those of models
# that are still to be trained.
stage weights
run weights kuzushiji.pretrained "$NEEDED_WEIGHTS"

# Where the characters are. Each fold's detector finds the boxes of the pages it has not seen and those of the test pages.
stage segment
for fold in "${FOLDS[@]}"; do
  start "segment-fold$fold" kuzushiji.segment.main --output-dir "$RUNS/segment-fold$fold" \
    --fold "$fold" --n-folds "$N_FOLDS" ${SPLIT:+--split "$SPLIT"} --with-test 1 --threads "$THREADS" "${COMMON[@]}" "${SEGMENT[@]}" \
    "${SEGMENT_START[@]}"
done

# The held-out boxes of all folds in one table; the test boxes of all folds fused.
stage merge
tables=() folders=()
for fold in "${FOLDS[@]}"; do
  tables+=("$RUNS/segment-fold$fold/clf_gt.csv")
  folders+=("$RUNS/segment-fold$fold")
done
run segment-merge kuzushiji.segment.merge "${tables[@]}" "$RUNS/segment_clf_gt.csv" "${COMMON[@]}"
[ ${#TEST_FOLDS[@]} = 0 ] || run segment-fuse kuzushiji.segment.fuse "${folders[@]}" "$RUNS/segment_test_predictions.csv" "${FORCED[@]}" "${FUSE[@]}"

# classify FOLD KIND ARGUMENT...: trains one classifier, in clf-foldFOLDKIND, and reads the boxes of its held-out pages
# and of the test pages.
classify() {
  start "clf-fold$1$2" kuzushiji.classify.main "$RUNS/segment_clf_gt.csv" --output-dir "$RUNS/clf-fold$1$2" \
    --fold "$1" --n-folds "$N_FOLDS" ${SPLIT:+--split "$SPLIT"} --with-test 1 --threads "$THREADS" "${COMMON[@]}" "${@:3}"
}
FIRST=("${FIRST_BACKBONE[@]}" "${FIRST_START[@]}")
SECOND=("${SECOND_BACKBONE[@]}" "${SECOND_START[@]}")

# Which characters they are: two backbones.
stage classify "$RUNS/segment_clf_gt.csv"
for fold in "${FOLDS[@]}"; do classify "$fold" '' "${FIRST[@]}"; done

beside classify-second "$RUNS/segment_clf_gt.csv"
for fold in "${FOLDS[@]}"; do classify "$fold" "-$SECOND_NAME" "${SECOND[@]}"; done

# The test characters that both backbones of all folds together are sure of.
stage pseudolabel
tables=()
for kind in '' "-$SECOND_NAME"; do
  for fold in "${FOLDS[@]}"; do tables+=("$RUNS/clf-fold$fold$kind/test_detailed.parquet"); done
done
[ ${#TEST_FOLDS[@]} = 0 ] || run pseudolabel kuzushiji.classify.pseudolabel "${tables[@]}" "$RUNS/pseudolabels.csv.gz" \
  "${COMMON[@]}" "${PSEUDOLABEL[@]}"

# The second backbone with these as extra training pages: fine-tuned, and from scratch.
stage pseudo-ft "$RUNS/pseudolabels.csv.gz"
for fold in "${TEST_FOLDS[@]}"; do
  classify "$fold" "-$SECOND_NAME-pseudo-ft" "${SECOND_BACKBONE[@]}" "${PSEUDO_FT[@]}" \
    --pseudolabels "$RUNS/pseudolabels.csv.gz" --resume "$RUNS/clf-fold$fold-$SECOND_NAME/model_best.pth"
done

beside pseudo "$RUNS/pseudolabels.csv.gz"
for fold in "${TEST_FOLDS[@]}"; do
  classify "$fold" "-$SECOND_NAME-pseudo" "${SECOND[@]}" "${PSEUDO[@]}" --pseudolabels "$RUNS/pseudolabels.csv.gz"
done

# blend NAME KIND...: a submission of the models of these kinds and all folds.
blend() {
  local kind fold tables=() held_out=()
  for kind in "${@:2}"; do
    for fold in "${FOLDS[@]}"; do
      tables+=("$RUNS/clf-fold$fold$kind/test_detailed.parquet")
      held_out+=("$RUNS/clf-fold$fold$kind/detailed.parquet")
    done
  done
  start "blend-$1" kuzushiji.classify.blend "${tables[@]}" --held-out "${held_out[@]}" \
    --output "$RUNS/blend-$1.csv" "${COMMON[@]}"
}

# Blends, to see what each step brings: each kind over its folds, both backbones, all kinds.
stage blend
if [ ${#TEST_FOLDS[@]} != 0 ]; then
  for kind in "${KINDS[@]}"; do blend "clf$kind" "$kind"; done
  blend backbones '' "-$SECOND_NAME"
  blend all "${KINDS[@]}"
fi

source ./level2.sh

# What all this brought: a table, and a page to look at.
stage report
run report kuzushiji.report "$RUNS" --data-root "$DATA_ROOT"
