#!/usr/bin/env bash
# Runs the tests that were built (make test builds them), and names those that failed at the end:
#
#   Tests/run.sh [OPTION of swift test ...]
#
# JOBS tests run at once: by default one more than there are cores, for many wait for something.
# Each is shown when it ends, to a pipe too.
set -euo pipefail
cd "$(dirname "$0")/.."

export SWT_EXPERIMENTAL_MAXIMUM_PARALLELIZATION_WIDTH=${JOBS:-$(($(nproc) + 1))}
results=.build/tests-swift-testing.xml
rm -f "$results"
command=(swift test -c release --skip-build --xunit-output .build/tests.xml "$@")

# To a pipe tests would write in large pieces, to a terminal they do not: script is a terminal.
status=0
if [ -t 1 ]; then
  "${command[@]}" || status=$?
else
  NO_COLOR=1 script -qefc "${command[*]@Q}" /dev/null </dev/null | sed -u 's/\r$//' || status=$?
fi
[ "$status" -ne 0 ] || exit 0

if [ -e "$results" ]; then
  echo "These tests failed:"
  awk -F'"' '/<testcase / { test = $2 "/" $4 } /<failure / && test { print "  " test; test = "" }' \
    "$results"
else
  echo "The tests ended before their end: the lines above say why."
fi
exit "$status"
