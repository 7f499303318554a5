#!/usr/bin/env bash
# kc broker: its start and its end, what kc can do beside it, its control socket, its mistakes.
source "$(dirname "$0")/assert.sh"
unset KAFKA_BROKERS
socket=$work/control
pid=

# Starts it in the background; its address is in $address.
broker() { # OPTION...
  : >"$work/address"
  "$KC" broker "$@" >"$work/address" 2>"$work/broker" </dev/null &
  pid=$!
  eventually test -s "$work/address"
  read -r address <"$work/address"
}
end() { # SIGNAL: its exit code is in $code
  kill -"$1" "$pid"
  wait "$pid"
  code=$?
  pid=
}
leave_broker() { [ -z "$pid" ] || kill -KILL "$pid" 2>/dev/null; leave; }
trap leave_broker EXIT

# control LINE...: sends lines, $out has an answer for each.
control() {
  printf '%s\n' "$@" | python3 -c '
import socket, sys
lines = sys.stdin.buffer.read()
s = socket.socket(socket.AF_UNIX)
s.settimeout(20)
s.connect(sys.argv[1])
s.sendall(lines)
answers = s.makefile("rb")
for _ in lines.splitlines():
    sys.stdout.buffer.write(answers.readline())
' "$socket" >"$out" 2>"$err"
  code=$?
}

it "prints the address of its brokers, one behind the other"
broker --brokers 3
expect "$(grep -cxE '127\.0\.0\.1:[0-9]+,127\.0\.0\.1:[0-9]+,127\.0\.0\.1:[0-9]+' "$work/address")" = 1
expect "$(wc -l <"$work/address")" = 1
run kc meta -b "$address"
expect_code 0
port=${address%%,*}
expect "$(grep -cE "^ *1 +127\.0\.0\.1 +${port#*:} " "$out")" = 1

for signal in INT TERM HUP; do
  it "ends in peace with SIG$signal"
  [ -n "$pid" ] || broker
  end $signal
  expect_code 0
  expect "$(cat "$work/broker")" = ''
done

it "makes topics, and takes and gives messages"
broker -t orders:3 -t others --partitions 2
export KAFKA_BROKERS=$address
run kc topics list
expect_code 0
expect "$(grep -cE '^orders +3 ' "$out")" = 1
expect "$(grep -cE '^others +2 ' "$out")" = 1
seq 1 1000 >"$work/lines"
run kc produce -q -t orders "$work/lines"
expect_code 0
run kc consume -q -t orders -o beginning -e
sort -n "$out" >"$work/sorted"
expect_same "$work/lines" "$work/sorted"
run kc produce -q -t made-by-asking "$work/lines"
expect_code 0
end INT

it "creates topics as it is told, though the cluster makes those that are asked for by itself"
broker -n 3
run kc topics create -b "$address" new -p 4 -r 3
expect_code 0
expect_out 'created topic new: 4 partitions, 3 replicas'
run kc topics create -b "$address" new -p 4 -r 3
expect_code 1
expect_err_has 'there is a topic of that name already'
end INT

it "leaves topics alone that were not made"
broker --no-auto-create
export KAFKA_BROKERS=$address
run kc produce -q -t nowhere -m 2 "$work/lines"
expect_code 1
end INT

it "shows requests and answers with -v"
broker -v -t t
run kc offsets -b "$address" t
expect_code 0
eventually grep -q 'Metadata' "$work/broker"
expect "$(grep -cE 'broker 1, connection [0-9]+, #[0-9]+: ' "$work/broker")" -ge 4
end INT

it "listens where it is told to"
for _ in $(seq 20); do # somebody else may be at one of them, such as another build's run of this
  port=$((20000 + (RANDOM % 1000) * 10)) # below those that the kernel gives away
  broker_port=$port
  : >"$work/address"
  "$KC" broker -n 2 --base-port $port --host 127.0.0.3 >"$work/address" 2>"$work/broker" </dev/null &
  pid=$!
  eventually sh -c "test -s '$work/address' || ! kill -0 $pid 2>/dev/null"
  [ ! -s "$work/address" ] || break
done
cp "$work/address" "$out"
expect_out "127.0.0.3:$broker_port,127.0.0.3:$((broker_port + 1))"

it "names a port that is taken"
run kc broker --base-port "$broker_port" --host 127.0.0.3
expect_code 1
expect_out ''
expect_err_has "cannot start: kafka_cluster_new: broker 1: listening at 127.0.0.3:$broker_port: bind: Address already in use"
expect_err_has 'without --base-port free ports are taken'
end TERM

it "refuses wrong options"
wrong() { # TEXT OPTION...
  local text=$1
  shift
  run kc broker "$@"
  expect_code 2
  expect_out ''
  expect_err_has "$text"
}
wrong 'is no number from 1 to 100' -n 0
wrong 'is no number from 1 to 100' -n 101
wrong 'is no port from 1 to 65535' --base-port 65536
wrong 'leaves no ports for 2 brokers' --base-port 65535 -n 2
wrong 'is no number of MiB' --memory 0
wrong 'is no number from 1' --partitions x
wrong "'x' is no number of partitions" -t t:x
wrong 'has other characters' -t 'a b'
wrong 'exists already' -t t -t t
wrong 'no numeric address' --host localhost
wrong "did you mean --brokers?" --broker 3
wrong "'stop' is surplus: a command goes to a broker that runs, with --control PATH" stop 1
run kc broker --control "$work"
expect_code 1
expect_err_has "--control $work:"
run kc broker --control "$work/$(printf 'x%.0s' $(seq 200))"
expect_code 1
expect_err_has 'is longer than'

# ---- the control socket -----------------------------------------------------------------------------------------------------

it "says so when it cannot print its address"
"$KC" broker >/dev/full 2>"$err" </dev/null
code=$?
expect_code 1
expect_err 'kc broker: cannot write the output: No space left on device'

it "has its control socket before it prints its address, and ends while nobody reads that"
mkfifo "$work/full"
exec 7<>"$work/full"
for size in 4096 1; do # until nothing more goes in, so that it can print nothing
  dd if=/dev/zero bs=$size oflag=nonblock count=2M >&7 2>/dev/null || true
done
"$KC" broker --control "$socket" >"$work/full" 2>"$work/broker" </dev/null 7>&- &
pid=$!
eventually test -S "$socket"
end INT
expect_code 0
expect "$(test -e "$socket"; echo $?)" = 1
exec 7>&-

it "takes commands at a socket that its user alone may use"
broker -n 3 -t t:2 --control "$socket"
export KAFKA_BROKERS=$address
expect "$(stat -c %a "$socket")" = 600
control bootstrap 'size t 0' 'leader t 1' 'topic u 4' 'topic v' 'delete v' met requests 'requests produce'
expect "$(sed -n 1p "$out")" = "ok $address"
expect "$(sed -n 2,7p "$out" | tr '\n' ' ')" = 'ok 0 0 ok 2 ok ok ok ok 0 '
expect "$(sed -n 9p "$out")" = 'ok 0'

it "lists its commands, each of which is in the manual"
control help
expect_out_has 'ok bootstrap | topic NAME'
for verb in $(sed 's/^ok //; s/ | /\n/g' "$out" | sed 's/[ :].*//'); do
  grep -qE "^\.It Cm $verb( |\$)|Cm $verb " "$here/../../man/kc-broker.1" || fail "kc-broker.1 lacks $verb"
done

it "says what is wrong with a command"
control 'foult drop' '' 'size t' 'size t x' 'size t 9' 'size w 0' 'fault drip' 'fault drop api=produse' 'fault drop count=x' \
  'fault drop wrong' 'move t 0 9' 'hold t 0 2' 'disk 1 -1' 'requests produse' 'topic t' 'memory 0'
expect_out_has "error -100 there is no command 'foult'; did you mean fault?"
expect_out_has 'error -100 an empty line; help lists the commands'
expect_out_has 'error -100 usage: size TOPIC PARTITION'
expect_out_has "error -100 'x' is no number from 0"
expect_out_has 'error -100 kafka_cluster_log_size: topic t has partitions 0 to 1, not 9'
expect_out_has 'error 3 kafka_cluster_log_size: there is no topic w'
expect_out_has "error -100 there is no kind of fault 'drip'; did you mean drop?"
expect_out_has "error -100 there is no API 'produse'; did you mean produce?"
expect_out_has "error -100 'count=x' is no setting of a fault"
expect_out_has "error -100 'wrong' is no setting of a fault"
expect_out_has 'error -100 kafka_cluster_move_leader: the brokers are 1 to 3, not 9'
expect_out_has 'error 36 kafka_cluster_create_topic'
expect "$(grep -c '^error ' "$out")" = 16

# One fault of each kind, as clients meet it. kc tries again what may pass; -v says so.
it "sets every kind of fault, and counts who meets it"
one() { control 'clear' "fault $1"; expect "$(tail -n 1 "$out")" = ok; }
produce() { echo message >"$work/message"; run kc produce -q -t t -p 0 -m 20 "$work/message"; }
one 'error api=produce error=6'
produce
expect_code 0
one 'error api=produce error=10 topic=t partition=0'
produce
expect_code 1
expect_err_has '[10]'
one 'delay api=produce delay=50 broker=1'
produce
expect_code 0
one 'drop api=metadata count=1'
run kc meta
expect_code 1
expect_err_has 'the broker closed the connection'
one 'truncate api=metadata bytes=10'
run kc meta
expect_code 1
expect_err_has 'the broker closed the connection'
one 'silence api=list-offsets'
run kc offsets t -m 6 # time enough to meet it
expect_code 1
one 'apply-then-error api=produce error=6'
produce
one 'apply-then-drop api=produce'
produce
control met 'size t 0'
expect "$(sed -n 1p "$out")" = 'ok 8'
expect "$(sed -n 2p "$out" | cut -d ' ' -f 2)" = 0
expect "$(sed -n 2p "$out" | cut -d ' ' -f 3)" -ge 4

it "takes faults away, or lets them be for ever"
control 'fault error api=3 error=5 count=forever' 'fault drop topic=other count=3'
run kc topics describe t -m 1
expect_code 1
control clear
expect_out ok
run kc topics describe t -m 20
expect_code 0

it "stops and starts brokers, moves leaders, holds replication, slows disks, forgets producers"
control 'stop 1' 'leader t 0' 'start 1' 'move t 0 3' 'leader t 0' 'hold t 0 1' 'hold t 0 0' 'disk 3 60' 'expire t 0' 'expire t 0 5' \
  'memory 1000000'
expect_out 'ok
ok 2
ok
ok
ok 3
ok
ok
ok
ok
ok
ok'
produce
expect_code 0

it "carries commands to the one that listens"
run kc broker --control "$socket" leader t 0
expect_code 0
expect_out 3
run kc broker --control "$socket" fault error api=produce error=6 topic=nobodys
expect_code 0
expect_out ''
expect_err ''
run kc broker --control "$socket" fualt error
expect_code 1
expect_err_has "kc broker: there is no command 'fualt'; did you mean fault?"
run kc broker --control "$work/nowhere" met
expect_code 1
expect_err_has "--control $work/nowhere: No such file or directory"
expect_err_has 'is kc broker running there?'
run kc broker --control "$work/$(printf 'x%.0s' $(seq 200))" met
expect_code 2

it "serves several at once, in pieces, and drops who says nothing sensible for long"
python3 - "$socket" >"$out" 2>"$err" <<'P'
import socket, sys
def connect():
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(20)
    s.connect(sys.argv[1])
    return s
half, long, whole = connect(), connect(), connect()
half.sendall(b"m")
try:
    long.sendall(b"x" * 10000)
    end = long.recv(100)
except (BrokenPipeError, ConnectionResetError):
    end = b""
whole.sendall(b"met\r\nmet\n")
print(whole.makefile().readline()[:2], end)
half.sendall(b"et\n")
print(half.makefile().readline()[:2])
P
code=$?
expect_code 0
expect_out "ok b''
ok"

it "does not take a socket away from another one, but from one that is gone"
run kc broker --control "$socket"
expect_code 1
expect_err_has 'another program listens there'
end INT
expect_code 0
[ ! -e "$socket" ] || fail 'the socket is left'
broker --control "$socket"
kill -KILL "$pid"
{ wait "$pid"; } 2>/dev/null
broker --control "$socket"
control bootstrap
expect_out "ok $address"
end TERM
expect_code 0
finish
