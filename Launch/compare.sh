#!/usr/bin/env bash
# Time to accuracy: trains the default network on Fashion-MNIST with each optimizer at three learning
# rates for 1, 1.5 and 2 epochs, each with its own cosine, and prints when the test accuracy reached
# 90 %, and at last the fastest setting of each:
#
#   [RANKS=2] [SEEDS="0 1"] Launch/compare.sh path/to/swift-mfac-train [ARGUMENT ...]
#
# Further arguments go to every run. Seconds are those of training, evaluations left out; over several
# seeds their mean, where all of them got there.
set -euo pipefail
export LC_ALL=C
here=$(dirname "$0")
train=$1
shift
read -ra seeds <<<"${SEEDS:-0 1}"
runs=runs/compare-$(date +%Y%m%d-%H%M%S)
mkdir -p "$runs"

# The first evaluation of a run at 90 %, and its last: steps, training seconds, accuracy.
evaluations() {
  sed -nE 's/.*"step":([0-9]+),"test_accuracy":([0-9.]+).*"training_seconds":([0-9.]+).*/\1 \3 \2/p' "$1" |
    awk '$3 >= 0.9 && !reached { reached = $1 " " $2 } { last = $3 }
         END { print (reached ? reached : "- -"), last }'
}

format='%-6s %8s %6s %20s %20s %10s\n'
# shellcheck disable=SC2059
printf "$format" "" "rate" "steps" "accuracy" "steps to 90 %" "seconds"
while read -r optimizer rate more; do
  for steps in 468 702 936; do
    for seed in "${seeds[@]}"; do
      run=$runs/$optimizer-$rate-$steps-$seed
      # shellcheck disable=SC2086
      "$here/local.sh" -n "${RANKS:-2}" "$train" --optimizer "$optimizer" --learning-rate "$rate" $more \
        --clip-norm 1 --steps "$steps" --evaluate-every 25 --seed "$seed" --progress none \
        --run-directory "$run" "$@" </dev/null
      evaluations "$run/metrics.jsonl"
    done | awk -v optimizer="$optimizer" -v rate="$rate" -v steps="$steps" -v format="$format" '
      { to = to " " $1; if ($1 == "-") never = 1; seconds += $2; accuracy = accuracy sprintf(" %.2f", 100 * $3) }
      END { printf format, optimizer, rate, steps, accuracy, to, never ? "-" : sprintf("%.2f", seconds / NR) }'
  done
done <<'RUNS' | tee "$runs/table.txt"
mfac 3e-3 --window 128 --window-type bfloat16 --damping 6e-4
mfac 6e-3 --window 128 --window-type bfloat16 --damping 6e-4
mfac 1e-2 --window 128 --window-type bfloat16 --damping 6e-4
sgd 0.05 --momentum 0.9
sgd 0.1 --momentum 0.9
sgd 0.15 --momentum 0.9
adamw 3e-3
adamw 5e-3
adamw 8e-3
RUNS

echo
awk '$NF != "-" && (!($1 in best) || $NF < best[$1]) { best[$1] = $NF; row[$1] = $0 }
     END {
       for (name in best) if (name != "mfac" && (!first || best[name] < first)) first = best[name]
       for (name in best) {
         ratio = first ? sprintf("%6.2f × the best first-order method", best[name] / first) : ""
         print row[name] ratio
       }
     }' "$runs/table.txt"
report=$(dirname "$train")/swift-mfac-report
[ ! -x "$report" ] || "$report" "$runs" --target 90% --title "Time to 90 %" --out "$runs/report.html"
