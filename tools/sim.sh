#!/usr/bin/env bash
# The scenarios of tests/sim/scenarios and tests/sim/writers: an application and an in-memory cluster in virtual time, under many
# seeds.
#
#   sim.sh [SEEDS [FROM]]     so many seeds of each scenario (default 500), from this number on (default 0)
#   sim.sh traces             the same seeds leave the same traces, byte for byte, in the optimised build and under the
#                             address sanitizer; both must be there already
#
# The seeds are shared by one process for each processor. Seeds are made from their number and the name of the commit
# (KFK_SEED_BASE), so that each commit has others. One that fails prints the command that runs it again (tests/sim/runner.h), and is
# noted in BUILD/failed_seeds.txt: what stands there, or in tests/sim/seeds.txt for everybody, always runs first. BUILD is the build
# to use, default build/release. What a seed may cost is limited by the runner, so 500 of each take less than two minutes on two
# processors that have nothing else to do, and 10 000 less than half an hour.
set -euo pipefail
cd "$(dirname "$0")/.."
build=${BUILD:-build/release}
programs=(sim_scenarios_test sim_writers_test)
commit=$(git rev-parse --short HEAD 2> /dev/null || echo none)
export KFK_SEED_BASE=${KFK_SEED_BASE-$commit}

# A line of seeds.txt whose scenario was renamed would never run again.
while read -r name _; do
  grep -rqw --include='*.[ch]' -- "$name" tests/sim || { echo "sim: tests/sim/seeds.txt names no scenario: $name" >&2; exit 1; }
done < <(grep -v '^#' tests/sim/seeds.txt || true)

scenarios=$(cat tests/sim/scenarios/scenarios.h tests/sim/writers/writers.h | sed -n 's/^ *X(\(.*\)).*/\1/p' | wc -l)
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT

traces() {
  local one=build/release two=build/asan program
  for b in "$one" "$two"; do
    for program in "${programs[@]}"; do
      KFK_EACH=2 KFK_HASHES=$logs/$(basename "$b") "$b/tests/sim/$program" > "$logs/log" 2>&1 ||
        { grep -v OK "$logs/log" | tail -40; echo "sim: a seed fails in $b"; return 1; }
    done
  done
  cmp "$logs/release" "$logs/asan" || { diff "$logs/release" "$logs/asan" | head; echo "sim: traces differ"; return 1; }
  echo "sim: $(wc -l < "$logs/asan") traces are the same in $one and $two"
}

if [ "${1:-}" = traces ]; then
  traces
  exit
fi

seeds=${1:-500} from=${2:-0} processes=$(nproc)
[ "$seeds" -ge "$processes" ] || processes=1
export KFK_FAILED=$build/failed_seeds.txt
for program in "${programs[@]}"; do
  [ -x "$build/tests/sim/$program" ] || { echo "sim: $program is not there; build it first" >&2; exit 2; }
done
begin=$SECONDS failed=0
echo "sim: $seeds seeds of each of $scenarios scenarios, from number $from on, for \"$KFK_SEED_BASE\", in $processes processes"
for program in "${programs[@]}"; do
  pids=()
  for ((i = 0; i < processes; i++)); do
    KFK_EACH=$((seeds * (i + 1) / processes - seeds * i / processes)) KFK_FROM=$((from + seeds * i / processes)) \
      "$build/tests/sim/$program" > "$logs/$program.$i" 2>&1 &
    pids+=($!)
  done
  for ((i = 0; i < processes; i++)); do
    result=0
    wait "${pids[$i]}" || result=$?
    cat "$logs/$program.$i"
    [ $result -eq 0 ] || { failed=1; echo "sim: $program ends with $result (seeds from $((from + seeds * i / processes)) on)"; }
  done
done
echo "sim: $((SECONDS - begin)) s"
exit $failed
