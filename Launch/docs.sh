#!/usr/bin/env bash
# Builds the documentation of the programs and the library, from a finished build:
#
#   Launch/docs.sh BUILD OUT
#
#   OUT/docs          the library, module by module: a web site (DocC)
#   OUT/man           a manual page for each program and subcommand
#   OUT/completions   for bash, zsh and fish
#
# It needs only the programs of the Swift toolchain.
set -euo pipefail
build=$1
out=$2
cd "$(dirname "$0")/.."

rm -rf "$out/man" "$out/completions" "$out/docs" "$out/graphs"
mkdir -p "$out/man" "$out/completions" "$out/graphs"
swiftc Launch/manual.swift -o "$out/manual"
day=$(git log -1 --format=%cs 2>/dev/null || date -I)
for directory in Sources/swift-mfac-*; do
  program=$(basename "$directory")
  "$build/$program" --experimental-dump-help |
    "$out/manual" "$("$build/$program" --version)" "$(LC_ALL=C date -d "$day" '+%B %-d, %Y')" \
      "$out/man"
  "$build/$program" --generate-completion-script bash >"$out/completions/$program"
  "$build/$program" --generate-completion-script zsh >"$out/completions/_$program"
  "$build/$program" --generate-completion-script fish >"$out/completions/$program.fish"
done

# The manual's links are those of Markdown, for its readers in the repository. DocC has its own, and
# would lose a page that has the name of a module: here each page is NAMEGuide.
rm -rf "$out/MFAC.docc"
cp -r Sources/MFAC/MFAC.docc "$out"
sed -Ei 's/\]\((\w+)\.md\)/](doc:\1Guide)/g; s/\]\(Resources\//](/g' "$out"/MFAC.docc/*.md
for page in "$out"/MFAC.docc/*.md; do
  [ "${page##*/}" = MFAC.md ] || mv "$page" "${page%.md}Guide.md"
done

Launch/symbols.sh "$build" "$out/graphs"
docc convert "$out/MFAC.docc" --additional-symbol-graph-dir "$out/graphs" \
  --fallback-display-name MFAC --fallback-bundle-identifier swift-mfac \
  --disable-parameters-and-returns-validation --warnings-as-errors --output-path "$out/docs"
