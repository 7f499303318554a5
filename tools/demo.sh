#!/usr/bin/env bash
# `make demo`: the main job on real input. Starts a real Apache Kafka on loopback, creates a topic, produces a file's lines,
# consumes them again, and compares. Needs what tools/setup.sh demo installs; the first time Kafka's jars are fetched.
set -euo pipefail
cd "$(dirname "$0")/.."
kc=$PWD/build/release/cli/kc

if [ -z "${KAFKA_DEMO_INSIDE:-}" ]; then
  echo "Starting an Apache Kafka broker for the demo (the first time its jars are fetched, about 45 MB) ..."
  KAFKA_DEMO_INSIDE=1 PORT=${PORT:-19392} exec tests/kafka/kafka.sh with "$0"
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
input=$work/input.txt
git ls-files -z '*.c' '*.h' '*.md' | xargs -0 cat > "$input" 2>/dev/null || cat README.md > "$input"
show() { printf '\n$ %s\n' "$*"; }

echo "The broker answers at $KAFKA_BROKERS. The input is this repository's own source: $(wc -l < "$input") lines."
export KAFKA_BROKERS
show kc topics create demo -p 3
"$kc" topics create demo -p 3
show "kc produce -v -t demo -z zstd input.txt"
"$kc" produce -v -t demo -z zstd "$input"
show "kc topics describe demo"
"$kc" topics describe demo
show "kc consume -t demo -o beginning -e -f '%p %o %s\\n' | head -n 3"
"$kc" consume -t demo -o beginning -e -f '%p %o %s\n' | head -n 3
show "kc consume -t demo -o beginning -e > output.txt"
"$kc" consume -t demo -o beginning -e > "$work/output.txt"

sort "$input" > "$work/a"
sort "$work/output.txt" > "$work/b"
if cmp -s "$work/a" "$work/b"; then
  printf '\nEvery one of the %s lines came back.\n' "$(wc -l < "$input")"
else
  printf '\nThe lines that came back are not those that went in.\n' >&2
  exit 1
fi
