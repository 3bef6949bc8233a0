#!/usr/bin/env python3
"""Compares and times the program's exchanges on simulated ranks, and prints a table:

    Tests/Simulation/run.py BUILD [RANKS ...]

BUILD is the directory of build.sh. RANKS are the sizes to time, 16 and 64 by default. A time that
takes longer than LIMIT=300 seconds to simulate is left out.

First it compares the bytes of each result with the fixed tree's, computed without an exchange; a
difference is an error. A line of the table shows the exchanges of one training step, with one
micro-batch a rank. Times are in ms of simulated time, from a common start to the end of the last
rank. "native" is MPI_Reduce_scatter + MPI_Allgatherv, "allreduce" is MPI_Allreduce of d numbers:
the faster of what Open MPI (o) and MPICH (m) choose, as SimGrid models them. The ratio is
reduce-scatter + all-gather over the faster of native and allreduce.

Computation takes no simulated time. A message takes 0.3 µs of CPU at either end.
"""
import os
import pathlib
import signal
import subprocess
import sys
import tempfile

# No __pycache__ among the sources.
sys.dont_write_bytecode = True
import fat_tree  # noqa: E402

RESULTS = ["reduce-scatter", "all-gather", "row", "loss"]
COMPARED = [  # ranks, ranks a node, micro-batches
    (12, 1, 12), (16, 1, 16), (16, 8, 16), (48, 8, 48), (48, 1, 64), (64, 8, 64), (64, 1, 100)]
PARAMETERS = [270_000, 10_000_000]
ROWS = 1024
RANKS_A_NODE = [1, 8]
GBITS = [100, 200]
MESSAGE_SECONDS = 3e-7
LIMIT = float(os.environ.get("LIMIT", 300))

# SimGrid's own factors describe an old Ethernet. Testing requests and reading the clock cost
# nothing here, so only messages take time.
OPTIONS = {
    "smpi/simulate-computation": "no",
    "smpi/host-speed": "1Gf",
    "smpi/bw-factor": "0:1",
    "smpi/lat-factor": "0:1",
    "smpi/os": f"0:{MESSAGE_SECONDS}:0",
    "smpi/ois": f"0:{MESSAGE_SECONDS}:0",
    "smpi/or": f"0:{MESSAGE_SECONDS}:0",
    "smpi/test": "0",
    "smpi/wtime": "0",
    "smpi/shared-malloc": "global",
    "network/TCP-gamma": "0",
    "contexts/stack-size": "512",
}


def simulate(build, ranks, ranks_a_node, gbits, arguments, library="ompi"):
    """Returns the printed lines as pairs of name and value, and whether the run ended in time."""
    with tempfile.TemporaryDirectory() as directory:
        platform, hosts = fat_tree.write(ranks, ranks_a_node, gbits, directory)
        options = OPTIONS | {"smpi/coll-selector": library}
        command = [
            "smpirun", "-np", str(ranks), "-platform", platform, "-hostfile", hosts,
            "-no-privatize", *(f"--cfg={key}:{value}" for key, value in options.items()),
            "--log=root.thres:critical", build / "simulation", *map(str, arguments)]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, start_new_session=True)
        ended = True
        try:
            output, _ = process.communicate(timeout=LIMIT)
        except subprocess.TimeoutExpired:
            ended = False
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
        if not ended:
            output, _ = process.communicate()
    if ended and process.returncode != 0:
        sys.exit(f"{ranks} ranks: smpirun ended with status {process.returncode}")
    return [tuple(line.rsplit(" ", 1)) for line in output.splitlines()], ended


def compare(build):
    for ranks, ranks_a_node, micro_batches in COMPARED:
        lines, _ = simulate(build, ranks, ranks_a_node, 100, ["bytes", 30_000, micro_batches])
        run = f"{ranks} ranks, {ranks_a_node} a node, {micro_batches} micro-batches, d = 30000"
        if lines != [(name, "same") for name in RESULTS * 2]:
            sys.exit(f"{run}: {lines}")
        print(f"{run}: the tree's bytes ({', '.join(RESULTS)})", flush=True)


def milliseconds(build, ranks, ranks_a_node, gbits, arguments, library="ompi"):
    lines, _ = simulate(build, ranks, ranks_a_node, gbits, arguments, library)
    return {name: float(value) * 1e3 for name, value in lines}


def number(value):
    return "–" if value is None else f"{value:.3g}" if value < 100 else f"{value:.0f}"


def fastest(times):
    """Returns the smallest of the times of the libraries that have one, as text and number."""
    known = {library: time for library, time in times.items() if time is not None}
    if not known:
        return "–", None
    library = min(known, key=known.get)
    return f"{number(known[library])} {library[0]}", known[library]


def total(times, *names):
    return sum(times[name] for name in names) if all(name in times for name in names) else None


def table(build, sizes):
    columns = "{:>5} {:>6} {:>8} {:>4}  {:>14} {:>10} {:>7} {:>7}  {:>9} {:>9} {:>6}"
    print(columns.format(
        "ranks", "a node", "d", "Gb/s", "reduce-scatter", "all-gather", "row", "agree", "native",
        "allreduce", "ratio"))
    for ranks in sizes:
        for ranks_a_node in RANKS_A_NODE:
            for d in PARAMETERS:
                for gbits in GBITS:
                    where = (build, ranks, ranks_a_node, gbits)
                    own = milliseconds(*where, ["times", d, ROWS])
                    libraries = {
                        library: milliseconds(*where, ["native", d], library)
                        for library in ("ompi", "mpich")}
                    native, native_ms = fastest({
                        library: total(times, "native reduce-scatter", "native all-gather")
                        for library, times in libraries.items()})
                    allreduce, allreduce_ms = fastest({
                        library: times.get("allreduce") for library, times in libraries.items()})
                    exchanges = total(own, "reduce-scatter", "all-gather")
                    rivals = [ms for ms in (native_ms, allreduce_ms) if ms is not None]
                    ratio = exchanges / min(rivals) if exchanges and rivals else None
                    print(columns.format(
                        ranks, ranks_a_node, f"{d:.2g}".replace("e+0", "e"), gbits,
                        number(own.get("reduce-scatter")), number(own.get("all-gather")),
                        number(own.get("row")), number(own.get("agree")), native, allreduce,
                        "–" if ratio is None else f"{ratio:.2f}"), flush=True)


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    build = pathlib.Path(sys.argv[1]).resolve()
    compare(build)
    print(
        f"\nms of simulated time; m = {ROWS}; {MESSAGE_SECONDS * 1e6:.1f} µs of CPU a message at "
        f"either end; {fat_tree.ROUTE_SECONDS * 1e6:.0f} µs over the longest route; one card a "
        f"node; {fat_tree.LOOPBACK_GBYTES} GB/s within a node; computation takes no time\n")
    table(build, [int(size) for size in sys.argv[2:]] or [16, 64])


if __name__ == "__main__":
    main()
