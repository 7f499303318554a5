#!/usr/bin/env bash
# kc beside kcat, with a million messages of 100 bytes and the broker at KAFKA_BROKERS: user CPU and wall time, medians of runs
# that take turns, so that both see the same machine. The target is half of kcat's user CPU.
#
#   cli_bench.sh KC [RUNS]
set -euo pipefail
kc=$(readlink -f "$1") runs=${2:-5}
: "${KAFKA_BROKERS:?is not set: tests/kafka/kafka.sh with runs this beside a broker}"
command -v kcat > /dev/null || { echo "cli_bench: kcat is missing (Debian: kcat): nothing to compare with"; exit 0; }
work=$(mktemp -d)
trap 'rm -rf "$work"; "$kc" topics delete -q --if-exists bench bench-in > /dev/null 2>&1 || true' EXIT
export LC_ALL=C TIMEFORMAT='%U %R'

lines=1000000
awk -v n=$lines 'BEGIN {
  for (i = 0; i < 97; i++) pad = pad substr("abcdefghijklmnopqrstuvwxyz0123456789", int(i * 7 % 36) + 1, 1)
  for (i = 0; i < n; i++) { s = i " " pad; print substr(s, 1, 100) }
}' > "$work/lines"

timed() { # NAME COMMAND...: notes user CPU and wall time
  local name=$1
  shift
  { time "$@" 2> "$work/err"; } 2>> "$work/$name" || { cat "$work/err" >&2; exit 1; }
}
median() { sort -n | sed -n "$(((runs + 1) / 2))p"; }
column() { awk -v c="$2" '{print $c}' "$work/$1" | median; }

report() { # WHAT KC KCAT
  local u v w x
  u=$(column "$2" 1) v=$(column "$3" 1) w=$(column "$2" 2) x=$(column "$3" 2)
  awk -v what="$1" -v u="$u" -v v="$v" -v w="$w" -v x="$x" -v runs="$runs" 'BEGIN {
    printf "%s, 1 000 000 x 100 B, median of %d runs\n", what, runs
    printf "  user CPU   kc %.2f s   kcat %.2f s   ratio %.2f   (target 0.50: %s)\n", u, v, u / v, u / v <= 0.5 ? "met" : "MISSED"
    printf "  wall time  kc %.2f s   kcat %.2f s   ratio %.2f\n", w, x, w / x
  }'
}

fresh_topic() { # the runs before leave nothing behind, neither on the disk nor in the broker
  "$kc" topics delete -q --if-exists "$1" > /dev/null
  local give_up=$((SECONDS + 30))
  until "$kc" topics create -q -p 1 --config file.delete.delay.ms=0 "$1" 2> /dev/null; do
    ((SECONDS < give_up)) || { echo "cli_bench: cannot create topic $1"; exit 1; }
  done
}
holds_all() { # TOPIC: a run that loses something is none
  [ "$("$kc" offsets "$1" | awk '{print $5}')" = $lines ] || { echo "cli_bench: topic $1 does not hold $lines messages"; exit 1; }
}

fresh_topic bench
"$kc" produce -q -t bench "$work/lines"
holds_all bench
consume_kc() { "$kc" consume -q -t bench -e > /dev/null; }
consume_kcat() { kcat -C -q -e -b "$KAFKA_BROKERS" -t bench > /dev/null; }
# Warm, and seen to print what was written.
"$kc" consume -q -t bench -e | cmp -s - "$work/lines" || { echo "cli_bench: kc consume prints something else"; exit 1; }
kcat -C -q -e -b "$KAFKA_BROKERS" -t bench | cmp -s - "$work/lines" || { echo "cli_bench: kcat prints something else"; exit 1; }
for ((i = 0; i < runs; i++)); do
  timed consume-kc consume_kc
  timed consume-kcat consume_kcat
done
report 'kc consume > /dev/null beside kcat -C -q -e' consume-kc consume-kcat

produce_kc() { "$kc" produce -q -t bench-in < "$work/lines"; }
produce_kcat() { kcat -P -b "$KAFKA_BROKERS" -t bench-in < "$work/lines"; }
for ((i = 0; i < runs; i++)); do
  for tool in kc kcat; do
    fresh_topic bench-in
    timed produce-$tool produce_$tool
    holds_all bench-in
  done
done
report 'kc produce beside kcat -P' produce-kc produce-kcat
