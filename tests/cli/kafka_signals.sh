#!/usr/bin/env bash
# Ctrl-C, against a real broker: what was acknowledged is said and is true.
source "$(dirname "$0")/assert.sh"
wait_for() { wait "$1"; code=$?; }

it "stops a waiting produce, with what was acknowledged"
new_topic idle -p 1
mkfifo "$work/fifo"
"$KC" produce -t "$topic" --report <"$work/fifo" >"$out" 2>"$err" &
pid=$!
exec 7>"$work/fifo"
printf 'one\ntwo\nhalf' >&7
eventually grep -q '^2 ' "$out"   # not the log, where they are a moment before they are acknowledged
kill -INT $pid
wait_for $pid
exec 7>&-
expect_code 130
expect_out $'1 0 0 yes OK\n2 0 1 yes OK'
expect_err 'kc produce: interrupted: 2 messages acknowledged'

it "stops a busy produce, and the log holds exactly what was acknowledged"
new_topic busy -p 1
yes 'a line of some length, again and again' | "$KC" produce -t "$topic" >"$out" 2>"$err" &
pid=$!   # of the last in the pipeline
timeout 100 "$KC" consume -t "$topic" -c 100000 >/dev/null
kill -INT $pid
wait_for $pid
expect_code 130
expect_err_has 'interrupted: '
expect_err_has ' messages acknowledged'
said=$(sed -n 's/.*interrupted: \([0-9,]*\) messages acknowledged.*/\1/p' "$err" | tr -d ,)
open=$(sed -n 's/.* acknowledged.*, \([0-9,]*\) possibly written.*/\1/p' "$err" | tr -d ,) # unless the broker was that slow: none
there=$(kc consume -t "$topic" -e | wc -l)
expect "$there" -ge "$said"
expect "$there" -le $((said + ${open:-0}))

it "stops on SIGTERM and SIGHUP likewise"
for signal in TERM:143 HUP:129; do
  "$KC" produce -t "$topic" <"$work/fifo" >"$out" 2>"$err" &
  pid=$!
  exec 7>"$work/fifo"
  new_topic "signal-${signal%:*}" -p 1   # takes a moment; kc has its handlers or has not begun: both end it
  kill -"${signal%:*}" $pid
  wait_for $pid
  exec 7>&-
  expect_code "${signal#*:}"
done

it "stops a consume that waits, quietly"
new_topic wait -p 3
"$KC" consume -t "$topic" -v >"$out" 2>"$err" &
pid=$!
echo text | kc produce -t "$topic"
eventually grep -qx text "$out"
kill -INT $pid
wait_for $pid
expect_code 130
expect_out text
expect_err 'kc consume: 1 message read, 4 bytes'

it "stops a consume whose output nobody takes away"
new_topic stuck -p 1
yes 'a line of some length, again and again' | head -n 100000 | kc produce -t "$topic"
mkfifo "$work/stuck"
"$KC" consume -t "$topic" >"$work/stuck" 2>"$err" &
pid=$!
exec 8<"$work/stuck"
read -r line <&8
expect "$line" = 'a line of some length, again and again'
kill -INT $pid
wait_for $pid
exec 8<&-
expect_code 130
expect_err ''
finish
