#!/usr/bin/env bash
# `make bench`: prints the figures of bench/, from an optimised build. Those of kc, of kc broker and of dialling are taken beside a
# real broker.
#
#   make bench                          all of them, and kafka-c next to other clients (bench/run.py): against the sink, then beside
#                                       the real broker
#   BENCH_COUNT=1 make bench            only the instructions that a message takes, next to librdkafka
#   BENCH_BROKER=HOST:PORT make bench   only messages per second against that Kafka, next to other clients
#   BENCH_ROUNDS=N                      how many rounds the comparisons take, 9 unless told (3 with a broker and for counts)
set -euo pipefail
cd "$(dirname "$0")/.."
tools/setup.sh build bench
cmake --preset release > /dev/null
cmake --build --preset release > /dev/null
rounds=(${BENCH_ROUNDS:+--rounds "$BENCH_ROUNDS"})
if [ -n "${BENCH_COUNT:-}" ]; then exec bench/run.py count "${rounds[@]}"; fi
if [ -n "${BENCH_BROKER:-}" ]; then exec bench/run.py broker "${rounds[@]}"; fi
for program in build/release/bench/*_bench; do
  case $(basename "$program") in dial_bench | broker_bench) continue ;; esac # beside the broker, below
  printf '== %s\n' "$(basename "$program")"
  "$program"
done
printf '== size\n'
size build/release/libkafka.so | awk 'NR == 2 {printf "text of libkafka.so: %d bytes (target 600 000: %s)\n", $1, $1 <= 600000 ? "met" : "MISSED"}'
printf '== clients against the sink\n'
bench/run.py sink "${rounds[@]}"
PORT=${PORT:-19492} tests/kafka/kafka.sh with bash -c '
  printf "== dial_bench\n" && build/release/bench/dial_bench &&
  printf "== broker_bench\n" && build/release/bench/broker_bench build/release/cli/kc &&
  printf "== cli_bench\n" && bench/cli_bench.sh build/release/cli/kc &&
  printf "== clients against Apache Kafka\n" && BENCH_BROKER=$KAFKA_BROKERS bench/run.py broker "$@"' bench "${rounds[@]}"
