#!/usr/bin/env bash
# Clients and tools that nobody here wrote, against the in-memory cluster (kc broker, three brokers).
#
#   third_parties.sh KC kcat      kcat
#   third_parties.sh KC java      Kafka's own tools; they need Kafka's jars, no broker of Kafka
# shellcheck source=tests/cli/assert.sh
source "$(dirname "$0")/../cli/assert.sh"
part=${2:?kcat or java}
tools=org.apache.kafka.tools

mkfifo "$work/address"
"$KC" broker -n 3 -v -t listed:4 -t plain -t console:2 >"$work/address" 2>"$work/broker.log" &
broker=$!
read -r bootstrap <"$work/address"
export KAFKA_BROKERS=$bootstrap
end() { kill "$broker" 2>/dev/null; wait "$broker" 2>/dev/null; leave; }
trap end EXIT

java_tool() { bash "$here/../kafka/kafka.sh" run "$@"; }                # CLASS ARG...
tool() { local class=$1; shift; run timeout 60 bash "$here/../kafka/kafka.sh" run "$class" --bootstrap-server "$bootstrap" "$@"; }
count_is() { [ "$(wc -l <"$out")" = "$1" ] || fail "$(wc -l <"$out") lines, not $1"; }
seq -f 'line %g' 1000 >"$work/lines"

codecs=$(kc --version | sed -n 's/^built in: //p')   # the cluster reads what it takes
written=$((1000 * (1 + $(wc -w <<<"$codecs"))))
with_kcat() {
  it "kcat lists brokers and topics"
  run kcat -b "$bootstrap" -L
  expect_code 0
  expect_out_has '3 brokers:'
  expect_out_has 'topic "listed" with 4 partitions:'
  expect_out_has 'partition 3, leader 1, replicas: 1,2,3'

  it "kcat writes with every codec, and reads all of it"
  for codec in none $codecs; do
    run kcat -b "$bootstrap" -P -t written -z "$codec" -l "$work/lines"
    expect_code 0
  done
  run kcat -b "$bootstrap" -C -t written -e -q
  expect_code 0
  for _ in none $codecs; do cat "$work/lines"; done >"$work/wanted"
  expect_same "$out" "$work/wanted"

  if [ -n "$codecs" ]; then
    it "kcat has compressed what it was asked to"
    kcat -b "$bootstrap" -P -t plain -z "${codecs##* }" -X linger.ms=500 -l "$work/lines"
    grep 'Produce request' "$work/broker.log" | tail -n 1 >"$out"
    expect_out_has 'name="plain"'
    expect "$(grep -o '<[0-9]* bytes' "$out" | grep -o '[0-9]*' | head -n 1 || echo 0)" -lt 10000
  fi

  it "kcat writes as an idempotent producer with keys and headers"
  run_with <(printf 'k1:v1\nk2:v2\n') kcat -b "$bootstrap" -P -t keyed -K : -H h=1 -X enable.idempotence=true
  expect_code 0
  run kcat -b "$bootstrap" -C -t keyed -e -q -f '%o %k %s %h\n'
  expect_out $'0 k1 v1 h=1\n1 k2 v2 h=1'

  it "kcat asks for offsets by time, first and last"
  run kcat -b "$bootstrap" -Q -t written:0:-1
  expect_out_has "written [0] offset $written"
  run kcat -b "$bootstrap" -Q -t written:0:-2
  expect_out_has 'written [0] offset 0'
  run kcat -b "$bootstrap" -Q -t written:0:1000
  expect_out_has 'written [0] offset 0'

  it "kcat reads from an offset on"
  run kcat -b "$bootstrap" -C -t written -p 0 -o $((written - 2)) -e -q
  expect_out $'line 999\nline 1000'
}

with_java() {
  it "TopicCommand creates and describes"
  tool $tools.TopicCommand --create --topic made --partitions 3 --replication-factor 3 --config max.message.bytes=2000000
  expect_code 0
  tool $tools.TopicCommand --describe --topic made
  expect_out_has 'PartitionCount: 3	ReplicationFactor: 3	Configs: max.message.bytes=2000000'
  expect_out_has 'Partition: 1	Leader: 2	Replicas: 2,3,1	Isr: 2,3,1'

  it "TopicCommand adds partitions, lists, and is told why not"
  tool $tools.TopicCommand --alter --topic made --partitions 5
  expect_code 0
  tool $tools.TopicCommand --list
  expect_out_has made
  tool $tools.TopicCommand --create --topic made
  expect_code 1
  expect_err_has TopicExistsException

  it "ConsoleProducer writes what ConsoleConsumer reads"
  run_with "$work/lines" java_tool $tools.ConsoleProducer --bootstrap-server "$bootstrap" --topic console --compression-codec zstd
  expect_code 0
  tool $tools.GetOffsetShell --topic console
  cp "$out" "$work/ends"
  for p in 0 1; do   # what is there is waited for: a busy machine may take long to begin
    end=$(sed -n "s/^console:$p://p" "$work/ends")
    [ "$end" -gt 0 ] || continue
    tool $tools.consumer.ConsoleConsumer --topic console --partition $p --offset earliest --max-messages "$end" --timeout-ms 30000
    cat "$out" >>"$work/read"
  done
  sort "$work/read" >"$work/read.sorted"
  sort "$work/lines" >"$work/wanted"
  expect_same "$work/read.sorted" "$work/wanted"

  it "VerifiableProducer has every message of an idempotent producer acknowledged"
  printf 'acks=all\nenable.idempotence=true\nretries=100\n' >"$work/idempotent"
  tool $tools.VerifiableProducer --topic verified --max-messages 500 --command-config "$work/idempotent"
  expect_code 0
  expect_out_has '"sent":500'
  expect_out_has '"acked":500'
  tool $tools.GetOffsetShell --topic verified
  expect_out verified:0:500

  it "ProducerPerformance writes"
  tool $tools.ProducerPerformance --topic fast --num-records 20000 --record-size 100 --throughput -1 \
    --command-property acks=all compression.type=lz4
  expect_code 0
  expect_out_has '20000 records sent'

  it "GetOffsetShell tells first and last offsets"
  tool $tools.GetOffsetShell --topic fast --time latest
  expect_out fast:0:20000
  tool $tools.GetOffsetShell --topic fast --time earliest
  expect_out fast:0:0
  tool $tools.GetOffsetShell --topic fast --time max-timestamp
  expect_out_has fast:0:

  it "DeleteRecordsCommand deletes records"
  echo '{"partitions":[{"topic":"fast","partition":0,"offset":400}],"version":1}' >"$work/delete.json"
  tool $tools.DeleteRecordsCommand --offset-json-file "$work/delete.json"
  expect_code 0
  expect_out_has 'low_watermark: 400'
  tool $tools.GetOffsetShell --topic fast --time earliest
  expect_out fast:0:400

  it "ConfigCommand alters and describes a topic's settings"
  tool kafka.admin.ConfigCommand --entity-type topics --entity-name made --alter --add-config retention.ms=100000
  expect_code 0
  tool kafka.admin.ConfigCommand --entity-type topics --entity-name made --alter --delete-config max.message.bytes
  expect_code 0
  tool kafka.admin.ConfigCommand --entity-type topics --entity-name made --describe
  expect_out_has 'retention.ms=100000 sensitive=false synonyms={DYNAMIC_TOPIC_CONFIG:retention.ms=100000, DEFAULT_CONFIG:log.retention.ms=604800000}'
  expect "$(grep -c max.message.bytes "$out")" = 0
  tool kafka.admin.ConfigCommand --entity-type topics --entity-name made --alter --add-config retention.ms=soon
  expect_code 1
  expect_err_has 'InvalidConfigurationException'

  it "ConfigCommand describes a broker"
  tool kafka.admin.ConfigCommand --entity-type brokers --entity-name 1 --describe --all
  expect_out_has 'auto.create.topics.enable=true'

  it "TopicCommand deletes"
  tool $tools.TopicCommand --delete --topic made
  expect_code 0
  tool $tools.TopicCommand --describe --topic made
  expect_code 1
}

"with_$part"

it "the cluster has refused no request as such"
grep -E 'connection is closed|cannot answer' "$work/broker.log" >"$out"
expect_out ''
finish
