#!/usr/bin/env bash
#
# What `kafka.sh with` promises, seen by kcat: the listeners answer, and advertise what they should. One line per check.

# shellcheck disable=SC2317  # check calls the functions
set -uo pipefail

failures=0
check() { # SENTENCE COMMAND...: the command has to succeed
  local sentence=$1 output
  shift
  if output=$("$@" 2>&1); then
    echo "ok      $sentence"
  else
    echo "FAILED  $sentence"
    printf '%s\n' "$output" | head -n 20 | sed 's/^/        /'
    failures=$((failures + 1))
  fi
}

for name in KAFKA_BROKERS KAFKA_TEST_{BOOTSTRAP,ADVBAD,ADVREFUSED,SH,NODES}; do
  if [ -z "${!name:-}" ]; then
    echo "$name is not set: no broker was started for this test. Run it as: tests/kafka/kafka.sh with ctest -L kafka"
    exit 1
  fi
done
type -P kcat >/dev/null || { echo "kcat is missing; on Debian: apt-get install kcat"; exit 1; }

metadata() { kcat -L -m 10 -b "$1"; }
has() { # TEXT COMMAND...: the output has TEXT in it
  local text=$1 output
  shift
  output=$("$@") || return
  [[ $output == *"$text"* ]] || { printf '%s\n' "no '$text' in:" "$output"; return 1; }
}
advertises() { # BOOTSTRAP ADDRESS...: as many brokers as nodes, at these addresses
  local bootstrap=$1 address
  shift
  has " $KAFKA_TEST_NODES brokers:" metadata "$bootstrap" || return
  for address; do has " at $address" metadata "$bootstrap" || return; done
}

each_advertises_all() {
  local node nodes
  IFS=, read -ra nodes <<<"$KAFKA_BROKERS"
  for node in "${nodes[@]}"; do advertises "$node" "${nodes[@]}" || return; done
}
not() { ! "$@"; }
accepts() { exec 3<>"/dev/tcp/127.0.0.1/$1"; }

check "every node answers, and names all nodes at the addresses in KAFKA_BROKERS" each_advertises_all
check "KAFKA_TEST_BOOTSTRAP is the same list" test "$KAFKA_TEST_BOOTSTRAP" = "$KAFKA_BROKERS"
check "a broker is the controller" has "(controller)" metadata "$KAFKA_BROKERS"
check "KAFKA_TEST_ADVBAD answers, and advertises a name that does not resolve" \
  advertises "$KAFKA_TEST_ADVBAD" kafka.invalid:29092
check "that name does not resolve" not getent hosts kafka.invalid
check "KAFKA_TEST_ADVREFUSED answers, and advertises a port that refuses" \
  advertises "$KAFKA_TEST_ADVREFUSED" 127.0.0.1:1
check "that port refuses" not accepts 1
check "all nodes run" "$KAFKA_TEST_SH" status
exit $((failures > 0))
