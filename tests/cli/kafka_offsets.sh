#!/usr/bin/env bash
# kc offsets against a real broker, compared with Java's GetOffsetShell.
source "$(dirname "$0")/assert.sh"
java_offsets() { # TOPIC TIME: "partition offset" per line
  "$here/../kafka/kafka.sh" run org.apache.kafka.tools.GetOffsetShell --bootstrap-server "$KAFKA_BROKERS" --topic "$1" \
    --time "$2" 2>"$err" | sed 's/^.*:\([0-9]*\):\([0-9]*\)$/\1 \2/' | sort -n
}

new_topic offsets -p 4
first=$topic
seq 1000 >"$work/in"
kc produce -q -t "$first" -p 0 "$work/in"
seq 7 | kc produce -q -t "$first" -p 2
new_topic other -p 1
second=$topic
echo one | kc produce -q -t "$second"

it "shows first, last and count of each partition, in order, without headings in a file"
run kc offsets "$first"
expect_code 0
expect_err ''
expect_out "$first  0  0  1000  1000
$first  1  0  0     0
$first  2  0  7     7
$first  3  0  0     0"

it "shows what Java's GetOffsetShell shows"
java_offsets "$first" -1 >"$work/java"
awk '{print $2, $4}' "$out" >"$work/kc"
expect_same "$work/java" "$work/kc"
java_offsets "$first" -2 >"$work/java"
awk '{print $2, $3}' "$out" >"$work/kc"
expect_same "$work/java" "$work/kc"

it "takes several topics and a choice of partitions"
run kc offsets -t "$first" "$second"
expect "$(wc -l <"$out")" = 5
expect "$(tail -n 1 "$out" | tr -s " ")" = "$second 0 0 1 1"
run kc offsets "$first" -p 2-3 -p 0
expect "$(awk '{printf "%s ", $2}' "$out")" = '0 2 3 '

it "shows the first offset that deletion has left"
printf '{"version":1,"partitions":[{"topic":"%s","partition":0,"offset":400}]}' "$first" >"$work/delete.json"
"$here/../kafka/kafka.sh" run org.apache.kafka.tools.DeleteRecordsCommand --bootstrap-server "$KAFKA_BROKERS" \
  --offset-json-file "$work/delete.json" >"$work/java" 2>&1 || fail 'DeleteRecordsCommand failed'
run kc offsets "$first" -p 0
expect_out "$first  0  400  1000  600"

it "finds the offset at a time as Java does, and a minus where there is nothing as late"
unix_ms() { date +%s%3N; }
mark=$(unix_ms)
later() { [ "$(unix_ms)" -gt "$mark" ]; }
eventually later
seq 5 | kc produce -q -t "$first" -p 2
run kc offsets "$first" --at "$((mark + 1))"
expect_code 0
expect_out "$first  0  400  1000  600  -
$first  1  0    0     0    -
$first  2  0    12    12   7
$first  3  0    0     0    -"
java_offsets "$first" "$((mark + 1))" >"$work/java"
awk '$6 != "-" {print $2, $6}' "$out" >"$work/kc"
expect_same <(grep '^2 ' "$work/java") "$work/kc"
run kc offsets "$first" -p 2 --at "$(date -u -d "@$((mark / 1000)).$(printf %03d $((mark % 1000)))" +%Y-%m-%dT%H:%M:%S.%3NZ)" -J
expect_out_has '"at":7,'
for at in '1h ago' '@2 days ago' 2020-01-01; do
  run kc offsets "$first" -p 2 --at "$at"
  expect_out "$first  2  0  12  12  0"
done
run kc offsets "$first" -p 2 -a 2100-01-01
expect_out "$first  2  0  12  12  -"

it "prints a JSON object per partition"
run kc offsets "$first" -p 0-1 -o json
expect_out "{\"topic\":\"$first\",\"partition\":0,\"first\":400,\"last\":1000,\"count\":600,\"error\":null}
{\"topic\":\"$first\",\"partition\":1,\"first\":0,\"last\":0,\"count\":0,\"error\":null}"
cp "$out" "$work/long"
run kc offsets "$first" -p 0-1 --json
expect_same "$work/long" "$out"
run kc offsets "$first" -p 1 -J --at now
expect_out "{\"topic\":\"$first\",\"partition\":1,\"first\":0,\"last\":0,\"count\":0,\"at\":null,\"error\":null}"

it "has headings on a terminal only"
script -qec "$KC offsets $first --at now" /dev/null >"$work/terminal" 2>&1 </dev/null
grep -qE '^TOPIC +PARTITION +FIRST +LAST +COUNT +AT' "$work/terminal" || fail 'no headings on a terminal'

it "offers the topic that was meant, and goes on with the next"
typo=${first%s}z
run kc offsets "$typo" "$second"
expect_code 1
expect_out "$second  0  0  1  1"
expect_err_has "cannot read the offsets of topic $typo"
expect_err_has "did you mean $first?"
expect_err_has "create it with: kc topics create $typo"
for command in consume produce; do
  run kc $command -t "$typo"
  expect_code 1
  expect_err_has "did you mean $first?"
done

it "names a partition that is not there, and shows the others"
run kc offsets "$first" -p 1,9
expect_code 1
expect_out "$first  1  0  0  0"
expect_err "kc offsets: topic $first has no partition 9: it has 4, from 0"

it "says once why leaders cannot be asked, with a minus for each of their partitions"
run kc offsets "$first" -b "$KAFKA_TEST_ADVREFUSED"
expect_code 1
expect_out "$first  0  -  -  -
$first  1  -  -  -
$first  2  -  -  -
$first  3  -  -  -"
for text in 127.0.0.1:1 advertis refused; do expect_err_has "$text"; done
expect "$(grep -c 'cannot' "$err")" = 1
run kc offsets "$first" -p 0 -J -b "$KAFKA_TEST_ADVREFUSED"
expect_out "{\"topic\":\"$first\",\"partition\":0,\"first\":null,\"last\":null,\"count\":null,\"error\":\"EIO\"}"

it "asks a hundred partitions, each once"
new_topic wide -p 100
run kc offsets "$topic"
expect_code 0
expect "$(awk -v t="$topic" '$1 == t && $2 == NR - 1 && $5 == 0' "$out" | wc -l)" = 100
finish
