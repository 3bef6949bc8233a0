#!/usr/bin/env bash
# Trains under PBS (OpenPBS, PBS Professional). Copy this file, fill in the settings, and run
#
#   qsub pbs.sh
#
# PBS gives no warning before the time limit, and lets only operators rerun a job. So the run stops
# by itself with a checkpoint, and the script submits its copy again. To save and submit again now:
# qsig -s SIGUSR1 JOB.
#PBS -N swift-mfac
#PBS -l select=2:ncpus=8:mpiprocs=8
#PBS -l place=scatter
#PBS -l walltime=24:00:00
#PBS -j oe
set -euo pipefail
cd "$PBS_O_WORKDIR"

# Settings. Keep the run directory from job to job, or the run would not find its checkpoints.
script=pbs.sh
program=.build/release/swift-mfac-train
arguments=(--dataset digits --save-every-minutes 30)
run=runs/pbs
seconds=$((24 * 3600 - 300))

# One BLAS thread per rank from the start; the program enforces it too.
export OPENBLAS_NUM_THREADS=1
# All hosts need one core type, and so do all starts if their bytes are to be the same. The program
# refuses a mix. If hosts differ, set a type that all of them have, and add -x OPENBLAS_CORETYPE
# below:
# export OPENBLAS_CORETYPE=Haswell
# A trap prints its reason and place, and does not wait for a key.
export SWIFT_BACKTRACE=${SWIFT_BACKTRACE:-interactive=no,color=no}
# mpirun and its daemons end two minutes after losing a host (Open MPI's default: 8 minutes).
export OMPI_MCA_oob_tcp_keepalive_time=60 OMPI_MCA_oob_tcp_keepalive_intvl=10
export OMPI_MCA_oob_tcp_keepalive_probes=6

# --hostfile  Debian's Open MPI does not support PBS: it reads the hosts from here and uses ssh.
# --bind-to   each rank keeps to its core. More ranks than cores: --oversubscribe --bind-to none.
# There is no --quiet: mpirun would not report a lost host.
timeout --foreground --preserve-status --signal=USR1 "$seconds" \
  mpirun --hostfile "$PBS_NODEFILE" --bind-to core -x OPENBLAS_NUM_THREADS -x SWIFT_BACKTRACE \
  "$program" "${arguments[@]}" --run-directory "$run" --resume auto &
job=$!
trap 'kill -USR1 $job' USR1

# A trapped signal interrupts `wait`.
status=0
while kill -0 "$job" 2>/dev/null; do
  status=0
  wait "$job" || status=$?
done
if [ "$status" -eq 85 ]; then
  echo "stopped at $(date +%T) with a checkpoint in $run: submitted again"
  qsub "$script"
fi
exit "$status"
