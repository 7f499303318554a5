#!/usr/bin/env bash
# `make bench`: prints the figures of bench/, from an optimised build. Those of kc, of kc broker and of dialling are taken beside a real broker.
set -euo pipefail
cd "$(dirname "$0")/.."
tools/setup.sh build bench
cmake --preset release > /dev/null
cmake --build --preset release > /dev/null
for program in build/release/bench/*_bench; do
  case $(basename "$program") in dial_bench | broker_bench) continue ;; esac # beside the broker, below
  printf '== %s\n' "$(basename "$program")"
  "$program"
done
printf '== size\n'
size build/release/libkafka.so | awk 'NR == 2 {printf "text of libkafka.so: %d bytes (target 600 000: %s)\n", $1, $1 <= 600000 ? "met" : "MISSED"}'
PORT=${PORT:-19492} tests/kafka/kafka.sh with bash -c '
  printf "== dial_bench\n" && build/release/bench/dial_bench &&
  printf "== broker_bench\n" && build/release/bench/broker_bench build/release/cli/kc &&
  printf "== cli_bench\n" && bench/cli_bench.sh build/release/cli/kc'
