#!/usr/bin/env bash
# kc topics against a real broker.
source "$(dirname "$0")/assert.sh"

it "creates a topic that can be used at once, and says so"
topic=kc-$$-made
topics+=("$topic")
run kc topics create -p 3 -r 1 --config retention.ms=7200000 --config cleanup.policy=compact,delete "$topic"
expect_code 0
expect_out "created topic $topic: 3 partitions, 1 replica"
expect_err ''
run kc consume -t "$topic" -e
expect_code 0
"$here/../kafka/kafka.sh" run org.apache.kafka.tools.TopicCommand --bootstrap-server "$KAFKA_BROKERS" --describe \
  --topic "$topic" >"$work/java" 2>"$err" || fail 'TopicCommand failed'
grep -q 'retention.ms=7200000' "$work/java" || fail 'no retention.ms'
grep -q 'cleanup.policy=compact,delete' "$work/java" || fail 'no cleanup.policy'

it "tells that a topic exists already, unless that is fine"
run kc topics create "$topic"
expect_code 1
expect_out ''
expect_err "kc topics create: cannot create topic $topic: there is a topic of that name already
    look at it: kc topics describe $topic"
run kc topics create --if-not-exists "$topic"
expect_code 0
expect_out ''
expect_err ''

it "passes on what the broker says about a refusal, and goes on with the next topic"
second=kc-$$-second
topics+=("$second")
run kc topics create -q 'not a name' "$second"
expect_code 1
expect_err_has 'not a name'
expect_err_has 'contains one or more characters other than'
run kc topics describe "$second"
expect_code 0
run kc topics create -r 3 "kc-$$-wide"
expect_code 1
expect_err_has 'replication factor of 3'
run kc topics create --config no.such.setting=1 "kc-$$-odd"
expect_code 1
expect_err_has 'no.such.setting'

it "lists topics: name, partitions, replicas; internal ones when asked"
run kc topics list
expect_code 0
grep -qE "^$topic +3  1\$" "$out" || fail 'no line for the topic'
grep -q '^__' "$out" && fail 'an internal topic'
sort -c "$out" || fail 'not sorted'
run kc topics list --json
grep -q "^{\"topic\":\"$topic\",\"partitions\":3,\"replication_factor\":1,\"internal\":false,\"id\":\"[A-Za-z0-9_-]\{22\}\"}\$" "$out" ||
  fail 'no such object'
id=$(sed -n "s/.*\"$topic\".*\"id\":\"\([^\"]*\)\".*/\1/p" "$out")
grep -q "TopicId: $id" "$work/java" || fail "the id is not Java's: $id"
group_topic() { # a consumer of a group makes __consumer_offsets, unless its time is over before it comes to that
  "$here/../kafka/kafka.sh" run org.apache.kafka.tools.consumer.ConsoleConsumer --bootstrap-server "$KAFKA_BROKERS" \
    --topic "$topic" --group "kc-$$" --timeout-ms 3000 >/dev/null 2>&1
  kc topics list -i | grep -q '^__consumer_offsets '
}
eventually group_topic
run kc topics list --internal
expect_out_has '__consumer_offsets'
run kc topics list -i --json
expect_out_has '"topic":"__consumer_offsets","partitions":4,"replication_factor":1,"internal":true'

it "has headings on a terminal only"
script -qec "$KC topics list" /dev/null >"$work/terminal" 2>&1 </dev/null
grep -qE '^TOPIC +PARTITIONS +REPLICAS' "$work/terminal" || fail 'no headings on a terminal'
run kc topics list
grep -q PARTITIONS "$out" && fail 'headings in a file'

it "describes partitions with leader, epoch, replicas, in sync and offline ones"
run kc topics describe "$topic"
expect_code 0
expect_out_has "$topic: 3 partitions, 1 replica, id $id"
grep -qE '^  PARTITION  LEADER +EPOCH  REPLICAS  IN SYNC  OFFLINE  ERROR$' "$out" || fail 'no headings'
expect "$(grep -cE '^  [012]          1 \(127\.0\.0\.1:[0-9]+\)  0      1         1        -        -$' "$out")" = 3
run kc topics describe --json "$topic"
expect_out_has "{\"topic\":\"$topic\",\"id\":\"$id\",\"internal\":false,\"partitions\":[{\"partition\":0,\"leader\":1,\"leader_address\":\"127.0.0.1:"
expect_out_has '"leader_epoch":0,"replicas":[1],"in_sync":[1],"offline":[],"error":null}'
run kc topics describe
expect_out_has "$topic: 3 partitions"
expect_out_has "$second: "

it "says what to do about a topic that is not there"
run kc topics describe "$topic" "kc-$$-none"
expect_code 1
expect_out_has "$topic: 3 partitions"
expect_err_has "cannot describe topic kc-$$-none"
expect_err_has "create it with: kc topics create kc-$$-none"
for command in consume produce; do
  run kc $command -t "kc-$$-none"
  expect_code 1
  expect_err_has "create it with: kc topics create kc-$$-none"
  brokers=$KAFKA_BROKERS
  KAFKA_BROKERS='' run kc $command -b "$brokers" -t "kc-$$-none"
  expect_err_has "create it with: kc topics create -b $brokers kc-$$-none"
done

gone() { ! kc topics list | grep -q "^$1 "; }
it "deletes topics, and goes on behind one that is not there"
run kc topics delete "kc-$$-none" "$topic"
expect_code 1
expect_out "deleted topic $topic"
expect_err_has "cannot delete topic kc-$$-none"
run kc topics delete --if-exists "kc-$$-none" "$second"
expect_code 0
expect_err ''
for t in "$topic" "$second"; do
  eventually gone "$t"
done
finish
