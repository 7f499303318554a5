#!/usr/bin/env bash
# The newcomer's errors, against listeners that advertise what they should not (tests/kafka/kafka.sh).
source "$(dirname "$0")/assert.sh"
new_topic errors -p 2
echo text >"$work/in"

it "names who answered, what it advertised, and the setting, when the name does not resolve"
for command in "consume -t $topic -e" "produce -t $topic $work/in"; do
  # shellcheck disable=SC2086
  run kc $command -b "$KAFKA_TEST_ADVBAD"
  expect_code 1
  expect_out ''
  for text in "$KAFKA_TEST_ADVBAD" kafka.invalid:29092 advertised.listeners resolv; do expect_err_has "$text"; done
done

it "does so when the port refuses"
for command in "consume -t $topic -e" "produce -t $topic $work/in" "topics create kc-$$-x" "topics delete $topic"; do
  # shellcheck disable=SC2086
  run kc $command -b "$KAFKA_TEST_ADVREFUSED"
  expect_code 1
  for text in 127.0.0.1:1 advertis refused; do expect_err_has "$text"; done
done

it "does not wait for that"
run timeout 100 "$KC" consume -t "$topic" -e -m 1000 -b "$KAFKA_TEST_ADVREFUSED"
expect_code 1
expect_err_has refused
expect "$(grep -cE 'kc (tried|waited)' "$err")" = 0

it "says an error once, however many partitions there are"
run kc consume -t "$topic" -e -b "$KAFKA_TEST_ADVREFUSED"
expect "$(grep -c '^kc consume: cannot' "$err")" = 1

it "uses any broker of the list that answers"
run kc consume -t "$topic" -e -b "127.0.0.1:1,$KAFKA_BROKERS"
expect_code 0
expect_err ''
finish
