#!/usr/bin/env bash
# Runs a program of this package on this machine's cores, one rank a core or more:
#
#   Launch/local.sh [-n RANKS] PROGRAM [ARGUMENT ...]
#
# Without -n: 8 ranks. Everything that it sets can be overridden from the environment.
set -euo pipefail

ranks=8
if [ "${1:-}" = "-n" ]; then
  ranks=$2
  shift 2
fi

# Open MPI refuses to run as root unless told twice: usual in containers, and harmless here.
export OMPI_ALLOW_RUN_AS_ROOT=${OMPI_ALLOW_RUN_AS_ROOT:-1}
export OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=${OMPI_ALLOW_RUN_AS_ROOT_CONFIRM:-1}
# One BLAS thread a rank, from the start (the program insists on it too).
export OPENBLAS_NUM_THREADS=1

# --oversubscribe  more ranks than cores may run: slower, with the same result.
# --bind-to        a rank keeps to its core where there is one for each; else the system shares out.
# --quiet          the program's own message is enough when it fails.
bind=core
[ "$ranks" -le "$(nproc)" ] || bind=none
exec mpirun -n "$ranks" --oversubscribe --bind-to "$bind" --quiet "$@"
