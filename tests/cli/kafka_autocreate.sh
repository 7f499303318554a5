#!/usr/bin/env bash
# A cluster whose brokers create what is asked for by name (auto.create.topics.enable, Kafka's default): kc creates a topic when
# it is told to or writes to it, and never by looking. Takes a broker of its own.
source "$(dirname "$0")/assert.sh"

listed() { kc topics list | awk '{print $1}' | grep -qx -- "$1"; }

it "does not create a topic that it only looks for"
for command in 'topics describe' meta offsets 'consume -e -t' 'topics delete'; do
  missing=kc-$$-${command%% *}-looked
  # shellcheck disable=SC2086  # words
  run kc $command "$missing"
  expect_code 1
  expect_err_has "$missing"
done
run kc topics delete --if-exists "kc-$$-looked"
expect_code 0
kc topics create -q "kc-$$-marker" # by then the cluster would have created the others, too
topics+=("kc-$$-marker")
run kc topics list
expect "$(grep -c looked "$out")" = 0

it "creates a topic as it is told, not as the broker would"
for i in 1 2 3; do
  target=kc-$$-created-$i
  topics+=("$target")
  run kc topics create -p 7 "$target"
  expect_code 0
  expect_out_has "created topic $target: 7 partitions"
done

it "lets a topic go that is deleted while it follows it"
new_topic followed
topics=("${topics[@]:0:${#topics[@]}-1}") # deleted here
echo line | kc produce -q -t "$topic"
timeout 60 "$KC" consume -t "$topic" >"$work/followed" 2>"$err" </dev/null &
follower=$!
eventually test -s "$work/followed"
kc topics delete -q "$topic"
wait "$follower"
code=$?
expect_code 1
expect_err_has "topic $topic"
expect_err_has 'no topic of that name'
run kc topics list
expect "$(grep -cx -- "$topic .*" "$out")" = 0

it "lets the broker create what is written to"
target=kc-$$-written
topics+=("$target")
echo line >"$work/in"
run kc produce -q -t "$target" "$work/in"
expect_code 0
eventually listed "$target"
finish
