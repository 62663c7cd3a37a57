# shellcheck shell=bash
# Sourced by run-all.sh: what a run on the competition's data needs and costs.

# has_competition_data FOLDER
has_competition_data() {
  [ -z "$(missing_data "$1")" ]
}

# missing_data FOLDER: prints what of the competition's data is not there, as one line; nothing where all is there.
missing_data() {
  local name missing=()
  for name in train.csv sample_submission.csv unicode_translation.csv; do
    [ -f "$1/$name" ] || missing+=("$name")
  done
  for name in train_images test_images; do
    [ -d "$1/$name" ] || missing+=("$name/")
  done
  echo "${missing[*]}"
}

# how_to_begin FOLDER: what is wrong in one line, then what to do about it, and no more: move the data up, unpack them, or
# download them.
how_to_begin() {
  local folder below archive columns
  folder=$(printf '%q' "$1") # as it is typed
  echo "error: The competition's data are not in $1/: expected $(missing_data "$1") there too"
  columns=$(foreign_columns "$1/train.csv")
  below=$(find -L "$1" -mindepth 2 -maxdepth 3 -name train.csv 2>/dev/null | sort | head -n 1) || true # no such folder
  if [ -n "$columns" ]; then
    echo "$1/train.csv is another competition's: expected the columns image_id,labels, got $columns"
    how_to_download kuzushiji-data 'KUZUSHIJI_DATA=kuzushiji-data '
  elif [ -n "$below" ] && [ ! -e "$1/train.csv" ]; then
    below=$(printf '%q' "$(dirname "$below")")
    echo "They are in $below/: move them up, or say that they are there:"
    echo "  mv $below/* $folder/"
    echo "  KUZUSHIJI_DATA=$below bash run-all.sh kaggle"
  elif archive=$(packed_archive "$1"); then
    echo "$archive is there, but not unpacked:"
    how_to_unpack "$folder" "$(basename "$archive")"
    echo "  bash run-all.sh kaggle"
  else
    how_to_download "$folder" ''
  fi
  echo "Profiles: $(profiles). Without any data: bash run-all.sh demo"
}

# foreign_columns FILE: prints the header of a table that is not the competition's; nothing of one that is, or is empty.
foreign_columns() {
  local header=''
  [ ! -f "$1" ] || header=$(head -c 200 "$1" | head -n 1 | tr -d '\r')
  [[ -z "$header" || ",$header," == *image_id,* && ",$header," == *,labels,* ]] || echo "$header"
}

# packed_archive FOLDER: prints an archive with what is missing there; fails if there is none.
packed_archive() {
  local archive name
  for archive in "$1"/kuzushiji*.zip; do
    [ ! -f "$archive" ] || { echo "$archive"; return; }
  done
  for name in train_images test_images; do
    [ -d "$1/$name" ] || [ ! -f "$1/$name.zip" ] || { echo "$1/$name.zip"; return; }
  done
  return 1
}

# how_to_unpack FOLDER ARCHIVE: prints the command; FOLDER as it is typed. The archive holds one for each folder of images.
how_to_unpack() {
  local whole=''
  case $2 in train_images.zip | test_images.zip) ;; *) whole="unzip -q $(printf '%q' "$2") && " ;; esac
  echo "  (cd $1 && ${whole}for name in train_images test_images; do"
  echo "    [ -d \$name ] || unzip -q \$name.zip -d \$name; done)"
}

# how_to_download FOLDER SETTING: prints the commands; FOLDER as it is typed, SETTING before the last.
how_to_download() {
  cat <<END
To get them, with an account that has accepted the rules on https://www.kaggle.com/c/kuzushiji-recognition :
  pip install kaggle
  kaggle competitions download -c kuzushiji-recognition -p $1
$(how_to_unpack "$1" kuzushiji-recognition.zip)
  $2bash run-all.sh kaggle
END
}

# Whether the run is to be announced: where it may take days, and where it is only printed; a single stage if it trains.
has_plan() {
  [ ${#BOOKS[@]} = 0 ] || [ "$DRY_RUN" = 1 ] || return 1
  [ -z "$STAGE" ] || { is_per_fold "$STAGE" && [ -z "${HOURS:-}" ]; }
}

# What the run costs, or its part of one fold or stage: hours and disk, before anything begins.
print_plan() {
  local note=''
  if [ -n "${HOURS:-}" ]; then
    echo "The plan: the whole chain takes about $(awk "BEGIN { printf \"%.0f\", $HOURS * 60 }") minutes on two cores" \
      "(measured)"${FOLD:+"; this is one fold's part of it"}
  elif [ "${PROFILE:-kaggle}" = kaggle ]; then
    echo "The plan: ${#FOLDS[@]} of $N_FOLDS folds of the reference's recipe; hours as measured by its author in 2019"
    echo "(RTX 2080 Ti; the first classifier on P100), and for an A100 by the cards' memory bandwidths, from data sheets"
    print_gpu_hours
    echo "  GPU memory: 16 GB for the first classifier (clf), 11 GB for the others, as the reference's author had them"
  elif [ ${#HOURS_SHARE[@]} -gt 0 ]; then
    echo "The plan: ${#FOLDS[@]} of $N_FOLDS folds; hours ESTIMATED for the cards of 2019 and an A100: those of the"
    echo "reference's recipe by how much this one multiplies in training (benchmarks/multiplications.py); none is measured"
    print_gpu_hours
  else
    echo "The plan: ${#FOLDS[@]} of $N_FOLDS folds; the hours of the profile $PROFILE are not known" \
      "(those of the reference's recipe: bash run-all.sh kaggle --dry-run)"
  fi
  ! lacks_disk || note=': too little, it would not start'
  echo "  disk: about $DISK_GB GB for all folds below $RUNS/; free there: $(($(free_kib) / 1048576)) GB$note"
  echo
}

# Hours of the stages that train, from _runs/reference/results.csv: mean over the run's folds times the folds here, by the
# profile's share of it. Those of an A100 are no measurement: by the ratio of the cards' memory bandwidths (A100 40 GB
# 1,555 GB/s; RTX 2080 Ti 616, P100 732), which is less than that of their arithmetic in mixed precision.
print_gpu_hours() {
  awk -F, -v folds="${#FOLDS[@]}" -v only="$STAGE" -v shares="${HOURS_SHARE[*]-}" '
    BEGIN {
      stages["segment"] = "segment"; stages["clf"] = "classify"; stages["clf-wsl8d-mt256-frozen"] = "classify-second"
      stages["clf-wsl8d-mt256-frozen-pseudo"] = "pseudo"; stages["clf-wsl8d-mt256-frozen-pseudo-ft"] = "pseudo-ft"
      n = split(shares, words, " ")
      for (i = 1; i < n; i += 2) share[words[i]] = words[i + 1]
    }
    NR == 1 { for (i = 1; i <= NF; i++) column[$i] = i; next }
    { run = $column["run"]; if (!(run in runs)) order[++count] = run; runs[run]++; hours[run] += $column["hours"] }
    END {
      for (i = 1; i <= count; i++) {
        run = order[i]; stage = stages[run]
        if (only != "" && only != stage) continue
        mean = hours[run] / runs[run] * (stage in share ? share[stage] : 1); total += mean * folds
        estimate = mean * folds * (run == "clf" ? 732 : 616) / 1555; estimates += estimate
        printf "  %-18s %2d runs x %5.1f h = %6.1f h %10.1f h\n", stage, folds, mean, mean * folds, estimate
      }
      if (only == "") printf "  %-18s %17.1f h of GPU %7.1f h, level 2 without one\n", "together", total, estimates
    }' _runs/reference/results.csv
}

# Ends the script where the disk has not the room that the profile says, less what the run has written already. With room
# for a tenth more, since a full disk in the last stage costs days.
check_disk() {
  if lacks_disk; then
    echo "error: too little disk: about $DISK_GB GB are needed below $RUNS/, $(($(free_kib) / 1024)) MiB are free there" \
      "(RUNS=FOLDER puts the run elsewhere; DISK_GB=0 starts all the same)" >&2
    exit 1
  fi
}

lacks_disk() {
  [ $(($(free_kib) + $(used_kib))) -lt "$(awk "BEGIN { printf \"%.0f\", $DISK_GB * 1.1 * 1048576 }")" ]
}

# Prints how much this run has written, in KiB: its folders and files, not those of other profiles that lie in its folder.
used_kib() {
  [ -d "$RUNS" ] || { echo 0; return; }
  find "$RUNS" -mindepth 1 -maxdepth 1 \( -type f -o -name 'segment-fold*' -o -name 'clf-fold*' -o -name strips \
    -o -name books -o -name level2_models -o -name logs \) -exec du -sk {} + |
    awk '{ kib += $1 } END { print kib + 0 }'
}

# Prints how much is free where the run's folder is or will be, in KiB.
free_kib() {
  local folder=$RUNS
  while [ ! -d "$folder" ]; do folder=$(dirname "$folder"); done
  df -Pk "$folder" | awk 'NR == 2 { print $4 }'
}
