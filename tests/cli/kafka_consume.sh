#!/usr/bin/env bash
# kc consume against a real broker.
source "$(dirname "$0")/assert.sh"

it "begins where it is told: beginning, end, N, -N, a time"
new_topic offsets -p 1
seq 0 9 | kc produce -t "$topic"
run kc consume -t "$topic" -e -D ' '
expect "$(cat "$out")" = '0 1 2 3 4 5 6 7 8 9 '
for pair in 'beginning:0 1 2 3 4 5 6 7 8 9 ' 'end:' '7:7 8 9 ' '10:' '-2:8 9 ' '-50:0 1 2 3 4 5 6 7 8 9 ' \
  '@0:0 1 2 3 4 5 6 7 8 9 ' '@2100-01-01T00:00Z:'; do
  run kc consume -t "$topic" -e -D ' ' -o "${pair%:*}"
  expect_code 0
  expect "$(cat "$out")" = "${pair##*:}"
done

it "says what there is when an offset is outside of the partition"
run kc consume -t "$topic" -e -o 11
expect_code 1
expect_err "kc consume: cannot read partition 0 of topic $topic from offset 11: it holds 0 to 9
    begin elsewhere: -o beginning, -o end, -o -N for the last N"

it "finds a position by time"
new_topic times -p 1
kc produce -t "$topic" <<<early
stamp=$(kc consume -t "$topic" -e -f %T)
until [ "$(date +%s%3N)" -gt "$((stamp + 5))" ]; do :; done
kc produce -t "$topic" <<<late
late=$(kc consume -t "$topic" -e -o 1 -f %T)
expect "$late" -gt "$stamp"
run kc consume -t "$topic" -e -o "@$((stamp + 1))"
expect_out late
run kc consume -t "$topic" -e -o "@$(date -u -d "@$((late / 1000))" +%Y-%m-%dT%H:%M:%S).$(printf %03d $((late % 1000)))Z"
expect_out late

it "stops at the end that the partition had, and after N messages"
new_topic stop -p 3
seq 1 1000 | kc produce -t "$topic" -p 0
seq 1001 2000 | kc produce -t "$topic" -p 1
run kc consume -t "$topic" -e
sort -n "$out" >"$work/sorted"
seq 1 2000 | cmp - "$work/sorted" || fail 'other messages'
for n in 1 7 1000 1999 2000; do
  run kc consume -t "$topic" -c "$n"
  expect_code 0
  expect "$(wc -l <"$out")" = "$n"
done
run kc consume -t "$topic" -e -c 5000
expect "$(wc -l <"$out")" = 2000

it "reads the partitions it is told, in any way of saying it"
for option in '-p 1' '-p 1,2' '-p 1-2' '-p 2 -p 1'; do
  # shellcheck disable=SC2086
  run kc consume -t "$topic" -e $option
  seq 1001 2000 | cmp - "$out" || fail "other messages with $option"
done
run kc consume -t "$topic" -e -p 0,3
expect_code 1
expect_err "kc consume: topic $topic has no partition 3: it has 3, from 0"

it "waits for what comes"
new_topic follow -p 2
"$KC" consume -t "$topic" -c 3 >"$work/followed" 2>"$err" &
pid=$!
for i in 1 2 3; do kc produce -t "$topic" <<<"line $i"; done
wait $pid
code=$?
expect_code 0
expect "$(sort "$work/followed" | xargs)" = 'line 1 line 2 line 3'

it "prints keys, headers, nulls, and what a format says"
new_topic print -p 1
printf 'k:v\nw\n' | kc produce -t "$topic" -k : -H a=1 -H b
printf '\n' | kc produce -t "$topic" -Z
run kc consume -t "$topic" -e -k =
expect_out 'k=v
=w
='
run kc consume -t "$topic" -e -HZ -k =
expect_out "$(printf 'a=1,b=NULL\tk=v\na=1,b=NULL\tNULL=w\n\tNULL=NULL')"
run kc consume -t "$topic" -e -f '%t[%p]@%o %K %S %%\x21\n'
expect_out "${topic}[0]@0 1 1 %!
${topic}[0]@1 -1 1 %!
${topic}[0]@2 -1 -1 %!"

it "prints JSON that programs understand, binary values too"
new_topic json -p 1
printf 'gr\xc3\xbc\xc3\x9fe:"quoted"\nbin\xff:\0\xfe\n' | kc produce -t "$topic" -k : -H n=v
run kc consume -t "$topic" -e --json
expect_code 0
expect "$(wc -l <"$out")" = 2
# shellcheck disable=SC2016  # Python's
python3 - "$out" "$topic" >"$work/check" 2>&1 <<'PYTHON' || fail "$(cat "$work/check")"
import base64, json, sys
first, second = [json.loads(line) for line in open(sys.argv[1], encoding="utf-8")]
assert list(first) == ["topic", "partition", "offset", "timestamp", "timestamp_type", "headers", "key", "value"], first
assert (first["topic"], first["partition"], first["offset"]) == (sys.argv[2], 0, 0)
assert (first["key"], first["value"], first["headers"]) == ("grüße", '"quoted"', [{"name": "n", "value": "v"}])
assert first["timestamp"] > 1700000000000 and first["timestamp_type"] == "create"
assert second["key_encoding"] == second["value_encoding"] == "base64"
assert base64.b64decode(second["key"]) == b"bin\xff" and base64.b64decode(second["value"]) == b"\0\xfe"
PYTHON

it "reads what others wrote: every codec of Java's producer, and kcat's headers if it is there"
for codec in gzip snappy lz4 zstd; do
  new_topic "java-$codec" -p 1
  seq 1 5000 | "$here/../kafka/kafka.sh" run org.apache.kafka.tools.ConsoleProducer --bootstrap-server "$KAFKA_BROKERS" \
    --topic "$topic" --compression-codec $codec >/dev/null 2>"$err" || fail 'ConsoleProducer failed'
  run kc consume -t "$topic" -e
  seq 1 5000 | cmp - "$out" || fail "other messages with $codec"
done
if type -P kcat >/dev/null; then
  new_topic kcat -p 1
  printf 'k:v\n' | kcat -b "$KAFKA_BROKERS" -P -t "$topic" -K : -H one=1 -H two=2 -z snappy 2>"$err" || fail 'kcat failed'
  run kc consume -t "$topic" -e -Hk :
  expect_out "$(printf 'one=1,two=2\tk:v')"
fi

it "prints formats as kcat does, byte for byte, if it is there"
if type -P kcat >/dev/null; then
  new_topic format -p 1
  printf 'k:v\nno key\n:empty key\nq:\n' | kc produce -t "$topic" -k : -H a=1 -H b=2
  printf '\n' | kc produce -t "$topic" -Z
  format='%t %p %o %k %K %s %S %R %T %h %%\n\x41\t|'
  run kc consume -t "$topic" -e -f "$format"
  kcat -q -b "$KAFKA_BROKERS" -C -t "$topic" -e -f "$format" >"$work/kcat" 2>"$err" || fail 'kcat failed'
  expect_same "$out" "$work/kcat"
fi

it "delivers a message of ten megabytes whole, with every codec"
new_topic large -p 1 --config max.message.bytes=30000000
head -c 7500000 /dev/urandom | base64 -w 0 >"$work/large"
for codec in none gzip snappy lz4 zstd; do
  case " none $(kc --version | sed -n 's/^built in: //p') " in *" $codec "*) ;; *) continue ;; esac
  run kc produce -t "$topic" -z "$codec" "$work/large"
  expect_code 0
  run kc consume -t "$topic" -e -o -1 -f %s
  expect_same "$work/large" "$out"
done

it "ends quietly when the reader of its output goes away, also while nothing comes"
new_topic head -p 2
seq 1 300000 | kc produce -t "$topic"
{ timeout 100 "$KC" consume -t "$topic"; echo "code $?" >"$work/code"; } 2>"$err" | head -n 2 >"$out"
expect "$(wc -l <"$out")" = 2
expect "$(cat "$work/code")" = 'code 0'
expect_err ''
{ timeout 100 "$KC" consume -t "$topic" -o end; echo "code $?" >"$work/code"; } 2>"$err" | :
expect "$(cat "$work/code")" = 'code 0'
expect_err ''

it "says so when the output cannot be written"
timeout 100 "$KC" consume -t "$topic" >/dev/full 2>"$err"
code=$?
expect_code 1
expect_err 'kc consume: cannot write the output: No space left on device'
finish
