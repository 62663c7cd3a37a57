#!/usr/bin/env bash
# All benchmarks of the networks on a CUDA device, within eight minutes: the training step of both backbones of the
# reference at its crop and batch (compiled too), whole pages through classifiers and detector, and the data.
# Writes benchmarks/results/DEVICE.json.
#
#   bash benchmarks/gpu.sh [--data-root DIR] [--output FILE] [--dry-run] [--tiny]
#
# Without --data-root books are written for the data loader. --tiny is the same on the CPU with next to nothing to
# compute, to see that it works; --dry-run prints the commands. What fails or has no time left is named in the JSON.
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

LIMIT=480 # seconds
DATA_ROOT='' OUTPUT='' DRY_RUN=0 TINY=0
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) usage; exit 0 ;;
    --data-root | --output)
      [ $# -ge 2 ] || bad_usage "$1 needs a value"
      case $1 in --data-root) DATA_ROOT=$2 ;; --output) OUTPUT=$2 ;; esac
      shift
      ;;
    --dry-run) DRY_RUN=1 ;;
    --tiny) TINY=1 ;;
    *) bad_usage "unknown option $1" ;;
  esac
  shift
done

DEVICE=(--device cuda)
FIRST=(--model resnet152 --crop 512 768 --batch-size 10 --boxes 256 --steps 40 --seconds 20)
SECOND=(--model resnext101_32x8d_wsl --crop 512 768 --batch-size 12 --boxes 256 --steps 40 --seconds 20)
PAGES=(--pages 12)
DETECTOR=fasterrcnn_resnet152_fpn
BOOKS=(--seed 1 --books 4 --pages 12 --test-books 1 --test-pages 4 --page-height 3500)
ROUNDS=3
if [ "$TINY" = 1 ]; then
  small=(--crop 64 96 --batch-size 2 --boxes 8 --classes 20 --steps 2)
  DEVICE=(--device cpu)
  FIRST=(--model resnet10t "${small[@]}")
  SECOND=(--model mobilenetv4_conv_small "${small[@]}")
  PAGES=(--pages 1)
  DETECTOR=fasterrcnn_resnet18_fpn
  BOOKS=(--seed 1 --books 2 --pages 2 --test-books 1 --test-pages 2 --page-height 1000)
  ROUNDS=1
fi

[ "$DRY_RUN" = 1 ] || use_environment requirements.txt || exit 1
PYTHON=${PYTHON:-python}
export PYTHONPATH=.${PYTHONPATH:+:$PYTHONPATH}
pieces=$(mktemp -d "${TMPDIR:-/tmp}/kuzushiji-gpu.XXXXXX")
trap 'rm -rf "$pieces"' EXIT
SECONDS=0

# piece NAME SCRIPT [ARGUMENT...]: runs it in the time that is left; its JSON becomes part NAME of the result.
piece() {
  local name=$1 left=$((LIMIT - SECONDS))
  shift
  echo "python $*"
  [ "$DRY_RUN" = 0 ] || return 0
  if [ "$left" -lt 15 ]; then
    echo "no time left" >"$pieces/$name.failed"
  elif ! timeout "$left" "$PYTHON" "$@" >"$pieces/$name.json" 2>"$pieces/$name.log"; then
    { tail -n 1 "$pieces/$name.log" | grep . || echo "no time left"; } >"$pieces/$name.failed"
    echo "  failed: $(cat "$pieces/$name.failed")" >&2
  fi
}

if [ "$TINY$DRY_RUN" = 00 ]; then
  "$PYTHON" -c 'import sys, torch; sys.exit(not torch.cuda.is_available())' ||
    { echo "gpu.sh: error: expected a CUDA device, this machine has none (--tiny runs on the CPU)" >&2; exit 1; }
fi
[ "$TINY" = 1 ] || piece train_step.resnet152.compiled benchmarks/train_step.py "${FIRST[@]}" "${DEVICE[@]}" --compile
piece train_step.resnet152 benchmarks/train_step.py "${FIRST[@]}" "${DEVICE[@]}"
piece train_step.resnext101_32x8d_wsl benchmarks/train_step.py "${SECOND[@]}" "${DEVICE[@]}"
for model in "${FIRST[1]}" "${SECOND[1]}" "$DETECTOR"; do
  piece "predict_pages.$model" benchmarks/predict_pages.py --model "$model" "${PAGES[@]}" "${DEVICE[@]}"
done
if [ -z "$DATA_ROOT" ]; then
  DATA_ROOT=$pieces/books
  piece books -m kuzushiji.demo "$DATA_ROOT" "${BOOKS[@]}"
fi
piece dataloader benchmarks/dataloader.py "$DATA_ROOT" --rounds "$ROUNDS"
[ "$DRY_RUN" = 1 ] || "$PYTHON" benchmarks/collect.py "$pieces" ${OUTPUT:+--output "$OUTPUT"}
