#!/usr/bin/env bash
# Trains the default network on Fashion-MNIST for three epochs with each optimizer at three
# learning rates, and prints what they reached:
#
#   [RANKS=2] Launch/compare.sh path/to/swift-mfac-train [ARGUMENT ...]
#
# Further arguments go to every run.
set -euo pipefail
here=$(dirname "$0")
train=$1
shift
runs=runs/compare-$(date +%Y%m%d-%H%M%S)
mkdir -p "$runs"

printf '%-30s %14s %10s %10s\n' "optimizer" "learning rate" "accuracy" "seconds"
while read -r name optimizer rate more; do
  run=$runs/$name-$rate
  # shellcheck disable=SC2086
  "$here/local.sh" -n "${RANKS:-2}" "$train" --optimizer "$optimizer" --learning-rate "$rate" $more \
    --progress none --run-directory "$run" "$@" </dev/null
  sed -nE 's/.*"seconds_since_start":([0-9.]+).*"test_accuracy":([0-9.]+).*/\2 \1/p' \
    "$run/metrics.jsonl" | tail -n 1 | while read -r accuracy seconds; do
    LC_ALL=C awk -v n="$optimizer $more" -v r="$rate" -v a="$accuracy" -v s="$seconds" \
      'BEGIN { printf "%-30s %14s %8.2f %% %10.1f\n", n, r, 100 * a, s }'
  done
done <<'RUNS'
mfac mfac 5e-4
mfac mfac 1e-3
mfac mfac 2e-3
sgd sgd 0.01 --momentum 0.9
sgd sgd 0.03 --momentum 0.9
sgd sgd 0.1 --momentum 0.9
adamw adamw 3e-4
adamw adamw 1e-3
adamw adamw 3e-3
RUNS
