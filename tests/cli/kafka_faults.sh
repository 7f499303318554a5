#!/usr/bin/env bash
# A broker that restarts or freezes while kc works. It has one of its own (CMakeLists.txt), since others would notice.
source "$(dirname "$0")/assert.sh"
broker() { "$KAFKA_TEST_SH" "$@" >/dev/null 2>&1 7>&-; }   # a broker that held descriptor 7 would keep the input open
# shellcheck disable=SC2317  # called by eventually
arrived() { kc consume -t "$topic" -e | grep -qx "$1"; }
mkfifo "$work/fifo"
acknowledged() { grep -qx "$1 0 $(($1 - 1)) yes OK" "$out"; }   # message N of one partition
# A frozen broker's socket holds what has been sent to it.
unread() {
  awk -v port="$(printf ':%04X' "${KAFKA_BROKERS##*:}")" \
    'substr($2, length($2) - 4) == port && $4 == "01" && $5 !~ /:00000000$/ { n = 1 } END { exit !n }' /proc/net/tcp
}
# kc produce in the background, fed through descriptor 7. What is no test of -m has patience for a slow start of the broker.
start() { "$KC" produce -t "$topic" -v --report -m 120 "$@" <"$work/fifo" >"$out" 2>"$err" & pid=$!; exec 7>"$work/fifo"; }
finish_produce() { exec 7>&-; wait $pid; code=$?; }

it "writes on when the broker restarts between two lines"
new_topic restart -p 1
start
echo one >&7
eventually acknowledged 1
broker restart
echo two >&7
eventually arrived two
finish_produce
expect_code 0
expect_err_has '2 messages acknowledged'
run kc consume -t "$topic" -e
expect_out $'one\ntwo'

it "writes once what a broker took and could not answer for"
new_topic again -p 1
start
echo one >&7
eventually acknowledged 1
broker freeze
echo two >&7
eventually grep -q 'no answer to Produce' "$err" # after 10 seconds; what is sent again would be there twice without idempotence
broker thaw
echo three >&7
eventually arrived three
finish_produce
expect_code 0
expect_err_has '3 messages acknowledged'
run kc consume -t "$topic" -e
expect_out $'one\ntwo\nthree'

it "gives up on an outcome that nobody knows, and says so"
new_topic unknown -p 1
start -m 10
echo one >&7
eventually acknowledged 1
broker freeze
echo two >&7
wait $pid
code=$?
broker thaw
exec 7>&-
expect_code 1
expect_err_has 'nobody knows whether it was written'
expect_err_has "kc consume -t $topic -p 0 -o -5 -e"
expect_err_has '1 message acknowledged, 1 possibly written (no answer came)'

it "does not wait for an answer as long as otherwise when it is interrupted"
new_topic interrupted -p 1
start
echo one >&7
eventually acknowledged 1
broker freeze
echo two >&7
eventually unread
begin=$SECONDS
kill -INT $pid
wait $pid
code=$?
broker thaw
exec 7>&-
expect $((SECONDS - begin)) -le 60 # and not for 120, as long as a message is tried
expect_code 130
expect_err_has 'interrupted: 1 message acknowledged, 1 possibly written (no answer came)'

it "reads on behind a restart, with nothing lost or doubled"
new_topic follow -p 2
"$KC" consume -t "$topic" -v -c 4 -m 120 >"$out" 2>"$err" &
pid=$!
seq 1 2 | kc produce -t "$topic"
eventually grep -qx 2 "$out"
broker restart
seq 3 4 | kc produce -t "$topic" -m 120
wait $pid
code=$?
expect_code 0
expect "$(sort "$out" | xargs)" = '1 2 3 4'
expect_err_has 'trying again'

it "gives up on a broker that does not answer, within its time"
broker freeze
begin=$SECONDS
run timeout 100 "$KC" consume -t "$topic" -e -m 1
broker thaw
expect $((SECONDS - begin)) -lt 25 # the time that it has otherwise is 30
expect_code 1
expect_err_has 'timed out'
expect_err_has '-m SECONDS'
finish
