#!/usr/bin/env bash
# kc without a broker: help, mistakes, exit codes, and errors of connecting.
source "$(dirname "$0")/assert.sh"
unset KAFKA_BROKERS

it "prints its help when asked, as a failure when called without anything"
run kc --help
expect_code 0
expect_err ''
for word in produce consume topics offsets meta KAFKA_BROKERS NO_COLOR 130; do expect_out_has "$word"; done
cp "$out" "$work/help"
run kc help
expect_same "$work/help" "$out"
run kc
expect_code 2
expect_out ''
expect_same "$work/help" "$err"

it "has help for every subcommand and verb, complete"
for command in produce consume 'topics list' 'topics describe' 'topics create' 'topics delete' offsets meta; do
  # shellcheck disable=SC2086  # two words
  run kc $command --help
  expect_code 0
  expect_err ''
  expect_out_has "usage: kc $command "
  for word in --brokers --timeout --verbose --quiet --help; do expect_out_has "$word"; done
  cp "$out" "$work/help"
  # shellcheck disable=SC2086
  run kc $command -vh
  expect_same "$work/help" "$out"
  expect "$(awk 'length > 88' "$out" | wc -l)" = 0
done
run kc help consume
expect_out_has '%t topic'
run kc topics --help
for word in list describe create delete; do expect_out_has "$word"; done

it "says what is built in"
run kc --version
expect_code 0
expect_out_has 'kafka-c '
expect_out_has 'built in: '

it "offers the right word for a typo"
run kc prodcue
expect_code 2
expect_err "kc: there is no command 'prodcue'; did you mean produce?
    kc --help lists the commands"
run kc topics crate
expect_code 2
expect_err_has "there is no verb 'crate'; did you mean create?"
run kc produce --topci x
expect_code 2
expect_err_has 'there is no option --topci; did you mean --topic?'
run kc --hlep
expect_err_has 'did you mean --help?'
run kc consume -t x -o begining
expect_err_has 'did you mean beginning?'
run kc produce -t x -z gzpi
expect_err_has 'did you mean gzip?'
run kc banana
expect_code 2
expect_err "kc: there is no command 'banana'
    kc --help lists the commands"

it "names what is wrong with an option, exits with 2 and prints nothing"
mistake() { # TEXT ARGUMENT...
  local text=$1
  shift
  run kc "$@"
  expect_code 2
  expect_out ''
  expect_err_has "$text"
  expect_err_has '--help'
}
mistake 'no topic given' produce
mistake 'no topic given' consume
mistake 'no topic given' topics create
mistake '-t needs a value' consume -t
mistake "-c '0' is not a number from 1" consume -t x -c 0
mistake "-p 'x' is not a list of partitions" consume -t x -p x
mistake "-p '-1' is not a partition" produce -t x -p -1
mistake "-D '\\q' holds an unknown escape" produce -t x -D '\q'
mistake "unknown directive %y" consume -t x -f %y
mistake '--json prints everything' consume -t x --json -f %s
mistake '-f says what is printed' consume -t x -f %s -k :
mistake "'greetings' is one argument too many" consume greetings
mistake "--config 'a' is not NAME=VALUE" topics create -b x:1 t --config a
mistake "-H '=v' has no name" produce -t x -H =v
mistake "--acks 'two' is no kind of acknowledgement; there are all, one and none" produce -t x --acks two
mistake "--partitioner 'murmur3' is no partitioner; did you mean murmur2?" produce -t x --partitioner murmur3
mistake '-p is one partition' produce -t x -p 1 --partitioner murmur2
mistake 'takes no value' consume --json=yes
mistake 'needs a consumer group' consume -t x -o stored
mistake "there is no option -y" consume -y
mistake 'no topic given' offsets
mistake "--at 'noon' is no time; one is 2024-05-01T12:30:00Z" offsets x --at noon
mistake "-p 'x' is not a list of partitions" offsets x -p x
mistake "-o 'xml' is no kind of output; there are text and json" offsets x -o xml
mistake "--output 'yaml' is no kind of output" meta --output yaml
mistake "-t needs a value" meta -t
run kc topics --json list
expect_code 2
expect_err_has 'the verb comes first'

it "asks for the brokers"
run kc topics list
expect_code 2
expect_err 'kc topics list: no broker given
    say where the cluster is: -b HOST:PORT, or export KAFKA_BROKERS=HOST:PORT
    (a broker on this machine is usually localhost:9092)'

it "says which port refused, and where the address came from"
for command in 'topics list' 'topics create x' 'topics delete x' 'consume -t x' 'produce -t x' 'offsets x y' meta 'meta x'; do
  # shellcheck disable=SC2086
  run kc $command -b 127.0.0.1:1
  expect_code 1
  expect_out ''
  expect_err_has '127.0.0.1:1'
  expect_err_has 'refused'
  expect_err_has 'from -b'
  expect "$(grep -c 'cannot' "$err")" = 1
done
KAFKA_BROKERS=127.0.0.1:1 run kc topics list
expect_err_has 'from KAFKA_BROKERS'

it "names a host that does not resolve"
run kc topics list -b kafka.invalid:9092
expect_code 1
expect_err_has 'kafka.invalid'
expect_err_has 'resolv'

it "quotes an address that is none, as wrong usage"
for address in localhost:99999 localhost:x http://localhost 'a:1,'; do
  run kc topics list -b "$address"
  expect_code 2
  expect_err_has 'expected host:port'
done

it "names a file that cannot be read before it connects"
run kc produce -b 127.0.0.1:1 -t x /nonexistent/file
expect_code 1
expect_err 'kc produce: cannot read /nonexistent/file: No such file or directory'

it "lets nothing that it was given play tricks on the terminal"
run kc $'\033[31mred\033[0m\nline'
expect_err_has "there is no command '?[31mred?[0m?line'"

it "says so when the output cannot be written"
kc --help >/dev/full 2>"$err"
code=$?
expect_code 1
expect_err 'kc: cannot write the output: No space left on device'

it "ends quietly when nobody reads its output"
{ kc --help; echo $? >"$out"; } 2>"$err" | :
expect_out 0
expect_err ''

it "paints its name red on a terminal, not with NO_COLOR, not on a dumb one, not in a pipe"
red=$'\033[31;1m'
terminal() { env -u NO_COLOR TERM=xterm "$@" script -qec "$KC topics list -b 127.0.0.1:1" /dev/null </dev/null >"$out" 2>&1; }
terminal
expect_out_has "${red}kc topics list:"
for setting in NO_COLOR=1 TERM=dumb; do
  terminal "$setting"
  expect_out_has 'kc topics list:'
  grep -qF "$red" "$out" && fail "colour with $setting"
done
env -u NO_COLOR TERM=xterm "$KC" topics list -b 127.0.0.1:1 >"$out" 2>&1
grep -qF "$red" "$out" && fail 'colour in a file'
finish
