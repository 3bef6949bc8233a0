#!/usr/bin/env bash
# Writes the symbol graphs of the library's modules, with their documentation, from a finished
# build:
#
#   Launch/symbols.sh BUILD DIRECTORY
#
# `swift package dump-symbol-graph` would do the same after its own build, which takes minutes.
set -euo pipefail
build=$1
directory=$2
cd "$(dirname "$0")/.."

flags=(-I "$build/Modules" -I .build/checkouts/Yams/Sources/CYaml/include)
for map in "$build"/*.build/module.modulemap Sources/*/module.modulemap; do
  flags+=(-Xcc "-fmodule-map-file=$map")
done
for flag in $(pkg-config --cflags ompi-c openblas); do flags+=(-Xcc "$flag"); done
target=$(swiftc -print-target-info | sed -n 's/^ *"unversionedTriple": "\(.*\)",$/\1/p')
mapfile -t modules < <(sed -n 's/^@_exported import //p' Sources/MFAC/MFAC.swift)
for module in "${modules[@]}"; do
  swift-symbolgraph-extract -module-name "$module" "${flags[@]}" -target "$target" \
    -minimum-access-level public -skip-synthesized-members -output-dir "$directory"
done
