#!/usr/bin/env bash
# Measures how the optimizer alone and a whole training step scale on this machine, and compares
# with the predictions of swift-mfac-bench:
#
#   [RANKS="1 2 4"] [MODEL=resnet20] [OUT=DIRECTORY] \
#     Launch/scaling.sh path/to/swift-mfac-bench [ARGUMENT ...]
#
# RANKS defaults to the powers of two up to the number of cores. Further arguments, such as --window
# 1024, go to every run. The tables are printed; JSON files and plots go to OUT
# (runs/scaling-DATE-TIME).
set -euo pipefail
here=$(dirname "$0")
bench=${1:?which swift-mfac-bench}
shift
RANKS=$(xargs <<<"${RANKS:-}")
cores=$(env -u OMP_NUM_THREADS -u OMP_THREAD_LIMIT nproc)
if [ -z "$RANKS" ]; then
  RANKS=1
  for ((p = 2; p <= cores; p *= 2)); do RANKS+=" $p"; done
fi
out=${OUT:-runs/scaling-$(date +%Y%m%d-%H%M%S)}
mkdir -p "$out"

for p in $RANKS; do
  [ "$p" -le "$cores" ] 2>/dev/null ||
    echo "$p ranks share $cores cores: this does not measure scaling"
done
link=$("$here/local.sh" -n 2 "$bench" link)
echo "between two ranks here: $link"

for part in optimizer step; do
  results=(--json "$out/$part.json")
  model=()
  [ "$part" = optimizer ] || model=(--model "${MODEL:-resnet20}")
  for scaling in strong weak; do
    problem=(--part "$part" --scaling "$scaling" "${model[@]}" "$@")
    # shellcheck disable=SC2086
    "$here/local.sh" -n 1 "$bench" predict --ranks "${RANKS// /,}" $link "${problem[@]}" \
      "${results[@]}" >"$out/$part-$scaling-predicted.txt"
    skip=1
    echo
    for p in $RANKS; do
      # Only the first run keeps its headings, and none keeps the last line, which tells how to
      # plot.
      "$here/local.sh" -n "$p" "$bench" scaling "${problem[@]}" "${results[@]}" |
        tail -n "+$skip" | head -n -1
      skip=4
    done
  done
  "$(dirname "$(command -v -- "$bench")")/swift-mfac-report" plot "$out/$part.json" \
    --output "$out/$part.svg"
done
echo
echo "plots: $out/optimizer.svg $out/step.svg"
