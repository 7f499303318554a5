#!/usr/bin/env bash
# Writers against three real Kafka nodes that are killed, stopped, and restarted: tests/chaos/README.md.
#
#   chaos.sh [SECONDS [SEED]]     so long (default 60) with this seed (default: another one each time)
#
# BUILD is the build to use, default build/release. PORT is the first of 30 ports for the nodes, default 19392. What happened lies
# in BUILD/chaos/SEED, in case of an anomaly with the logs of the brokers and the partitions; else timeline.txt alone.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-60}
seed=${2:-$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')}
[[ $seconds =~ ^[1-9][0-9]*$ && $seed =~ ^[0-9]+$ ]] || { echo "chaos: chaos.sh [SECONDS [SEED]]" >&2; exit 2; }
build=${BUILD:-build/release}
program=$build/tests/chaos/chaos
[ -x "$program" ] || { echo "chaos: $program is not there; build it first" >&2; exit 2; }
command -v kcat > /dev/null || { echo "chaos: kcat is missing; on Debian: apt-get install kcat" >&2; exit 2; }
dir=$PWD/$build/chaos/$seed
rm -rf "$dir"
mkdir -p "$dir"

rc=0
PORT=${PORT:-19392} N=3 EXTRA_CONF='min.insync.replicas=2
leader.imbalance.check.interval.seconds=5' \
  tests/kafka/kafka.sh with "$program" --seed "$seed" --seconds "$seconds" --dir "$dir" || rc=$?
if [ $rc -eq 0 ]; then
  rm -f "$dir"/broker-*.log
else
  echo "chaos: FAILED with seed $seed. Again: make chaos CHAOS_SECONDS=$seconds SEED=$seed"
  echo "chaos: all of it: $dir (timeline.txt; broker-N.log; kafka.sh.log; the partitions)"
fi
exit $rc
