#!/usr/bin/env bash
# Compiles the communication code, as it is, against SimGrid's mpi.h in place of Open MPI's:
#
#   Tests/Simulation/build.sh DIRECTORY
#
# Only Buffers is another: its buffers may share their memory.
set -euo pipefail
mkdir -p "$1"
out=$(realpath "$1")
cd "$(dirname "$0")/../.."
here=Tests/Simulation

# The check of exclusive access keeps a list for each thread; here all ranks share one thread.
flags=(-O -wmo -swift-version 6 -parse-as-library -package-name mfac
  -enforce-exclusivity=unchecked -I "$out" -I $here -Xcc -I/usr/include/smpi)

compile() {
  local module=$1
  shift
  swiftc "${flags[@]}" -module-name "$module" -emit-module \
    -emit-module-path "$out/$module.swiftmodule" -c -o "$out/$module.o" "$@"
}

compile Buffers $here/Buffer.swift
compile Diagnostics Sources/Diagnostics/*.swift
compile FileRecords Sources/FileRecords/*.swift
compile Sharding Sources/Sharding/*.swift
compile MPI Sources/MPI/*.swift
swiftc "${flags[@]}" -module-name Simulation -emit-library -o "$out/simulation" \
  $here/Simulation.swift "$out"/*.o
