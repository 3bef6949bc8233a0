#!/usr/bin/env bash
# Tests mpirun over two hosts, and a run whose hosts lose contact with each other:
#
#   Tests/Launch/hosts.sh path/to/swift-mfac-train
#
# One cable (eth0) serves mpirun and its daemons, the other (eth1) the ranks' own messages. The test
# needs root.
set -euo pipefail
program=$(realpath "${1:?which swift-mfac-train}")
# shellcheck source=Tests/Launch/two-hosts.sh
. "$(dirname "$0")/two-hosts.sh"
cd "$work"
training=(--dataset digits --batch-size 32 --learning-rate 0.01 --damping 0.01 --seed 7)
watchdog=5
keepalive=11

export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMPI_MCA_plm_rsh_agent=$work/rsh
export OMPI_MCA_oob_tcp_if_include=10.0.0.0/24 OMPI_MCA_btl_tcp_if_include=10.0.1.0/24
# After 5 s of silence and 3 unanswered probes 2 s apart, the other host counts as lost.
export OMPI_MCA_oob_tcp_keepalive_time=5 OMPI_MCA_oob_tcp_keepalive_intvl=2
export OMPI_MCA_oob_tcp_keepalive_probes=3
# A waiting rank yields its core: this machine may be busy.
export OMPI_MCA_mpi_yield_when_idle=1
printf '%s slots=%d\n' n1 "$ranks" n2 "$ranks" >hostfile

train() {
  local out=$1
  shift
  "$work/on" n1 mpirun --hostfile hostfile --bind-to core "$program" "${training[@]}" "$@" \
    --run-directory "$out" >"$out.out" 2>&1
}

"$program" "${training[@]}" --epochs 5 --run-directory alone >alone.out 2>&1 ||
  fail "$(cat alone.out)"
logs=(two.out)
train two --epochs 5 || fail "training on two hosts"
cmp alone/model.safetensors two/model.safetensors ||
  fail "two hosts write other bytes than one rank"
report "2 hosts, $ranks ranks each: the bytes of one rank"

# Cuts cables during training and waits until mpirun, its daemons and all ranks have ended.
name=$(basename "$program")
nothing_left() { ! pgrep -x "mpirun|orted|${name:0:15}"; }
halfway() { [ "$(wc -l <"$1/metrics.jsonl")" -ge 100 ]; }
cut_in_midst() {
  local out=$1 limit=$2 cut job
  logs=("$out.out")
  train "$out" --epochs 100000 --watchdog-seconds "$3" &
  job=$!
  await 60 halfway "$out"
  for cable in "${@:4}"; do "$work/on" n2 ip link set "$cable" down; done
  cut=$(date +%s%N)
  await $((limit + 10)) nothing_left
  wait "$job" && fail "mpirun says that all went well"
  report "$(printf '%s cut: everything on both hosts ended after %.1f s' "${*:4}" \
    "$(($(date +%s%N) - cut))e-9")"
}

cut_in_midst data $watchdog $watchdog eth1
grep -q 'not heard from' data.out || fail "the watchdog has not named the ranks it waited for"
grep 'not heard from' data.out
"$work/on" n2 ip link set eth1 up
cut_in_midst both $keepalive $((2 * keepalive)) eth1 eth0
grep -q 'lost communication' both.out || fail "mpirun has not said that it lost the other host"
