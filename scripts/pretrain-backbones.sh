#!/usr/bin/env bash
# Makes the small backbones that come with the package (kuzushiji/weights/): classifiers of 1,200 characters trained on
# machine-written books, of which only the backbones are kept. An hour on two busy cores, half of that on idle ones.
#
#   bash scripts/pretrain-backbones.sh [FOLDER]      default: _runs/pretrain
#
# The books have another seed than the demo's, and so other hands: none of the demo's pages is among them.
set -euo pipefail
unset CDPATH # with it `cd` goes elsewhere, and prints where
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/environment.sh
use_environment requirements.txt

FOLDER=${1:-_runs/pretrain}
BOOKS=$FOLDER/books

"$PYTHON" -m kuzushiji.demo "$BOOKS" --seed 77000 --books 60 --pages 900 --test-books 3 --test-pages 6 \
  --page-height 720 --classes 1200

# pretrain BACKBONE EPOCHS: three of the 60 books are held out, to see that it goes well.
pretrain() {
  "$PYTHON" -m kuzushiji.classify.main "$BOOKS/train.csv" --output-dir "$FOLDER/$1" --data-root "$BOOKS" \
    --fold 0 --n-folds 20 --base "$1" --pretrained 0 --head-size 512 --head-dropout 0.1 \
    --test-height 640 --crop-height 384 --crop-width 384 --scale-aug 0.15 --batch-size 4 \
    --epochs "$2" --repeat-train 1 --optimizer adamw --lr 0.001 --wd 0.02 --warmup-steps 100 --evaluate-every 4 \
    --n-tta 1 --test-limit 10 --cache-mib 1500 --opt-level O1 --threads 1 --workers 0
}
pretrain resnet18 12 &
pretrain resnet10t 14
wait "$!"

for backbone in resnet18 resnet10t; do
  "$PYTHON" -m kuzushiji.classify.extract_backbone "$FOLDER/$backbone/model_best.pth" \
    "kuzushiji/weights/$backbone.safetensors" --licence "CC BY-SA 3.0"
done
