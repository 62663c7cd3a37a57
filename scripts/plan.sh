# shellcheck shell=bash
# Sourced by run-all.sh: what a run on the competition's data needs and costs.

# has_competition_data FOLDER
has_competition_data() {
  [ -f "$1/train.csv" ] && [ -d "$1/train_images" ] && [ -d "$1/test_images" ]
}

# how_to_begin FOLDER
how_to_begin() {
  cat <<END
The competition's data are not in $1/ (train.csv, train_images/, test_images/ expected). To get them, with an account
that has accepted the rules on https://www.kaggle.com/c/kuzushiji-recognition :
  pip install kaggle
  kaggle competitions download -c kuzushiji-recognition -p $1
  (cd $1 && unzip -q kuzushiji-recognition.zip &&
    for name in train_images test_images; do [ -d \$name ] || unzip -q \$name.zip -d \$name; done)
  bash run-all.sh kaggle
Profiles: $(profiles). Without any data: bash run-all.sh demo
END
}

# Hours are the reference's of 2019, by run, from _runs/reference/results.csv: mean over its folds times the folds here.
print_plan() {
  echo "The plan: $N_FOLDS folds of each run; hours as measured in 2019 (RTX 2080 Ti; the first classifier on P100)"
  awk -F, -v folds="$N_FOLDS" '
    NR == 1 { for (i = 1; i <= NF; i++) column[$i] = i; next }
    { run = $column["run"]; if (!(run in runs)) order[++count] = run; runs[run]++; hours[run] += $column["hours"] }
    END {
      for (i = 1; i <= count; i++) {
        run = order[i]; mean = hours[run] / runs[run]; total += mean * folds
        printf "  %-34s %2d runs x %5.1f h = %6.1f h\n", run, folds, mean, mean * folds
      }
      printf "  %-34s %27.1f h of GPU, level 2 without one\n", "together", total
    }' _runs/reference/results.csv
  # Checkpoints of 25 runs: weights and the state to resume from, about 0.3 + 0.6 GB each; 20 detailed tables of the
  # held-out and the test pages, 50 classes and logits a box.
  echo "  disk: about 30 GB below $RUNS/; free there: $(free_space)"
  echo
}

free_space() {
  local folder=$RUNS
  while [ ! -d "$folder" ]; do folder=$(dirname "$folder"); done
  df -Ph "$folder" | awk 'NR == 2 { print $4 }'
}
