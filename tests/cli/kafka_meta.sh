#!/usr/bin/env bash
# kc meta against a real broker, compared with kcat -L.
source "$(dirname "$0")/assert.sh"
new_topic meta -p 3
port=${KAFKA_BROKERS##*:}

it "shows the brokers and the controller, and each topic as kc topics describe does"
run kc meta
expect_code 0
expect_err ''
expect "$(head -n 1 "$out")" = '1 broker'
expect "$(sed -n '2s/ *$//p' "$out")" = '  BROKER  HOST       PORT   RACK   ROLE'
expect "$(sed -n '3s/  */ /gp' "$out")" = " 1 127.0.0.1 $port rack1 controller"
run kc meta "$topic"
kc topics describe "$topic" >"$work/described"
tail -n +5 "$out" >"$work/shown"
expect_same "$work/described" "$work/shown"

it "shows the topics asked for only, as arguments or behind -t"
new_topic second -p 1
run kc meta "$topic" -t "${topic%second}meta"
expect "$(grep -c ': . partition' "$out")" = 2
run kc meta -t "$topic"
expect "$(grep -c ': . partition' "$out")" = 1

it "knows what kcat knows"
kcat -L -J -b "$KAFKA_BROKERS" >"$work/kcat" 2>"$err" || fail 'kcat failed'
run kc meta -i -o json
expect_code 0
expect "$(wc -l <"$out")" = 1
cat >"$work/same.py" <<'PYTHON'
import json, sys
kcat, kc = (json.load(open(path)) for path in sys.argv[1:3])
def brokers(ids): return sorted(x["id"] for x in ids)
theirs = {t["topic"]: [(p["partition"], p["leader"], brokers(p["replicas"]), brokers(p["isrs"]))
                       for p in t["partitions"]] for t in kcat["topics"]}
ours = {t["topic"]: [(p["partition"], p["leader"], sorted(p["replicas"]), sorted(p["in_sync"]))
                     for p in t["partitions"]] for t in kc["topics"]}
assert ours == theirs, (ours, theirs)
assert [(b["id"], "%s:%d" % (b["host"], b["port"])) for b in kc["brokers"]] == \
       [(b["id"], b["name"]) for b in kcat["brokers"]], (kc["brokers"], kcat["brokers"])
assert kc["controller"] == kcat["controllerid"], (kc["controller"], kcat["controllerid"])
PYTHON
python3 "$work/same.py" "$work/kcat" "$out" || fail 'kc meta and kcat -L differ'
cp "$out" "$work/long"
run kc meta -i -J
expect_same "$work/long" "$out"

it "leaves Kafka's own topics out unless asked"
group_topic() { # a consumer of a group makes __consumer_offsets, unless its time is over before it comes to that
  "$here/../kafka/kafka.sh" run org.apache.kafka.tools.consumer.ConsoleConsumer --bootstrap-server "$KAFKA_BROKERS" \
    --topic "$topic" --group "kc-$$" --timeout-ms 3000 >/dev/null 2>&1
  kc topics list -i | grep -q '^__consumer_offsets '
}
eventually group_topic
run kc meta
grep -q '^__' "$out" && fail 'an internal topic'
run kc meta -i
expect_out_has '__consumer_offsets: 4 partitions, 1 replica, internal'
run kc meta __consumer_offsets
expect_out_has '__consumer_offsets: 4 partitions'

it "offers the topic that was meant, and shows the rest"
run kc meta "${topic}x" "$topic"
expect_code 1
expect_out_has "$topic: 1 partition"
expect_out_has '1 broker'
expect_err_has "cannot describe topic ${topic}x"
expect_err_has "did you mean $topic?"

it "shows a cluster whose advertised addresses do not work: that is how to find out"
run kc meta -b "$KAFKA_TEST_ADVBAD"
expect_code 0
expect_out_has 'kafka.invalid'
expect_out_has 29092
finish
