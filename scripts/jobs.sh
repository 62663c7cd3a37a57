# shellcheck shell=bash
# Sourced by run-all.sh and level2.sh: runs `python -m` commands, one at a time or side by side.
#
#   run_one NAME MODULE [ARGUMENT...]     waits for all that were started, then runs it with all cores
#   start_job NAME MODULE [ARGUMENT...]   starts it as soon as one of JOBS places is free
#   finish_jobs                           waits for all that were started
#
# Each command is printed as it would be typed, and its output is kept in LOGS/NAME.log. The first one that fails ends
# the others and the script. With DRY_RUN=1 commands are printed and not run.
# Reads PYTHON LOGS DRY_RUN JOBS JOB_GPUS, and from `plan_places` GPUS CORES THREADS: each place has its share of GPUs and
# cores. With JOB_GPUS above 1 what trains is started on so many GPUs by torchrun; more of them than there are end the
# script by `bad_usage` (options.sh).

job_pids=() # by place; none where the place is free
job_names=()

# Sets GPUS, CORES, JOBS (unless given: one for each JOB_GPUS GPUs, else one a core) and THREADS (of one process) by what
# the machine has.
plan_places() {
  local gpu
  CORES=$(usable_cores /sys/fs/cgroup/cpu.max)
  GPUS=()
  if [ -n "${CUDA_VISIBLE_DEVICES+given}" ]; then
    IFS=, read -r -a GPUS <<<"${CUDA_VISIBLE_DEVICES/#-1*/}" # -1 is one of the ways to say none
  elif command -v nvidia-smi >/dev/null; then
    while read -r gpu; do GPUS+=("$gpu"); done < <(nvidia-smi --query-gpu=index --format=csv,noheader 2>/dev/null || true)
  fi
  # Without a GPU no more than a stage can use: two backbones, or two kinds of pseudolabel models, of each fold.
  JOB_GPUS=${JOB_GPUS:-1}
  [ "$JOB_GPUS" != all ] || JOB_GPUS=$((${#GPUS[@]} > 1 ? ${#GPUS[@]} : 1))
  if [ "$JOB_GPUS" -gt 1 ] && [ "$JOB_GPUS" -gt ${#GPUS[@]} ]; then
    bad_usage "--gpus-per-job: expected at most the ${#GPUS[@]} GPUs of this machine, got $JOB_GPUS"
  fi
  JOBS=${JOBS:-$((${#GPUS[@]} ? ${#GPUS[@]} / JOB_GPUS : CORES < 2 * N_FOLDS ? CORES : 2 * N_FOLDS))}
  THREADS=$((CORES / JOBS / JOB_GPUS > 1 ? CORES / JOBS / JOB_GPUS : 1))
}

# usable_cores QUOTA: prints how many cores this process may use: those of its affinity, as a scheduler sets it, and no
# more than its control group's quota, as a container has it.
usable_cores() {
  local cores quota period
  cores=$(env -u OMP_NUM_THREADS -u OMP_THREAD_LIMIT nproc 2>/dev/null || getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1)
  if read -r quota period 2>/dev/null <"$1" && [ "$quota" != max ]; then
    quota=$(((quota + period - 1) / period))
    cores=$((quota < cores ? quota : cores))
  fi
  echo "$cores"
}

# gpus_of PLACE: the numbers of its GPUs, with commas.
gpus_of() {
  local first=$(($1 % (${#GPUS[@]} / ${JOB_GPUS:-1}) * ${JOB_GPUS:-1}))
  (IFS=, && echo "${GPUS[*]:first:${JOB_GPUS:-1}}")
}

# Sets COMMAND to what starts a module: by torchrun on several GPUs, if it trains.
command_of() {
  COMMAND=("$@")
  if [ "${JOB_GPUS:-1}" -gt 1 ] && [[ $1 =~ ^kuzushiji\.(segment|classify)\.main$ ]]; then
    COMMAND=(torch.distributed.run --standalone --nproc_per_node "$JOB_GPUS" -m "$@")
  fi
}

run_one() {
  local threads=$CORES
  finish_jobs
  print_command "${@:2}"
  if [ "$DRY_RUN" = 0 ]; then
    launch 0 "$1" as_it_is "${@:2}"
    finish_jobs
  fi
}

start_job() {
  local place threads=$THREADS
  until place=$(free_place); do
    sleep 0.1
    collect_ended
  done
  command_of "${@:2}"
  print_command "${COMMAND[@]}"
  [ "$DRY_RUN" = 1 ] || launch "$place" "$1" with_name "${COMMAND[@]}"
}

finish_jobs() {
  while [ ${#job_pids[@]} -gt 0 ]; do
    sleep 0.1
    collect_ended
  done
}

# launch PLACE NAME FILTER MODULE [ARGUMENT...]: the job becomes a process group of its own, so that its data loader
# workers can be ended with it, and so that Ctrl-C reaches it only through `stop_jobs`, once.
launch() {
  local place=$1 name=$2 filter=$3
  shift 3
  set -m
  (
    set +m
    trap : INT TERM       # wait for the command's own end
    exec 3>&2 2>/dev/null # without the shell's word on how it ended
    end_with_the_script >/dev/null 3>&- &
    if [ ${#GPUS[@]} -gt 0 ]; then
      CUDA_VISIBLE_DEVICES=$(gpus_of "$place")
      export CUDA_VISIBLE_DEVICES
    fi
    export OMP_NUM_THREADS=$threads
    code=0
    "$PYTHON" -m "$@" </dev/null 2>&1 | (trap '' INT TERM; tee "$LOGS/$name.log" 2>&3 | "$filter" "$name") || code=$?
    kill -KILL $! # the one that watches
    exit "$code"
  ) &
  set +m
  job_pids[place]=$!
  job_names[place]=$name
}

# Asks the jobs of this process group to end when the script is no more, as after a SIGKILL, which it cannot pass on.
end_with_the_script() {
  trap '' INT TERM
  while kill -0 $$; do sleep 1; done
  kill -TERM 0
}

as_it_is() {
  cat
}

with_name() {
  local line
  while IFS= read -r line || [ -n "$line" ]; do printf '[%s] %s\n' "$1" "$line"; done
}

free_place() {
  local place
  for ((place = 0; place < JOBS; place++)); do
    if [ -z "${job_pids[place]-}" ]; then
      echo "$place"
      return 0
    fi
  done
  return 1
}

# Frees the places of jobs that have ended; one that failed ends the script.
collect_ended() {
  local place pid code
  for place in "${!job_pids[@]}"; do
    pid=${job_pids[place]}
    if ! kill -0 "$pid" 2>/dev/null; then
      code=0
      wait "$pid" || code=$?
      unset "job_pids[place]"
      if [ "$code" != 0 ]; then
        stop_jobs TERM
        echo "error: ${job_names[place]} failed with exit code $code; its output: $LOGS/${job_names[place]}.log" >&2
        exit 1
      fi
    fi
  done
}

# stop_jobs SIGNAL: asks the running jobs to end (training writes a checkpoint), and ends those that have not after 60 s.
stop_jobs() {
  local pid patience=600
  for pid in ${job_pids[@]+"${job_pids[@]}"}; do
    kill "-$1" -- "-$pid" 2>/dev/null || true
  done
  for pid in ${job_pids[@]+"${job_pids[@]}"}; do
    while kill -0 "$pid" 2>/dev/null; do
      sleep 0.1
      ((patience-- > 0)) || kill -KILL -- "-$pid" 2>/dev/null || true
    done
  done
  job_pids=()
}

trap 'stop_jobs TERM' EXIT
trap 'stop_jobs INT; exit 130' INT
trap 'stop_jobs TERM; exit 143' TERM HUP

print_command() {
  local word line="python -m"
  for word in "$@"; do
    case $word in
      *[!A-Za-z0-9_./=:,+@%-]* | '') line+=" '${word//\'/\'\\\'\'}'" ;;
      *) line+=" $word" ;;
    esac
  done
  printf '%s\n' "$line"
}
