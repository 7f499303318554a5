#!/usr/bin/env bash
# kc produce against brokers in memory, which do what they are told: acknowledgements, partitioners, idempotence, the report, and
# what is said when messages fail.
source "$(dirname "$0")/assert.sh"
unset KAFKA_BROKERS
socket=$work/control
"$KC" broker -n 3 -t t:1 -t wide:12 --control "$socket" -v >"$work/address" 2>>"$work/broker" </dev/null &
broker=$!
leave_broker() { kill -INT "$broker" 2>/dev/null; wait "$broker"; leave; }
trap leave_broker EXIT
eventually test -s "$work/address"
read -r KAFKA_BROKERS <"$work/address"
export KAFKA_BROKERS
tell() { kc broker --control "$socket" "$@"; }
size() { tell size "$1" "$2" | cut -d ' ' -f 2; }   # end of the log
fault() { tell clear && tell fault "$@"; }
number=0
fresh() { number=$((number + 1)) topic=fresh-$number; tell topic "$topic" "${1:-1}"; }   # a topic of its own
seq 1 1000 >"$work/lines"
echo one >"$work/one"

it "writes what it reads, in order, and says with -v what went out"
fresh
run kc produce -t "$topic" -v "$work/lines"
expect_code 0
expect_out ''
expect_err_has '1,000 messages acknowledged, 2.9 kB in '
run kc consume -q -t "$topic" -e
expect_same "$work/lines" "$out"

it "says with -v whether idempotence is in force"
before=$(tell requests init-producer-id)
run kc produce -t t -v "$work/one"
expect_err_has 'idempotence is in force'
expect "$(tell requests init-producer-id)" -gt "$before"
before=$(tell requests init-producer-id)
run kc produce -t t -v --no-idempotence "$work/one"
expect_code 0
expect_err_has 'idempotence is off (--no-idempotence)'
for acks in one 1 none 0; do
  run kc produce -t t -v --acks $acks "$work/one"
  expect_code 0
  expect_err_has 'idempotence is off (it needs --acks all)'
done
expect "$(tell requests init-producer-id)" = "$before"
for acks in all -1; do
  run kc produce -t t -v --acks=$acks "$work/one"
  expect_err_has 'idempotence is in force'
done

it "asks for the acknowledgements that it is told"
fresh
for pair in all:-1 one:1 none:0; do
  : >"$work/broker" # it appends
  run kc produce -t "$topic" -v --acks "${pair%:*}" "$work/one"
  expect_code 0
  eventually grep -q "Produce request .* acks=${pair#*:}," "$work/broker"
done
expect_err_has '1 message sent (nobody acknowledges them)'
written() { [ "$(size "$topic" 0)" = 3 ]; }
eventually written

it "puts keys where the partitioner of that name puts them"
printf '20:v\n' >"$work/keyed"
for pair in hash:1 reference_hash:7; do # as tests/cli/partitioner_test.c has it
  fresh 12
  run kc produce -t "$topic" -k : --partitioner "${pair%:*}" --report "$work/keyed"
  expect_code 0
  expect_out "1 ${pair#*:} 0 yes OK"
done
fresh 12
run kc produce -t "$topic" --partitioner round_robin --report "$work/lines"
expect "$(cut -d ' ' -f 1,2 "$out" | sort -n | awk '$2 != ($1 - 1) % 12' | wc -l)" = 0

it "reports each message with its partition and offset"
fresh 3
run kc produce -t "$topic" --report "$work/lines"
expect_code 0
expect "$(wc -l <"$out")" = 1000
expect "$(cut -d ' ' -f 4,5 "$out" | sort -u)" = 'yes OK'
cut -d ' ' -f 1 "$out" | sort -n | cmp - "$work/lines" || fail 'not every message, once'
sort -n "$out" >"$work/report"
kc consume -q -t "$topic" -e -f '%s %p %o\n' | sort -n >"$work/there"
cut -d ' ' -f 1-3 "$work/report" | cmp - "$work/there" || fail 'other places'

it "goes on without a report when nobody reads it any more"
fresh
"$KC" produce -t "$topic" --report "$work/lines" 2>"$err" </dev/null | head -n 1 >"$out"
code=${PIPESTATUS[0]}
expect_code 0
expect "$(size "$topic" 0)" = 1000

it "does not mistake a connection for a standard descriptor that was closed"
fresh
timeout 100 "$KC" produce -t "$topic" >"$out" 2>"$err" <&-
code=$?
expect_code 1
expect_err_has 'cannot read standard input: Bad file descriptor'
timeout 100 "$KC" produce -t "$topic" --report "$work/one" 2>"$err" >&-
code=$?
expect_code 1
expect_err_has 'cannot write the output: Bad file descriptor'
timeout 100 "$KC" produce -t "$topic" -v --report "$work/one" >"$out" 2>&-
code=$?
expect_code 0
expect_out '1 0 1 yes OK'
expect "$(size "$topic" 0)" = 2

it "ends with Ctrl-C also when nobody reads its report"
fresh
mkfifo "$work/unread"
exec 7<>"$work/unread"
yes | "$KC" produce -t "$topic" --report >"$work/unread" 2>"$err" 7>&- &
pid=$!
stuck() { # in a pipe that holds 64 KiB and has no reader
  local before
  before=$(size "$topic" 0)
  sleep 0.3
  [ "$before" -gt 1000 ] && [ "$(size "$topic" 0)" = "$before" ]
}
eventually stuck
kill -INT "$pid"
for ((i = 0; i < 600; i++)); do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
kill -KILL "$pid" 2>/dev/null
wait "$pid"
code=$?
exec 7>&-
expect_code 130
expect_err_has 'interrupted: '

it "says how topics may be named"
run kc produce -t 'a b' "$work/one"
expect_code 1
expect_err_has '[17]'
expect_err_has 'letters without accents, digits'

it "leaves out a message that is refused, writes the others, and says which and why"
fresh
fault error api=produce error=10 "topic=$topic"
printf 'one\n' >"$work/in"
run kc produce -t "$topic" --report "$work/in"
expect_code 1
expect_out '1 0 - no MESSAGE_SIZE_TOO_LARGE'
expect_err_has "kc produce: cannot write to partition 0 of topic $topic: "
expect_err_has '[10]'
expect_err_has 'it was message 1'
expect_err_has '0 messages acknowledged, 1 failed'
tell clear

it "writes a message above 1 MiB alone and in its place"
fresh
{ echo before; head -c 1000000 /dev/zero | tr '\0' x; echo; head -c 1040000 /dev/urandom | base64 -w 0; echo; echo after; } >"$work/large"
run kc produce -t "$topic" "$work/large"
if [ "$code" = 0 ]; then
  kc consume -q -t "$topic" -e >"$out"
  expect_same "$work/large" "$out"
else
  expect_err_has 'it was message 3, of 1.4 MB'
  expect_err_has '3 messages acknowledged, 1 failed'
fi

it "tries again what may pass, and writes it once"
for how in 'error error=6' 'apply-then-error error=6' apply-then-drop drop; do
  fresh
  # shellcheck disable=SC2086  # words
  fault ${how%% *} api=produce "topic=$topic" ${how#"${how%% *}"}
  run kc produce -t "$topic" "$work/lines"
  expect_code 0
  expect_err ''
  kc consume -q -t "$topic" -e >"$out"
  expect_same "$work/lines" "$out"
done
tell clear

it "gives up after its time, and says that nobody knows"
fresh
fault silence api=produce "topic=$topic" count=forever
begin=$SECONDS
run timeout 100 "$KC" produce -t "$topic" -m 6 --report "$work/one" # time enough to send it
expect $((SECONDS - begin)) -lt 29                                  # the time that it has otherwise is 30
expect_code 1
expect_out '1 0 - maybe ETIMEDOUT'
expect_err_has 'nobody knows whether it was written'
expect_err_has "kc consume -t $topic -p 0 -o -5 -e"
expect_err_has '0 messages acknowledged, 1 possibly written (no answer came)'
tell clear

it "stops reading when everything fails"
fresh
fault error api=produce error=29 "topic=$topic" count=forever
yes line | timeout 60 "$KC" produce -t "$topic" >"$out" 2>"$err"
code=$?
expect_code 1
expect_err_has '[29]'
expect_err_has 'failed'
tell clear

it "has no partition that the topic has not"
run kc produce -t wide -p 12 "$work/one"
expect_code 1
expect_err 'kc produce: topic wide has no partition 12: it has 12, from 0'
run kc produce -t wide -p 11 --report "$work/one"
expect_code 0
expect_out '1 11 0 yes OK'
finish
