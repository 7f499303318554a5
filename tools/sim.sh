#!/usr/bin/env bash
# The scenarios of tests/sim/scenarios and tests/sim/writers: an application and an in-memory cluster in virtual time, under many
# seeds.
#
#   sim.sh [SEEDS [FROM]]     so many seeds (default 2000), shared by the scenarios, from this number on (default 0); more where
#                             something that must happen has not happened yet
#   sim.sh traces             the same seeds leave the same traces, byte for byte, in the optimised build and under the
#                             address sanitizer; both must be there already
#
# Seeds are made from their number and the name of the commit (KFK_SEED_BASE), so that each commit has others. One that fails
# prints the command that runs it again (tests/sim/runner.h), and is noted in BUILD/failed_seeds.txt: what stands there, or in
# tests/sim/seeds.txt for everybody, always runs first. BUILD is the build to use, default build/release. Up to 2 000 seeds must
# not take longer than a minute.
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

traces() {
  local one=build/release two=build/asan dir program
  dir=$(mktemp -d)
  trap 'rm -rf "$dir"' RETURN
  for b in "$one" "$two"; do
    for program in "${programs[@]}"; do
      KFK_EACH=2 KFK_HASHES=$dir/$(basename "$b") "$b/tests/sim/$program" > "$dir/log" 2>&1 ||
        { grep -v OK "$dir/log" | tail -40; echo "sim: a seed fails in $b"; return 1; }
    done
  done
  cmp "$dir/release" "$dir/asan" || { diff "$dir/release" "$dir/asan" | head; echo "sim: traces differ"; return 1; }
  echo "sim: $(wc -l < "$dir/asan") traces are the same in $one and $two"
}

if [ "${1:-}" = traces ]; then
  traces
  exit
fi

seeds=${1:-2000}
# what a scenario gets by default is 80 seeds, by KFK_SEEDS=200
export KFK_FAILED=$build/failed_seeds.txt KFK_SEEDS=$(((seeds * 200 + scenarios * 80 - 1) / (scenarios * 80))) KFK_FROM=${2:-0}
for program in "${programs[@]}"; do
  [ -x "$build/tests/sim/$program" ] || { echo "sim: $program is not there; build it first" >&2; exit 2; }
done
begin=$SECONDS
echo "sim: $seeds seeds of $scenarios scenarios, from number $KFK_FROM on, for \"$KFK_SEED_BASE\""
for program in "${programs[@]}"; do "$build/tests/sim/$program"; done
took=$((SECONDS - begin))
echo "sim: $took s"
[ "$took" -le 60 ] || [ "$seeds" -gt 2000 ] || { echo "sim: that is more than a minute"; exit 1; }
