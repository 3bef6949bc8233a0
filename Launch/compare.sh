#!/usr/bin/env bash
# Compares optimizers by their time to a goal. Trains a problem with each optimizer at several
# settings, from the same initial weights and on the same batches. Prints when each run reached the
# problem's goal on the test part, and at the end the fastest setting of each optimizer:
#
#   [RANKS=2] [SEEDS="0 1"] Launch/compare.sh path/to/swift-mfac-train PROBLEM [ARGUMENT ...]
#
# PROBLEM is cnn, resnet20 or gpt-mini. Their goals are:
#   cnn        90 % accuracy on Fashion-MNIST, in 390, 468, 546, 702 or 936 steps
#   resnet20   a test loss of 0.32 on Fashion-MNIST, in one epoch
#   gpt-mini   2.4 nats per byte of the King James Bible, in 200 steps
# Each run has its own cosine schedule. Further arguments go to every run. Seconds are training
# times without evaluations. For several seeds they are the mean, if all seeds reach the goal.
set -euo pipefail
export LC_ALL=C
here=$(dirname "$0")
if [ $# -lt 2 ] || ! command -v -- "$1" >/dev/null; then
  echo "usage: Launch/compare.sh path/to/swift-mfac-train cnn|resnet20|gpt-mini [ARGUMENT ...]" >&2
  [ $# -lt 2 ] || echo "there is no program '$1' (make build makes swift-mfac-train)" >&2
  exit 64
fi
train=$1
problem=$2
shift 2
read -ra seeds <<<"${SEEDS:-0 1}"

# For each problem: the common arguments, the numbers of steps, the goal, and one line per setting
# of an optimizer.
case $problem in
  cnn)
    common=(--clip-norm 1 --evaluate-every 25) lengths="390 468 546 702 936"
    goal=(--target 90%) goal_name="90 %" reached='accuracy >= 0.9'
    settings="
mfac 0.1 --window-type int8
mfac 6e-3 --preset published --window 128 --window-type bfloat16 --damping 6e-4
sgd 0.05 --momentum 0.9
sgd 0.1 --momentum 0.9
sgd 0.15 --momentum 0.9
adamw 3e-3
adamw 5e-3
adamw 8e-3
muon 0.02
muon 0.04
muon 0.08"
    ;;
  resnet20)
    common=(--model resnet20 --evaluate-every 39) lengths=468
    goal=(--target-loss 0.32) goal_name="0.32" reached='loss <= 0.32'
    settings="
kfac 1e-2 --momentum 0.9 --damping 1e-3 --kl-clip inf
mfac 0.1
mfac 5e-3 --preset published --momentum 0.9
sgd 0.1 --momentum 0.9
adamw 5e-3
muon 0.04"
    ;;
  gpt-mini)
    common=(--model gpt-mini --dataset text:data/kjv.txt --batch-size 48 --micro-batches 4
      --warm-up-steps 20 --evaluate-every 20)
    lengths=200
    goal=(--target-loss 2.4) goal_name="2.4 nats" reached='loss <= 2.4'
    settings="
kfac 0.1 --damping 1e-3 --kl-clip 1e-3
mfac 0.1
mfac 1e-2 --preset published --window 64 --damping 1e-3 --momentum 0.9
sgd 0.1 --momentum 0.9
adamw 5e-4
muon 0.04"
    ;;
  *)
    echo "Launch/compare.sh: PROBLEM: expected cnn, resnet20 or gpt-mini, got '$problem'" >&2
    exit 64
    ;;
esac

# Runs one setting; further arguments come last.
run() {
  local optimizer=$1 rate=$2 more=$3 steps=$4 seed=$5
  shift 5
  # shellcheck disable=SC2086
  "$here/local.sh" -n "${RANKS:-2}" "$train" --optimizer "$optimizer" --learning-rate "$rate" \
    $more "${common[@]}" --steps "$steps" --seed "$seed" --progress none "$@" </dev/null
}

# A dry run of one setting per optimizer reports errors, such as missing data, before any training.
while read -r optimizer rate more; do
  run "$optimizer" "$rate" "$more" "${lengths%% *}" "${seeds[0]}" "$@" --dry-run >/dev/null
done < <(sed '/^$/d' <<<"$settings" | awk '!seen[$1]++')

runs=runs/compare-$problem-$(date +%Y%m%d-%H%M%S)
mkdir -p "$runs"

# Prints a run's first evaluation at the goal and its last one: steps, training seconds, loss,
# accuracy.
evaluations() {
  local number='([0-9.]+)' line
  line='.*"step":'$number',"test_accuracy":'$number',"test_loss":'$number
  line+=',"training_seconds":'$number'.*'
  sed -nE "s/$line/\\1 \\4 \\3 \\2/p" "$1" |
    awk '{ loss = $3; accuracy = $4 }
         '"$reached"' && !there { there = $1 " " $2 }
         { last = $3 " " $4 }
         END { print (there ? there : "- -"), last }'
}

format='%-6s %8s %6s %17s %17s %15s %9s\n'
# shellcheck disable=SC2059
printf "$format" "" "rate" "steps" "loss" "accuracy" "steps to goal" "seconds"
while read -r optimizer rate more; do
  for steps in $lengths; do
    for seed in "${seeds[@]}"; do
      directory=$runs/$optimizer-$rate-$steps-$seed
      run "$optimizer" "$rate" "$more" "$steps" "$seed" --run-directory "$directory" "$@"
      evaluations "$directory/metrics.jsonl"
    done | awk -v optimizer="$optimizer" -v rate="$rate" -v steps="$steps" -v format="$format" \
      -v runs="${#seeds[@]}" '
      { to = to " " $1; if ($1 == "-") never = 1; seconds += $2; loss = loss sprintf(" %.4f", $3)
        accuracy = accuracy sprintf(" %.2f", 100 * $4) }
      END { if (NR == runs) printf format, optimizer, rate, steps, loss, accuracy, to,
              never ? "-" : sprintf("%.2f", seconds / NR) }'
  done
done < <(sed '/^$/d' <<<"$settings") | tee "$runs/table.txt"

echo
echo "fastest to $goal_name:"
awk '$NF != "-" && (!($1 in best) || $NF < best[$1]) { best[$1] = $NF; row[$1] = $0 }
     END {
       for (name in best) if (name !~ /fac/ && (!first || best[name] < first)) first = best[name]
       for (name in best) {
         ratio = first ? sprintf("%6.2f × the best first-order method", best[name] / first) : ""
         print best[name] "\t" row[name] ratio
       }
     }' "$runs/table.txt" | sort -n | cut -f2-
report=$(dirname "$(command -v -- "$train")")/swift-mfac-report
if [ ! -x "$report" ]; then
  echo "no report of $runs: there is no program '$report' (make build makes it)" >&2
  exit 0
fi
"$report" "$runs" "${goal[@]}" --title "$problem, to $goal_name" --output "$runs/report.html"
