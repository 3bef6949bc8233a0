#!/usr/bin/env bash
# Runs a program of this package on this machine's cores, one rank a core or more:
#
#   Launch/local.sh [-n RANKS] PROGRAM [ARGUMENT ...]
#
# Without -n: 8 ranks.
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

# Open MPI refuses to run as root unless told twice: usual in containers, and harmless here.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
# One BLAS thread a rank, from the start (the program insists on it too).
export OPENBLAS_NUM_THREADS=1
# A trap says what and where, and does not wait for a key.
export SWIFT_BACKTRACE=${SWIFT_BACKTRACE:-interactive=no,color=no}

# --oversubscribe  more ranks than cores may run: slower, with the same result.
# --bind-to        a rank keeps to its core where there is one for each; else the system shares out.
# --quiet          the program's own message is enough when it fails.
bind=core
[ "$ranks" -le "$(env -u OMP_NUM_THREADS -u OMP_THREAD_LIMIT nproc)" ] || bind=none
mpirun -n "$ranks" --oversubscribe --bind-to "$bind" --quiet "$@" <&0 &
job=$!
trap 'kill -TERM $job' TERM
# A terminal's Ctrl-C goes to its foreground group (field 8; one's own is 5), and so to mpirun,
# which ends the ranks unsaved if it is told twice.
trap '[ "$(cut -d" " -f5 /proc/$$/stat)" = "$(cut -d" " -f8 /proc/$$/stat)" ] ||
  kill -TERM $job' INT
trap 'kill -USR1 $job' USR1
trap 'kill -USR2 $job' USR2

# A trapped signal interrupts a wait.
status=0
while kill -0 "$job" 2>/dev/null; do
  status=0
  wait "$job" || status=$?
done
if [ "$status" -gt 128 ]; then
  echo "the run ended by signal $((status - 128)) in one of its ranks (9: often out of memory)" >&2
fi
exit "$status"
