#!/usr/bin/env bash
#
# Runs a program beside three nodes of its own, a hundred ports above those of the broker that is there.
#
#   cluster_test.sh PROGRAM

set -euo pipefail

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
port=$((${KAFKA_TEST_PORT:-${PORT:-19092}} + 100))
PORT=$port N=3 exec "$here/kafka.sh" with "$1"
