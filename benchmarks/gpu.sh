#!/usr/bin/env bash
# All benchmarks of the networks on a CUDA device, within nine minutes, in the order of what is most wanted of a run that
# is cut short: both stages whole, stopped and gone on with; the training step of the detector and of both backbones of
# the reference at its crop and batch; whole pages of varying widths through all three; training from JPEGs with 4, 8
# and 12 workers; the data alone; the compiled step.
# Writes benchmarks/results/DEVICE.json, anew after each piece.
#
#   bash benchmarks/gpu.sh [--data-root DIR] [--output FILE] [--as-is] [--dry-run] [--tiny]
#
# Without --data-root books are written. --as-is runs `python3` as it is and installs nothing: it needs torch,
# torchvision, timm, numpy, pandas, pyarrow, opencv, pillow and tqdm; pytorch-ignite, packaging, safetensors and filelock
# are pure wheels or small ones that can be carried along on PYTHONPATH, and the data piece alone needs albumentations.
# --tiny is the same on the CPU with next to nothing to compute, to see that it works; --dry-run prints the commands.
# What fails or has no time left is named in the JSON.
set -euo pipefail
unset CDPATH # with it `cd` goes elsewhere, and prints where
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/environment.sh

usage() {
  sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p;}' "${BASH_SOURCE[0]}"
}

bad_usage() {
  echo "gpu.sh: error: $* (--help lists all)" >&2
  exit 2
}

LIMIT=540 # seconds
DATA_ROOT='' OUTPUT='' DRY_RUN=0 TINY=0 AS_IS=0
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) usage; exit 0 ;;
    --data-root | --output)
      [ $# -ge 2 ] || bad_usage "$1 needs a value"
      case $1 in --data-root) DATA_ROOT=$2 ;; --output) OUTPUT=$2 ;; esac
      shift
      ;;
    --as-is) AS_IS=1 ;;
    --dry-run) DRY_RUN=1 ;;
    --tiny) TINY=1 ;;
    *) bad_usage "unknown option $1" ;;
  esac
  shift
done

DEVICE=(--device cuda)
small=()
DETECTOR=fasterrcnn_resnet152_fpn
STEP=(--steps 40 --seconds 20)
FIRST=(--model resnet152 --crop 512 768 --batch-size 10 --boxes 256 "${STEP[@]}")
SECOND=(--model resnext101_32x8d_wsl --crop 512 768 --batch-size 12 --boxes 256 "${STEP[@]}")
PAGES=(--pages 60 --workers 8)
BOOKS=(--seed 1 --books 4 --pages 12 --test-books 1 --test-pages 4 --page-height 3500)
TRAIN=(--n-folds 2 --base resnet50 --pretrained 0 --epochs 1 --repeat-train 30 --batch-size 10)
WORKERS=(4 8 12)
ROUNDS=1
if [ "$TINY" = 1 ]; then
  small=(--crop 64 96 --batch-size 2)
  DEVICE=(--device cpu)
  DETECTOR=fasterrcnn_resnet18_fpn
  STEP=(--steps 2)
  FIRST=(--model resnet10t "${small[@]}" --boxes 8 --classes 20 "${STEP[@]}")
  SECOND=(--model mobilenetv4_conv_small "${small[@]}" --boxes 8 --classes 20 "${STEP[@]}")
  PAGES=(--pages 1)
  BOOKS=(--seed 1 --books 2 --pages 2 --test-books 1 --test-pages 2 --page-height 1000)
  TRAIN=(
    --n-folds 2 --base resnet10t --pretrained 0 --epochs 1 --repeat-train 2 --batch-size 2 --crop-width 64
    --crop-height 96 --test-height 256
  )
  WORKERS=(1)
fi

if [ "$AS_IS" = 1 ]; then
  PYTHON=python3
elif [ "$DRY_RUN" = 0 ]; then
  use_environment requirements.txt || exit 1
fi
PYTHON=${PYTHON:-python}
export PYTHONPATH=.${PYTHONPATH:+:$PYTHONPATH}
pieces=$(mktemp -d "${TMPDIR:-/tmp}/kuzushiji-gpu.XXXXXX")
trap 'rm -rf "$pieces"' EXIT
NAME=cpu
SECONDS=0

# piece NAME SCRIPT [ARGUMENT...]: runs it in the time that is left; its JSON becomes part NAME of the result, at once.
piece() {
  local name=$1 left=$((LIMIT - SECONDS))
  shift
  echo "python $*"
  [ "$DRY_RUN" = 0 ] || return 0
  if [ "$left" -lt 15 ]; then
    echo "no time left" >"$pieces/$name.failed"
  elif ! timeout "$left" "$PYTHON" "$@" >"$pieces/$name.json" 2>"$pieces/$name.log"; then
    # A piece that says itself what failed keeps its JSON.
    head -c 1 "$pieces/$name.json" | grep -q '{' ||
      { tail -n 1 "$pieces/$name.log" | grep . || echo "no time left"; } >"$pieces/$name.failed"
    echo "  failed: $(cat "$pieces/$name.failed" 2>/dev/null || tail -n 1 "$pieces/$name.json")" >&2
  fi
  "$PYTHON" benchmarks/collect.py "$pieces" --name "$NAME" ${OUTPUT:+--output "$OUTPUT"} >"$pieces/written"
}

if [ "$TINY$DRY_RUN" = 00 ]; then
  NAME=$("$PYTHON" -c 'import torch; print(torch.cuda.get_device_name() if torch.cuda.is_available() else "")') || exit 1
  [ -n "$NAME" ] ||
    { echo "gpu.sh: error: expected a CUDA device, this machine has none (--tiny runs on the CPU)" >&2; exit 1; }
fi
BOOKS_ROOT=$pieces/books
piece books -m kuzushiji.demo "$BOOKS_ROOT" "${BOOKS[@]}"
piece smoke benchmarks/gpu_smoke.py "$BOOKS_ROOT" "${DEVICE[@]}"
piece "train_step.$DETECTOR" benchmarks/detector_step.py --model "$DETECTOR" "${small[@]}" "${STEP[@]}" "${DEVICE[@]}"
piece train_step.resnet152 benchmarks/train_step.py "${FIRST[@]}" "${DEVICE[@]}"
piece train_step.resnext101_32x8d_wsl benchmarks/train_step.py "${SECOND[@]}" "${DEVICE[@]}"
for model in "$DETECTOR" "${FIRST[1]}" "${SECOND[1]}"; do
  piece "predict_pages.$model" benchmarks/predict_pages.py --model "$model" "${PAGES[@]}" "${DEVICE[@]}"
done
DATA_ROOT=${DATA_ROOT:-$BOOKS_ROOT}
for workers in "${WORKERS[@]}"; do
  piece "training_from_files.workers$workers" -m kuzushiji.classify.main "$DATA_ROOT/train.csv" --json 1 \
    --data-root "$DATA_ROOT" --output-dir "$pieces/workers$workers" "${TRAIN[@]}" --opt-level O1 --benchmark 1 \
    --evaluate-every 0 --n-tta 1 --cache-mib 0 --workers "$workers" "${DEVICE[@]}"
done
piece dataloader benchmarks/dataloader.py "$DATA_ROOT" --rounds "$ROUNDS"
[ "$TINY" = 1 ] || piece train_step.resnet152.compiled benchmarks/train_step.py "${FIRST[@]}" "${DEVICE[@]}" --compile
[ "$DRY_RUN" = 1 ] || cat "$pieces/written"
