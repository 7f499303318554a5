#!/usr/bin/env bash
# kc produce against a real broker; what arrived is read back with kc consume, and keys are compared with Java's.
source "$(dirname "$0")/assert.sh"
read_back() { kc consume -t "$topic" -e "$@" >"$work/back" 2>"$err"; code=$?; expect_code 0; }

it "writes the lines of a file, and they come back as they were"
new_topic lines -p 1
seq 1 20000 | sed 's/$/ some text/' >"$work/lines"
run kc produce -t "$topic" "$work/lines"
expect_code 0
expect_out ''
expect_err ''
read_back
expect_same "$work/lines" "$work/back"

it "takes any byte but the delimiter: NUL, CR, invalid UTF-8, empty lines, no newline at the end"
new_topic binary -p 1
{ printf 'a\0b\r\n\n\n\xff\xfe\n'; head -c 300000 /dev/urandom | tr -d '\n'; printf '\nlast'; } >"$work/binary"
run_with "$work/binary" kc produce -t "$topic" -v
expect_code 0
expect_err_has '6 messages acknowledged'
read_back
echo >>"$work/binary"
expect_same "$work/binary" "$work/back"

it "cuts at other delimiters, and takes a whole file as one message"
new_topic delimiters -p 1
printf 'x\ny\0z\0' >"$work/in"
run_with "$work/in" kc produce -t "$topic" -D '\0'
run_with "$work/in" kc produce -t "$topic" -D ''
run_with "$work/in" kc produce -t "$topic" -D '\ny'
read_back -f '%s|' -o 0
printf 'x\ny|z|x\ny\0z\0|x|\0z\0|' | cmp - "$work/back" || fail 'other messages'

it "reads files one after another, and standard input for -"
new_topic files -p 1
echo one >"$work/1"
printf two >"$work/2"
echo three >"$work/3"
run_with "$work/3" kc produce -t "$topic" "$work/1" "$work/2" - "$work/1"
read_back -D ,
expect "$(cat "$work/back")" = one,two,three,one,

it "splits keys, tells null from empty, adds headers"
new_topic parts -p 1
printf 'k:v\n:no key text\nnone\nk2:\n\na:b:c\n' >"$work/in"
run_with "$work/in" kc produce -t "$topic" -k : -H h=1 -H empty= -H null -H h=2
read_back -f '%K/%k/%S/%s/%h;' -Z
expect "$(cat "$work/back")" = "$(h='h=1,empty=,null=NULL,h=2'
  printf '%s' "1/k/1/v/$h;0//11/no key text/$h;-1/NULL/4/none/$h;2/k2/0//$h;-1/NULL/0//$h;1/a/3/b:c/$h;")"
run_with "$work/in" kc produce -t "$topic" -k : -Z
read_back -f '%K %S;' -o 6
expect "$(cat "$work/back")" = '1 1;-1 11;-1 4;2 -1;-1 -1;1 3;'

it "puts keys where Java's producer puts them"
new_topic java -p 7
java_topic=$topic
new_topic keys -p 7
for i in $(seq 1 500); do echo "key-$((i * i))-ü:$i"; done >"$work/keyed"
run_with "$work/keyed" kc produce -t "$topic" -k :
expect_code 0
"$here/../kafka/kafka.sh" run org.apache.kafka.tools.ConsoleProducer --bootstrap-server "$KAFKA_BROKERS" \
  --topic "$java_topic" --reader-property parse.key=true --reader-property key.separator=: \
  <"$work/keyed" >/dev/null 2>"$err" || fail 'ConsoleProducer failed'
for t in "$topic" "$java_topic"; do kc consume -t "$t" -e -f '%k %p\n' | sort >"$work/$t"; done
expect "$(wc -l <"$work/$topic")" = 500
expect_same "$work/$topic" "$work/$java_topic"

it "puts keys where kcat puts them with librdkafka's partitioners"
for partitioner in consistent consistent_random murmur2 murmur2_random; do
  new_topic "kcat-$partitioner" -p 7
  kcat_topic=$topic
  new_topic "kc-$partitioner" -p 7
  kcat -P -b "$KAFKA_BROKERS" -t "$kcat_topic" -K : -X partitioner=$partitioner <"$work/keyed" 2>"$err" || fail 'kcat failed'
  run_with "$work/keyed" kc produce -t "$topic" -k : --partitioner $partitioner
  expect_code 0
  for t in "$topic" "$kcat_topic"; do kc consume -t "$t" -e -f '%k %p\n' | sort >"$work/$t"; done
  expect "$(wc -l <"$work/$topic")" = 500
  expect_same "$work/$topic" "$work/$kcat_topic"
done

it "spreads messages without a key over all partitions, many at a time"
new_topic spread -p 4
seq 1 400000 | sed 's/$/ a line of text/' >"$work/in"
run_with "$work/in" kc produce -t "$topic"
kc consume -t "$topic" -e -f '%p\n' | sort | uniq -c | awk '{ print $2 }' | xargs >"$out"
expect_out '0 1 2 3'
kc consume -t "$topic" -e | sort -n | cmp - "$work/in" || fail 'other messages'

it "writes to one partition when told"
new_topic one -p 3
run_with "$work/1" kc produce -t "$topic" -p 2
read_back -f '%p %s'
expect "$(cat "$work/back")" = '2 one'
run_with "$work/1" kc produce -t "$topic" -p 3
expect_code 1
expect_err "kc produce: topic $topic has no partition 3: it has 3, from 0"

it "compresses with every codec that is built in"
for codec in none $(kc --version | sed -n 's/^built in: //p'); do
  case $codec in none | gzip | snappy | lz4 | zstd) ;; *) continue ;; esac
  new_topic "$codec" -p 1
  run kc produce -t "$topic" -z "$codec" "$work/lines"
  expect_code 0
  read_back
  expect_same "$work/lines" "$work/back"
  dump=$("$here/../kafka/kafka.sh" log-dir "$topic" 0)/00000000000000000000.log
  "$here/../kafka/kafka.sh" run org.apache.kafka.tools.DumpLogSegments --files "$dump" >"$work/dump" 2>"$err"
  grep -q "compresscodec: $codec" "$work/dump" || fail "no batch with $codec"
done

it "writes with every kind of acknowledgement, and reports where each message is"
for acks in all one none; do
  new_topic "acks-$acks" -p 3
  run kc produce -t "$topic" --acks $acks --report "$work/lines"
  expect_code 0
  expect "$(wc -l <"$out")" = 20000
  [ $acks = none ] || { sort -n "$out" | cut -d ' ' -f 1-3 >"$work/reported"
    kc consume -t "$topic" -e -f '%s %p %o\n' | sort -n | sed 's/ some text//' | cmp - "$work/reported" || fail 'other places'; }
done
arrived_all() { [ "$(kc consume -t "$topic" -e | wc -l)" = 20000 ]; }
eventually arrived_all

it "stops after N messages"
new_topic count -p 1
run kc produce -t "$topic" -c 3 "$work/lines"
expect_code 0
read_back
head -n 3 "$work/lines" | cmp - "$work/back" || fail 'other messages'

arrived() { kc consume -t "$topic" -e | grep -qx "$1"; }
it "sends a line at once when the input pauses"
new_topic pause -p 2
mkfifo "$work/fifo"
kc produce -t "$topic" <"$work/fifo" 2>"$work/produce.err" &
pid=$!
exec 7>"$work/fifo"
for word in first second third; do
  echo $word >&7
  eventually arrived $word
done
exec 7>&-
wait $pid
code=$?
expect_code 0

it "sends a message above 1 MiB alone, and reports the refusal well"
new_topic large -p 1 --config max.message.bytes=3000000
{ echo before; head -c 2000000 /dev/zero | tr '\0' x; echo; echo after; } >"$work/large"
run_with "$work/large" kc produce -t "$topic"
expect_code 0
read_back
expect_same "$work/large" "$work/back"
new_topic refused -p 1
run_with "$work/large" kc produce -t "$topic"
expect_code 1
expect_err_has 'max.message.bytes'
expect_err_has 'it was message 2, of 2.0 MB'
expect_err_has '2 messages acknowledged, 1 failed'
read_back
expect "$(xargs <"$work/back")" = 'before after'

it "shows no progress in a pipe, and shows it on a terminal, for long work only"
new_topic progress -p 1
run_with "$work/lines" kc produce -t "$topic"
expect_err ''
feed="until grep -q 'messages written' $out; do echo x; sleep 0.05; done"
timeout 60 script -qfec "$feed | $KC produce -t $topic" /dev/null >"$out" 2>&1 </dev/null
grep -qE $'\r[0-9]+ messages written, [0-9]+ bytes, ' "$out" || fail 'no progress line'
grep -qE 'kc produce: [0-9]+ messages written, .* s' "$out" || fail 'no summary at the end'
quiet_when_short() { # it is short at once, or when the machine has time
  script -qec "$KC produce -t $topic $work/1" /dev/null >"$out" 2>&1 </dev/null && ! test -s "$out"
}
eventually quiet_when_short

it "writes a million lines of 100 bytes in seconds (printed, not asserted)"
new_topic million -p 1
yes "$(head -c 99 /dev/zero | tr '\0' x)" | head -n 1000000 >"$work/million"
begin=$(date +%s%N)
run kc produce -t "$topic" "$work/million"
expect_code 0
middle=$(date +%s%N)
kc consume -t "$topic" -e | cmp - "$work/million" || fail 'other messages'
end=$(date +%s%N)
echo "  1 000 000 lines of 100 bytes: produced in $(((middle - begin) / 1000000)) ms, consumed in $(((end - middle) / 1000000)) ms"
finish
