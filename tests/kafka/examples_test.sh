#!/usr/bin/env bash
# The programs of examples/ do against a real broker what is said of them. Address and topic are the only things that are changed.
#
#   examples_test.sh SOURCE_DIR BUILD_DIR      inside `kafka.sh with`
set -euo pipefail
source=$1 build=$2
[ -n "${KAFKA_BROKERS:-}" ] || { echo "KAFKA_BROKERS is not set: run it as: tests/kafka/kafka.sh with ctest -L kafka" >&2; exit 1; }
work=$(mktemp -d)
reader=
trap '[ -z "$reader" ] || kill "$reader" 2> /dev/null || true; rm -rf "$work"' EXIT
topic=examples-$$-$RANDOM
fail() { echo "examples_test: $*" >&2; exit 1; }

cmake --install "$build" --prefix "$work/prefix" > /dev/null
PKG_CONFIG_PATH=$(dirname "$(find "$work/prefix" -name libkafka.pc)")
LD_LIBRARY_PATH=$(dirname "$PKG_CONFIG_PATH")
export PKG_CONFIG_PATH LD_LIBRARY_PATH
for program in produce consume event_loop; do
  sed "s/localhost:9092/$KAFKA_BROKERS/; s/\"greetings\"/\"$topic\"/" "$source/examples/$program.c" > "$work/$program.c"
  # shellcheck disable=SC2046
  cc "$work/$program.c" -o "$work/$program" $(pkg-config --cflags --libs libkafka)
done

"$work/produce" 2> "$work/error" && fail "produce succeeds although the topic is missing"
grep -q "$topic" "$work/error" || fail "produce does not name the missing topic: $(cat "$work/error")"
"$work/prefix/bin/kc" topics create "$topic" > /dev/null
"$work/prefix/bin/kc" consume -t "$topic" -e > /dev/null # until the leader of the new partition answers
"$work/produce"
mkfifo "$work/out"
stdbuf -oL "$work/consume" > "$work/out" 2> "$work/error" &
reader=$!
disown "$reader"
"$work/produce"
exec 3< "$work/out"
read -r -t 30 first <&3 || fail "consume printed nothing in 30 s: $(cat "$work/error")"
[ "$first" = "0: hello" ] || fail "consume printed \"$first\""
kill "$reader"
reader=

# What is typed comes back: the input stays open until it has.
mkfifo "$work/typed"
"$work/event_loop" < "$work/typed" > "$work/echo" 2> "$work/error" &
reader=$!
exec 4> "$work/typed"
printf 'one\ntwo\n' >&4
for _ in $(seq 300); do
  [ "$(wc -l < "$work/echo")" -ge 2 ] && break
  kill -0 "$reader" 2> /dev/null || fail "event_loop ended: $(cat "$work/error")"
  sleep 0.1
done
exec 4>&- # the end of its input is the end of the program
wait "$reader" || fail "event_loop failed: $(cat "$work/error")"
reader=
[ "$(sed 's/^[0-9]*: //' "$work/echo" | tr '\n' ' ')" = "one two " ] || fail "event_loop printed \"$(cat "$work/echo")\""

# Writers: what they say they have written lies in the log.
expect_in_log() { # TOPIC COUNT
  local found
  found=$("$work/prefix/bin/kc" consume -t "$1" -e | wc -l)
  [ "$found" = "$2" ] || fail "$1 has $found messages, not $2"
}
for program in write_sync write_async write_keyed write_threads write_event_loop; do
  # shellcheck disable=SC2046
  cc -pthread "$source/examples/$program.c" -o "$work/$program" $(pkg-config --cflags --libs libkafka)
  "$work/prefix/bin/kc" topics create "$topic-$program" -p 3 > /dev/null
done
seq 250 | "$work/write_sync" "$KAFKA_BROKERS" "$topic-write_sync"
expect_in_log "$topic-write_sync" 250
[ "$("$work/write_async" "$KAFKA_BROKERS" "$topic-write_async")" = "100000 written, 0 failed" ] || fail "write_async"
expect_in_log "$topic-write_async" 100000
"$work/write_keyed" "$KAFKA_BROKERS" "$topic-write_keyed"
expect_in_log "$topic-write_keyed" 10
"$work/write_threads" "$KAFKA_BROKERS" "$topic-write_threads" > "$work/out_threads"
expect_in_log "$topic-write_threads" 8000
[ "$("$work/write_event_loop" "$KAFKA_BROKERS" "$topic-write_event_loop" | grep -c '^partition')" = 20 ] || fail "write_event_loop"
expect_in_log "$topic-write_event_loop" 20
echo "ok: produce.c, consume.c, event_loop.c and write_*.c"
