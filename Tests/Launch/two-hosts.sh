# shellcheck shell=bash
# Sets up two hosts on this machine, n1 and n2. Each has its name, half of the cores, and its ends
# of two cables: eth0 (10.0.0.1 and 10.0.0.2) and eth1 (10.0.1.1 and 10.0.1.2). The other scripts
# in this folder source this file. It defines
#
#   $work             a directory for this test
#   $ranks            the number of ranks that a host has cores for, two at most
#   $logs             the files whose ends `fail` prints
#   $work/on HOST COMMAND [ARGUMENT ...]   runs a command on a host
#   $work/rsh HOST LINE   the same with a shell line, in mpirun's form (plm_rsh_agent)
#   report TEXT       prints a text with the seconds since the start
#   fail TEXT         ends the test
#   await SECONDS COMMAND [ARGUMENT ...]   repeats the command until it succeeds, or fails
#
# The test runs itself again as the first process of its own namespaces. When it ends for any
# reason, the system ends all its processes, and the directory (in memory) is removed.
if [ "${HOSTS:-}" != inside ]; then
  [ "$(id -u)" = 0 ] || { echo "$0: needs root, for namespaces" >&2; exit 77; }
  HOSTS=inside exec unshare --mount --pid --fork --kill-child --mount-proc "$0" "$@"
fi

work=$(mktemp -d)
mount -t tmpfs two-hosts "$work"
# Open MPI writes files in both places, and leaves them when it is killed.
mount -t tmpfs two-hosts /dev/shm
export TMPDIR=$work
trap 'umount --lazy "$work"; rmdir "$work"' EXIT
trap 'exit 130' INT TERM

report() { printf '%6.1f s  %s\n' "$(($(date +%s%N) - start))e-9" "$*"; }
fail() {
  report "FAILED: $*"
  tail -n 30 "${logs[@]}"
  exit 1
} >&2
await() {
  local end=$((SECONDS + $1))
  until "${@:2}" >/dev/null 2>&1; do
    [ "$SECONDS" -le "$end" ] || fail "waited $1 s for: ${*:2}"
    sleep 0.1
  done
}
start=$(date +%s%N)
logs=(/dev/null)

# List the cores that this process may use, one a line: n1 gets the first half, n2 the rest.
mapfile -t cores < <(
  taskset -cp $$ | sed 's/.*: //' | tr , '\n' | while IFS=- read -r first last; do
    seq "$first" "${last:-$first}"
  done
)
half=$(((${#cores[@]} + 1) / 2))
# shellcheck disable=SC2034
ranks=$((${#cores[@]} >= 4 ? 2 : 1))
list() { local IFS=,; echo "$*"; }
for host in n1 n2; do
  unshare --net --uts sh -c "hostname $host; exec sleep infinity" &
  echo $! >"$work/$host.pid"
done
cat >"$work/on" <<ON
#!/bin/sh
case \$1 in
  n1) cores=$(list "${cores[@]:0:half}") ;;
  n2) cores=$(list "${cores[@]: -half}") ;;
esac
pid=\$(cat "$work/\$1.pid")
shift
exec nsenter --target "\$pid" --net --uts taskset -c "\$cores" "\$@"
ON
cat >"$work/rsh" <<RSH
#!/bin/sh
host=\$1
shift
exec "$work/on" "\$host" sh -c "\$*"
RSH
chmod +x "$work/on" "$work/rsh"
for host in n1 n2; do await 5 sh -c "[ \$('$work/on' $host hostname) = $host ]"; done
for i in 0 1; do
  ip link add cable1 type veth peer name cable2
  for host in 1 2; do
    ip link set "cable$host" netns "$(cat "$work/n$host.pid")" name "eth$i"
    "$work/on" "n$host" ip address add "10.0.$i.$host/24" dev "eth$i"
    "$work/on" "n$host" ip link set "eth$i" up
    "$work/on" "n$host" ip link set lo up
  done
done
