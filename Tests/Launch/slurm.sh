#!/usr/bin/env bash
# Tests both Slurm scripts on a cluster of two nodes on this machine:
#
#   Tests/Launch/slurm.sh path/to/swift-mfac-train
#
# A signal makes each script save and requeue its job during training; a second job loses a node
# during training. Slurm starts each job again. Its network must have the same bytes as that of one
# uninterrupted rank. The test needs root, and Debian's slurm-wlm.
set -euo pipefail
program=$(realpath "${1:?which swift-mfac-train}")
launch=$(realpath "$(dirname "$0")/../../Launch")
# shellcheck source=Tests/Launch/two-hosts.sh
. "$(dirname "$0")/two-hosts.sh"
training=(--dataset digits --batch-size 32 --epochs 60 --learning-rate 0.01 --damping 0.01 --seed 7)

# The cluster has one munged, slurmctld on n1, and slurmd on both nodes.
export SLURM_CONF=$work/slurm.conf
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
# A waiting rank yields its core: this machine may be busy.
export OMPI_MCA_mpi_yield_when_idle=1
mkdir -p "$work"/{state,spool-n1,spool-n2,tmp-n1,tmp-n2,log}
# cred_expire    seconds before a requeued job starts again (Slurm's default: 120 s).
# SlurmdTimeout  seconds of silence after which a node counts as down (300 s).
# TmpFS          a directory for each node, since both have the same /tmp.
# config_overrides, task/none, linuxproc  use the resources of this file, without cgroups.
cat >"$SLURM_CONF" <<CONF
ClusterName=two-hosts
SlurmctldHost=n1(10.0.0.1)
SlurmUser=root
AuthInfo=socket=$work/munge.socket,cred_expire=5
StateSaveLocation=$work/state
SlurmdSpoolDir=$work/spool-%n
SlurmctldPidFile=$work/slurmctld.pid
SlurmdPidFile=$work/slurmd-%n.pid
SlurmdTimeout=10
ReturnToService=2
TmpFS=$work/tmp-%n
MailProg=/bin/true
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=sched_interval=1,bf_interval=1
SlurmdParameters=config_overrides
NodeName=n1 NodeAddr=10.0.0.1 CPUs=$ranks
NodeName=n2 NodeAddr=10.0.0.2 CPUs=$ranks
PartitionName=all Nodes=ALL Default=YES
CONF
(umask 077 && head -c 1024 /dev/urandom >"$work/munge.key")
munged --foreground --force --socket="$work/munge.socket" --key-file="$work/munge.key" \
  --pid-file="$work/munged.pid" --seed-file="$work/munge.seed" --log-file="$work/log/munged" \
  2>"$work/log/munged.err" &
await 10 test -S "$work/munge.socket"
"$work/on" n1 slurmctld -D >"$work/log/slurmctld" 2>&1 &
start_node() {
  "$work/on" "$1" slurmd -D -N "$1" >>"$work/log/slurmd-$1" 2>&1 &
  disown
}
start_node n1
start_node n2
slurm() { timeout 20 "$work/on" n1 "$@"; }
all_idle() { [ "$(slurm sinfo --noheader --format '%D %T')" = "2 idle" ]; }
await 30 all_idle
report "$(slurmctld -V): 2 nodes idle, $ranks ranks each"

(cd "$work" && "$program" "${training[@]}" --run-directory "$work/alone" >"$work/log/alone" 2>&1) ||
  fail "the uninterrupted run: $(cat "$work/log/alone")"
report "uninterrupted, one rank, without Slurm: done"

# Prints the state of a job, such as "COMPLETED restarts 1 exit 0:0".
state() {
  slurm scontrol --oneliner show job "$job" |
    sed -E 's/.*JobState=(\S+).*Restarts=([0-9]+).*ExitCode=(\S+).*/\1 restarts \2 exit \3/'
}
is() { [[ $(state) == $1* ]]; }
says() { grep -q "$1" "$out"; }
down() { [[ $(slurm sinfo --noheader --nodes "$1" --format %T) == down* ]]; }

# Submits a script with further arguments of the program, and waits for a line of its output.
submit() {
  run=$work/$1-$2 out=$work/$1-$2.out logs=("$work"/log/slurm* "$work/$1-$2.out")
  await 30 all_idle
  job=$(RUN_DIRECTORY=$run slurm sbatch --parsable --chdir "$work" --output "$out" --time=5 \
    --ntasks-per-node="$ranks" "$launch/$1.sbatch" "$program" "${training[@]}" "${@:4}")
  await 60 says "$3"
}
completes() {
  await 90 is "RUNNING restarts 1"
  await 60 says '^resume  *at step'
  report "$1: $(grep '^resume  *at' "$out")"
  await 120 is "COMPLETED restarts 1 exit 0:0"
  cmp "$work/alone/model.safetensors" "$run/model.safetensors" || fail "other bytes"
  report "$1: completed, with the bytes of the uninterrupted run"
}

for script in slurm-srun slurm-mpirun; do
  submit $script requeue "^step "
  slurm scancel --batch --signal=USR1 "$job"
  await 30 is "PENDING restarts 1"
  report "$script: $(grep -m 1 '^saved step' "$out"), requeued"
  completes $script

  submit $script node "^saved step 200" --save-every-steps 100
  # Kill slurmd, the ranks and their launchers on n2, but not the process that holds its namespaces.
  name=$(basename "$program")
  pkill -KILL --ns "$(cat "$work/n2.pid")" --nslist net "slurm|orted|${name:0:15}"
  report "$script: node n2 dies"
  await 90 down n2
  await 90 is "PENDING restarts 1"
  # The node comes back as after a reboot, with empty directories.
  rm -rf "$work"/{tmp,spool}-n2/*
  start_node n2
  completes $script
done
