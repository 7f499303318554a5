#!/usr/bin/env bash
# `make check`: builds everything in every way that matters and runs every test, beside one real Kafka broker. One line per
# step with its time; the output of a step lies in build/check/ and is shown when it fails. The last line sums up.
#
#   check.sh              everything
#   check.sh long         what takes longer than anybody waits for, after `everything` (make check-long)
#   check.sh STEP...      only these steps, in this order (check.sh list names them, check.sh list long those of long)
set -uo pipefail
cd "$(dirname "$0")/.."
root=$PWD
logs=$root/build/check
jobs=$(nproc)
kafka=$root/tests/kafka/kafka.sh

# ---- the steps ----------------------------------------------------------------------------------------------------------

steps=(setup sources jars build-dev build-clang build-release build-asan build-tsan build-bare schemas
       unit sim mutants install demo abi docs tidy asan sim-traces tsan chaos versions kafka kafka-asan kafka-tsan conformance)
long_steps=(setup parts coverage sim-long all-mutants chaos-long)

step_setup() { tools/setup.sh build test; }
wide_comments() { # clang-format leaves comments alone
  git ls-files '*.[ch]' '*.cc' | grep -v '/gen/' | xargs grep -nE '.{121}' | grep -E '^[^:]+:[0-9]+: *\*|/\*|//'
}
step_sources() { # arrows between the layers, generated code, layout
  tools/check_layers.py && tools/gen.py --check && ! wide_comments &&
    git ls-files 'src/*.[ch]' 'src/*.cc' 'tests/*.[ch]' 'cli/*.[ch]' 'bench/*.[ch]' 'fuzz/*.[ch]' 'examples/*.c' | grep -v '^src/wire/gen/' |
    xargs clang-format-14 --dry-run --Werror
}
step_tidy() { tools/tidy.sh; }
step_coverage() { tools/coverage.sh; }
step_jars() { "$kafka" jars && "$kafka" client-jar 4.4.0 && "$kafka" client-jar 3.9.1 && tests/kafka/versions.sh jars; }
step_schemas() { tools/check_schema.py "$("$kafka" client-jar 4.4.0)" "$("$kafka" client-jar 3.9.1)"; }

preset() { cmake --preset "$1" > /dev/null && cmake --build --preset "$1" -- -j "$jobs"; }
step_build-dev() { preset dev; }
step_build-clang() { preset clang; }
step_build-release() { preset release; }
step_build-asan() { preset asan; }
step_build-tsan() { preset tsan; }
step_build-bare() { # every optional part left out, and what is left must pass its tests
  cmake -S . -B build/bare -G Ninja -DCMAKE_BUILD_TYPE=Debug -DKAFKA_WERROR=ON -DKAFKA_BUILD_TESTS=ON -DKAFKA_BUILD_CLI=OFF \
    -DKAFKA_WITH_GZIP=OFF -DKAFKA_WITH_SNAPPY=OFF -DKAFKA_WITH_LZ4=OFF -DKAFKA_WITH_ZSTD=OFF > /dev/null &&
    cmake --build build/bare -- -j "$jobs" && tests_in bare -R '^(base|wire|engine|api)_'
}

# tests_in BUILD ctest-options...: runs tests of one build.
tests_in() {
  local build=$1 result
  shift
  ctest --test-dir "build/$build" -j "$jobs" --output-on-failure --no-tests=error "$@"
  result=$?
  cp "build/$build/Testing/Temporary/LastTest.log" "$logs/$step.tests" # what ran, for the step conformance
  return $result
}
step_unit() { tests_in dev -LE 'kafka|install'; }
step_sim() { preset release && tools/sim.sh 500; }
step_sim-traces() { preset release && preset asan && tools/sim.sh traces; }
step_mutants() { tools/mutants.sh --touched; } # those of the files that this change touches
step_install() { tests/install/install_test.sh build/release; }
step_demo() { tools/demo.sh; }
step_abi() { preset release && tests/abi/abi_test.sh build/release &&
  tests/abi/abi.py check build/release && tests/abi/abi_diff.sh build/release; }
step_docs() { tools/check_docs.sh; }
step_asan() { tests_in asan -LE 'kafka|install|model'; }
step_tsan() { tests_in tsan -LE 'kafka|install|model|sim'; }
step_versions() { tests_in release -L versions; } # each with a broker of its own
step_chaos() { preset release && tools/chaos.sh 60; } # has three brokers of its own
step_kafka() { tests_in release -L kafka; }
step_kafka-asan() { tests_in asan -L kafka; }
step_kafka-tsan() { tests_in tsan -L kafka; }
step_conformance() { tools/check_conformance.py "$logs"/*.tests; } # the tests that it names are among those that ran

# ---- the long ones ------------------------------------------------------------------------------------------------------

step_sim-long() { preset release && tools/sim.sh 10000; }
step_chaos-long() { preset release && tools/chaos.sh 600; }
step_all-mutants() { tools/mutants.sh; }
step_parts() { # each optional part left out alone: the rest builds, passes its tests, and serves programs once installed
  local failed_parts=0 part
  for part in WITH_GZIP WITH_SNAPPY WITH_LZ4 WITH_ZSTD BUILD_CLI BUILD_TESTS BUILD_SHARED BUILD_STATIC; do
    without "$part" && printf '== without %s: ok\n' "$part" || { printf '== without %s: FAILED\n' "$part"; failed_parts=1; }
  done
  return $failed_parts
}
without() { # PART: an option of CMakeLists.txt, which is off; all others are on
  local build=build/without-$1
  printf '== without %s\n' "$1"
  cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo -DKAFKA_WERROR=ON -DKAFKA_BUILD_TESTS=ON \
    -DKAFKA_BUILD_EXAMPLES=ON "-DKAFKA_$1=OFF" > /dev/null &&
    cmake --build "$build" -- -j "$jobs" &&
    { [ "$1" = BUILD_TESTS ] || tests_in "${build#build/}" -LE 'kafka|versions|model|sim'; } &&
    tests/install/install_test.sh "$build" &&
    rm -rf "$build"
}

# ---- running them -------------------------------------------------------------------------------------------------------

needs_broker() { [[ $1 == kafka* ]]; }
comes_last() { [ "$1" = conformance ]; } # it looks at what the others left

failed=()
run_step() {
  local name=$1 begin=$SECONDS log=$logs/$1.log
  step=$name
  printf '%-15s' "$name"
  if "step_$name" > "$log" 2>&1; then
    printf 'ok      %4d s\n' $((SECONDS - begin))
    return 0
  fi
  printf 'FAILED  %4d s\n' $((SECONDS - begin))
  tail -n 60 "$log" | sed 's/^/    /'
  printf '    (all of it: %s)\n' "${log#"$root"/}"
  failed+=("$name")
  case $name in setup | jars | build-dev) return 1 ;; esac # nothing makes sense without these
}

count_tests() {
  cat "$logs"/*.log 2>/dev/null | sed -n 's/.*tests passed, \([0-9]*\) tests failed out of \([0-9]*\).*/\2/p' | awk '{n += $1} END {print n + 0}'
}

# The lines of a failed step's log that say why: assertions, reports of sanitizers, errors of compilers, and who failed.
reasons() { # STEP
  local why='\[  ERROR   \]|^ERROR: |\[   LINE   \]|\[  FAILED  \] [a-z]|^FAILED: |^  in '.*', line |Sanitizer: |runtime error:'
  why+='|: error:|\((Failed|Timeout|SEGFAULT|Subprocess aborted)\)'
  [ ! -f "$logs/$1.log" ] || grep -E "$why" "$logs/$1.log" | awk '!seen[$0]++' | cut -c 1-160 | head -n 12
}

summary() {
  local total name
  total=$(count_tests)
  if [ ${#failed[@]} -eq 0 ]; then
    echo "check: all $# steps passed, $total test programs run, $((SECONDS / 60)) min $((SECONDS % 60)) s"
  else
    for name in "${failed[@]}"; do reasons "$name" | sed "s/^/$name: /"; done
    echo "check: FAILED: ${failed[*]} (of $# steps, $total test programs run, $((SECONDS / 60)) min $((SECONDS % 60)) s)"
    exit 1
  fi
}

if [ "${*: -1}" = long ]; then
  steps=("${long_steps[@]}")
  set -- "${@:1:$#-1}"
fi
[ "${1:-}" = list ] && { printf '%s\n' "${steps[@]}"; exit 0; }
[ $# -gt 0 ] && steps=("$@")
for name in "${steps[@]}"; do
  declare -F "step_$name" > /dev/null || { echo "check.sh: no step \"$name\"; check.sh list names them" >&2; exit 2; }
done

# The steps that need a broker run inside `kafka.sh with`, which stops it whatever happens.
if [ -z "${KAFKA_CHECK_INSIDE:-}" ]; then
  mkdir -p "$logs"
  rm -f "$logs"/*.log "$logs"/*.tests
  before=() beside=() after=()
  for name in "${steps[@]}"; do
    if needs_broker "$name"; then beside+=("$name"); elif comes_last "$name"; then after+=("$name"); else before+=("$name"); fi
  done
  for name in ${before[@]+"${before[@]}"}; do run_step "$name" || { summary "${steps[@]}"; exit 1; }; done
  if [ ${#beside[@]} -gt 0 ]; then
    KAFKA_CHECK_INSIDE=1 "$kafka" with "$root/tools/check.sh" "${beside[@]}"
    case $? in 0) ;; 3) mapfile -t names < "$logs/failed"; failed+=("${names[@]}") ;; *) failed+=(broker) ;; esac
  fi
  for name in ${after[@]+"${after[@]}"}; do run_step "$name"; done
  summary "${steps[@]}"
else
  for name in "${steps[@]}"; do run_step "$name"; done
  printf '%s\n' ${failed[@]+"${failed[@]}"} > "$logs/failed"
  [ ${#failed[@]} -eq 0 ] || exit 3
fi
