#!/usr/bin/env bash
# `make bench`: prints the figures of bench/, from an optimised build.
set -euo pipefail
cd "$(dirname "$0")/.."
cmake --preset release > /dev/null
cmake --build --preset release > /dev/null
for program in build/release/bench/*_bench; do
  printf '== %s\n' "$(basename "$program")"
  "$program"
done
