#!/usr/bin/env bash
# `make bench`: prints the figures of bench/, from an optimised build. Those of kc, of kc broker and of dialling are
# taken beside a real broker. What is not there (a package, Java, Go, a network to fetch them) costs only the rows that
# take it.
#
#   make bench                          all of them; kafka-c next to other clients (bench/run.py): against the sink, in
#                                       instructions, beside the real broker; at the end a table of targets
#   BENCH_TABLE=1 make bench            only kafka-c next to other clients, and that table
#   BENCH_COUNT=1 make bench            only the instructions that a message takes, next to librdkafka
#   BENCH_BROKER=HOST:PORT make bench   only messages per second against that Kafka, next to other clients
#   BENCH_ROUNDS=N                      how many rounds the comparisons take, 9 unless told: a third of that with a broker,
#                                       a fifth for counts, which hardly vary. BENCH_TABLE=1 takes about a minute a round
set -euo pipefail
cd "$(dirname "$0")/.."
rounds=${BENCH_ROUNDS:-9}
rounds_of() { # WHAT
  case $1 in sink) echo "$rounds" ;; broker) echo $(((rounds + 2) / 3)) ;; count) echo $(((rounds + 4) / 5)) ;; esac
}

title() { printf '== %s\n' "$*"; }
not_run() { printf '%s: not run: %s\n\n' "$1" "$2"; }

small_ones() { # each program of bench/ that takes nothing else
  local program
  for program in build/release/bench/*_bench; do
    case $(basename "$program") in dial_bench | broker_bench) continue ;; esac # beside the broker, below
    title "$(basename "$program")"
    "$program" || not_run "$(basename "$program")" "it failed"
  done
  title size
  size build/release/libkafka.so |
    awk 'NR == 2 {printf "text of libkafka.so: %d bytes (target 600 000: %s)\n", $1, $1 <= 600000 ? "met" : "MISSED"}'
}

compare() { # WHAT: kafka-c next to others; its targets go to a file for the last table
  bench/run.py "$1" --rounds "$(rounds_of "$1")" --json "$figures/$1.json" || not_run "run.py $1" "it failed"
}

beside_kafka() {
  if [ -z "${BENCH_TABLE:-}" ]; then
    title dial_bench
    build/release/bench/dial_bench || not_run dial_bench "it failed"
    title broker_bench
    build/release/bench/broker_bench build/release/cli/kc || not_run broker_bench "it failed"
    title cli_bench
    bench/cli_bench.sh build/release/cli/kc || not_run cli_bench "it failed"
  fi
  title clients beside Apache Kafka
  BENCH_BROKER=$KAFKA_BROKERS compare broker
}

if [ "${1:-}" = beside-kafka ]; then # by this script itself, under kafka.sh
  figures=$2
  beside_kafka
  exit
fi

tools/setup.sh build bench || echo "bench.sh: going on without what could not be installed" >&2
cmake --preset release > /dev/null
cmake --build --preset release > /dev/null
if [ -n "${BENCH_COUNT:-}" ]; then exec bench/run.py count --rounds "$(rounds_of count)"; fi
if [ -n "${BENCH_BROKER:-}" ]; then exec bench/run.py broker --rounds "$(rounds_of broker)"; fi

figures=$(mktemp -d)
trap 'rm -rf "$figures"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
[ -n "${BENCH_TABLE:-}" ] || small_ones
title clients against the sink
compare sink
title instructions
compare count
PORT=${PORT:-19492} tests/kafka/kafka.sh with tools/bench.sh beside-kafka "$figures" ||
  not_run "beside Apache Kafka" "tests/kafka/kafka.sh could not start one, or it failed; see above"
shopt -s nullglob
title targets
bench/run.py targets "$figures"/*.json
