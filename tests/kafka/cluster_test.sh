#!/usr/bin/env bash
#
# Runs a program beside nodes of its own, some ports above those of the broker that is there.
#
#   cluster_test.sh PROGRAM [NODES [PORTS-ABOVE [proxied]]]
#
# Three nodes, a hundred ports above, unless told. With `proxied` the (one) node tells clients that it is at port 5 of its
# ten, where the program has a proxy listen.

set -euo pipefail

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
port=$((${KAFKA_TEST_PORT:-${PORT:-19092}} + ${3:-100}))
if [ "${4:-}" = proxied ]; then
  export EXTRA_CONF="advertised.listeners=PLAINTEXT://127.0.0.1:$((port + 5)),ADVBAD://kafka.invalid:29092,ADVREFUSED://127.0.0.1:1"
fi
PORT=$port N=${2:-3} exec "$here/kafka.sh" with "$1"
