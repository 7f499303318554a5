#!/usr/bin/env bash
# `make demo`: a file goes into a Kafka and comes back, though a broker fails in between.
#
#   demo.sh           with three brokers in memory (kc broker): nothing but this repository is needed
#   demo.sh real      with a real Apache Kafka; the first time its jars are fetched (tools/setup.sh demo installs Java)
#
# KC is the kc to use, TIMES how often the repository's source is taken as input.
set -euo pipefail
cd "$(dirname "$0")/.."
kc=${KC:-$PWD/build/release/cli/kc}
what=${1:-memory}

if [ "$what" = real ] && [ -z "${KAFKA_DEMO_INSIDE:-}" ]; then
  echo "Starting an Apache Kafka broker for the demo (the first time its jars are fetched, about 45 MB) ..."
  KAFKA_DEMO_INSIDE=1 PORT=${PORT:-19392} exec tests/kafka/kafka.sh with "$0" real
fi

work=$(mktemp -d)
broker=
leave() {
  [ -z "$broker" ] || kill "$broker" 2> /dev/null || true
  rm -rf "$work"
}
trap leave EXIT
bold='' dim='' plain=''
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then bold=$'\e[1m' dim=$'\e[2m' plain=$'\e[0m'; fi
title() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }
show() { printf '%s$ %s%s\n' "$dim" "$*" "$plain"; }
began=$SECONDS

# ---- the input: this repository's source, its lines numbered, so that none can be lost or doubled without being missed ---------

input=$work/input.txt
for ((i = 0; i < ${TIMES:-30}; i++)); do cat README.md src/*/*.[ch] include/kafka/*.h tests/*/*.[ch]; done | awk '{print NR ": " $0}' > "$input"
lines=$(wc -l < "$input")

# ---- a cluster -----------------------------------------------------------------------------------------------------------------

if [ "$what" = memory ]; then
  title "Three Kafka brokers, in memory"
  show "kc broker --brokers 3 --control control &"
  "$kc" broker --brokers 3 --control "$work/control" > "$work/address" &
  broker=$!
  for ((i = 0; i < 6000; i++)); do
    [ ! -s "$work/address" ] && kill -0 "$broker" 2> /dev/null || break
    sleep 0.01
  done
  read -r KAFKA_BROKERS < "$work/address" || { echo "demo: kc broker does not start" >&2; exit 1; }
  echo "$KAFKA_BROKERS"
fi
export KAFKA_BROKERS
show "export KAFKA_BROKERS=$KAFKA_BROKERS"

title "A topic"
replication=1
[ "$what" = real ] || replication=3
show "kc topics create demo --partitions 3 --replication-factor $replication"
"$kc" topics create demo -p 3 -r $replication

title "$lines lines go in ($(du -h "$input" | cut -f 1), this repository's source)"
show "kc produce -t demo input.txt"
"$kc" produce -v -t demo "$input"
show "kc topics describe demo"
"$kc" topics describe demo

# ---- a broker fails --------------------------------------------------------------------------------------------------------------

if [ "$what" = memory ]; then
  title "Broker 1, a leader, fails"
  show "kc broker --control control stop 1"
  "$kc" broker --control "$work/control" stop 1
  show "kc topics describe demo"
  "$kc" topics describe demo
  show "echo 'a line written meanwhile' | kc produce -t demo"
  echo 'a line written meanwhile' | tee -a "$input" | "$kc" produce -t demo
  lines=$((lines + 1))
fi

# ---- all of it comes back ----------------------------------------------------------------------------------------------------------

title "The lines come back"
show "kc consume -t demo -o beginning -e -f '%p %o %s\\n' | head -n 3"
"$kc" consume -q -t demo -o beginning -e -f '%p %o %s\n' | head -n 3
show "kc consume -t demo -o beginning -e > output.txt"
"$kc" consume -t demo -o beginning -e > "$work/output.txt"

show "diff <(sort input.txt) <(sort output.txt)"
export LC_ALL=C
if ! cmp -s <(sort "$input") <(sort "$work/output.txt"); then
  printf '\nThe lines that came back are not those that went in.\n' >&2
  exit 1
fi

if [ "$what" = memory ]; then
  title "Broker 1 is back"
  show "kc broker --control control start 1"
  "$kc" broker --control "$work/control" start 1
  show "kc meta"
  "$kc" meta
  kill -INT "$broker"
  wait "$broker" || { echo "demo: kc broker ends with $?" >&2; exit 1; }
  broker=
fi
title "Every one of the $lines lines came back, in $((SECONDS - began)) seconds."
[ "$what" = real ] || echo "Next: kc --help, README.md; tools/demo.sh real does this with a real Apache Kafka."
