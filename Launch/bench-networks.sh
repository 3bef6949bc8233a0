#!/usr/bin/env bash
# Times forward and backward passes of the built-in networks on one core, and of PyTorch's versions
# if python3 has PyTorch:
#
#   [CORE=0] [ROUNDS=5] Launch/bench-networks.sh path/to/swift-mfac-bench [NETWORK ...]
#
# CORE: the core that both use (default: the last one that this process may use).
set -euo pipefail
here=$(dirname "$0")
bench=$1
shift
core=${CORE:-$(taskset -cp $$ | sed -E 's/.*[ ,-]//')}
export OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 MKL_NUM_THREADS=1

if python3 -c 'import torch' 2>/dev/null; then
  exec taskset -c "$core" python3 "$here/bench-networks.py" --rounds "${ROUNDS:-5}" "$bench" "$@"
fi
taskset -c "$core" "$bench" networks "$@"
echo "To compare with PyTorch: pip install torch"
