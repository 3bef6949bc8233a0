#!/usr/bin/env python3
"""Writes a platform for SimGrid, and the host of each rank:

    Tests/Simulation/fat_tree.py RANKS RANKS-A-NODE GBITS DIRECTORY

The nodes are joined by a fat tree of full bisection whose longest route takes 2 µs. Each node has
one card of GBITS Gb/s each way, which its ranks share. Within a node each message moves at 20 GB/s,
without delay.
"""
import pathlib
import sys

ROUTE_SECONDS = 2e-6
LOOPBACK_GBYTES = 20


def levels(nodes):
    """Returns the number of children at each level, from the nodes up: their product is `nodes`."""
    down = []
    for above in range(0 if nodes <= 32 else 1 if nodes <= 1024 else 2, 0, -1):
        largest = round(nodes ** (1 / (above + 1)))
        down.append(max(n for n in range(1, largest + 1) if nodes % n == 0))
        nodes //= down[-1]
    return down + [nodes]


def platform(nodes, gbits):
    down = levels(nodes)
    # A switch has as many links up as down, but for the highest ones.
    up = [1] + down[:-1]
    parallel = [1] * len(down)
    topology = ";".join(",".join(map(str, row)) for row in ([len(down)], down, up, parallel))
    return f"""<?xml version="1.0"?>
<!DOCTYPE platform SYSTEM "https://simgrid.org/simgrid.dtd">
<platform version="4.1">
  <cluster id="cluster" prefix="node" suffix="" radical="0-{nodes - 1}" speed="1Gf"
    bw="{gbits / 8}GBps" lat="{ROUTE_SECONDS / (2 * len(down))}s" sharing_policy="SPLITDUPLEX"
    topology="FAT_TREE" topo_parameters="{topology}"
    loopback_bw="{LOOPBACK_GBYTES}GBps" loopback_lat="0s"/>
</platform>
"""


def write(ranks, ranks_a_node, gbits, directory):
    """Writes platform.xml and hosts, and returns their paths."""
    assert ranks % ranks_a_node == 0, f"{ranks} ranks on nodes of {ranks_a_node}"
    nodes = ranks // ranks_a_node
    directory = pathlib.Path(directory)
    (directory / "platform.xml").write_text(platform(nodes, gbits))
    (directory / "hosts").write_text(
        "".join(f"node{rank // ranks_a_node}\n" for rank in range(ranks)))
    return directory / "platform.xml", directory / "hosts"


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    write(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), sys.argv[4])
