#!/usr/bin/env bash
# Runs a program of this package on this machine, with one or more ranks per core:
#
#   Launch/local.sh [-n RANKS] PROGRAM [ARGUMENT ...]
#
# The default is 8 ranks.
set -euo pipefail

ranks=8
if [ "${1:-}" = -n ] && [ $# -ge 2 ]; then
  ranks=$2
  shift 2
fi
if ! [ "$ranks" -gt 0 ] 2>/dev/null; then
  echo "Launch/local.sh: -n: expected a number of ranks above 0, got '$ranks'" >&2
  exit 64
fi
if [ $# -eq 0 ] || ! command -v -- "$1" >/dev/null; then
  echo "usage: Launch/local.sh [-n RANKS] PROGRAM [ARGUMENT ...]" >&2
  [ $# -eq 0 ] || echo "there is no program '$1' (make build makes swift-mfac-train)" >&2
  exit 64
fi

# Open MPI refuses to run as root without both variables. Root is usual in containers, and harmless
# here.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
# One BLAS thread per rank from the start; the program enforces it too.
export OPENBLAS_NUM_THREADS=1
# A trap prints its reason and place, and does not wait for a key.
export SWIFT_BACKTRACE=${SWIFT_BACKTRACE:-interactive=no,color=no}

# --oversubscribe  more ranks than cores may run: slower, with the same result.
# --bind-to        each rank keeps to its core if there are enough; else the system schedules them.
# --quiet          on a failure the program's own message is enough.
bind=core
[ "$ranks" -le "$(env -u OMP_NUM_THREADS -u OMP_THREAD_LIMIT nproc)" ] || bind=none
mpirun -n "$ranks" --oversubscribe --bind-to "$bind" --quiet "$@" <&0 &
job=$!
trap 'kill -TERM $job' TERM
# Ctrl-C in a terminal signals the foreground process group (field 8; this script's group is field
# 5), and so mpirun too. A second signal would make mpirun end the ranks without saving.
trap '[ "$(cut -d" " -f5 /proc/$$/stat)" = "$(cut -d" " -f8 /proc/$$/stat)" ] ||
  kill -TERM $job' INT
trap 'kill -USR1 $job' USR1
trap 'kill -USR2 $job' USR2

# A trapped signal interrupts `wait`.
status=0
while kill -0 "$job" 2>/dev/null; do
  status=0
  wait "$job" || status=$?
done
if [ "$status" -gt 128 ]; then
  echo "the run ended by signal $((status - 128)) in one of its ranks (9: often out of memory)" >&2
fi
exit "$status"
