#!/usr/bin/env bash
# Fuzzing with libFuzzer, address and undefined-behaviour sanitizers (clang 14).
#
#   fuzz.sh                      every target for a minute of processor time
#   fuzz.sh TARGET [MINUTES]     one target ("response"), 1 minute unless told
#   fuzz.sh all MINUTES          every target for so long
#   fuzz.sh seeds                writes fuzz/corpus/*.txt anew (fuzz/seeds.c)
#   fuzz.sh list                 names the targets
#
# What is new in a run stays in build/fuzz/corpus/TARGET for the next one, its log in build/fuzz/TARGET.log, an input that
# fails in build/fuzz/. The last line of a target says how many inputs ran, how many edges they reached, what failed.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
out=$root/build/fuzz

targets() { # one for each corpus
  local file
  for file in fuzz/corpus/*.txt; do basename "$file" .txt; done | grep -v '\.found$'
}

build() {
  tools/setup.sh build test fuzz
  cmake --preset fuzz > /dev/null
  cmake --build --preset fuzz -- -j "$(nproc)" > "$out.log" 2>&1 || { tail -n 40 "$out.log"; exit 1; }
}

# summary TARGET: the line from the log of libFuzzer
summary() {
  local log=$out/$1.log executions edges failures
  executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
  edges=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$log" | tail -n 1)
  failures=$(grep -c '^SUMMARY: ' "$log" || true)
  printf '%-12s %12s inputs, %6s edges, %s failures\n' "$1" "${executions:-?}" "${edges:-?}" "$failures"
}

run() { # TARGET MINUTES
  local target=$1 corpus=$out/corpus/$1
  [ -x "$out/fuzz/fuzz_$target" ] || { echo "fuzz.sh: no target \"$target\"; fuzz.sh list names them" >&2; return 2; }
  python3 fuzz/unpack.py "$corpus" fuzz/corpus/"$target".txt $(ls fuzz/corpus/"$target".found.txt 2> /dev/null)
  (cd "$out" && exec "fuzz/fuzz_$target" -max_len=8192 -timeout=20 -rss_limit_mb=2048 -print_final_stats=1 \
    -artifact_prefix="$target-" "$corpus" > "$target.log" 2>&1) &
  local pid=$! status=0
  end_after "$pid" $(($2 * 60)) # of processor time, whatever else the machine does
  wait "$pid" || status=$?
  [ $status = 0 ] || tail -n 40 "$out/$target.log"
  summary "$target"
  return $status
}

# end_after PID SECONDS: asks libFuzzer to finish once it had so much processor time. It may finish by itself, too.
end_after() {
  local used
  while used=$(ps -o cputimes= -p "$1"); do
    if [ "$used" -ge "$2" ]; then
      kill -USR1 "$1" 2> /dev/null || true
      return
    fi
    sleep 1
  done
}

case ${1:-all} in
  list) targets ;;
  seeds)
    cmake --preset dev > /dev/null
    cmake --build --preset dev --target fuzz_seeds
    build/dev/fuzz/fuzz_seeds tests/golden fuzz/corpus
    ;;
  all)
    build
    failed=0
    for target in $(targets); do run "$target" "${2:-1}" || failed=1; done
    exit $failed
    ;;
  *)
    build
    run "$1" "${2:-1}"
    ;;
esac
