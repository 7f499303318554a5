#!/usr/bin/env bash
# Which lines of src/ the tests run: builds with counters, runs unit tests, simulation and fuzz corpora (with KAFKA=1 the
# tests against a real broker, too), and prints a line per file and the total, which must not be below 90 %.
#
#   coverage.sh            all of it
#   coverage.sh report     only the report, of what ran last; with `-v` the lines that did not run
#
# Generated code (src/wire/gen/) is left out: it is constant data.
set -euo pipefail
cd "$(dirname "$0")/.."
least=90
build=build/coverage

report() {
  gcovr --root . --filter 'src/' --exclude 'src/wire/gen/' --object-directory "$build" --exclude-unreachable-branches \
    --fail-under-line "$least" --json-summary "$build/coverage.json" --html-details "$build/coverage.html" "$@" "$build/src"
}

if [ "${1:-}" = report ]; then
  shift
  report "$@"
  exit
fi
tools/setup.sh build test coverage
cmake --preset coverage > /dev/null
cmake --build --preset coverage -- -j "$(nproc)" > "$build/build.log" 2>&1 || { tail -n 40 "$build/build.log"; exit 1; }
find "$build" -name '*.gcda' -delete
KFK_SEEDS=${KFK_SEEDS:-50} ctest --test-dir "$build" -j "$(nproc)" --output-on-failure --no-tests=error \
  -LE 'kafka|install|model' > "$build/tests.log" 2>&1 || { tail -n 60 "$build/tests.log"; exit 1; }
if [ -n "${KAFKA:-}" ]; then
  tests/kafka/kafka.sh with ctest --test-dir "$build" --output-on-failure --no-tests=error -L kafka > "$build/kafka.log" 2>&1 ||
    { tail -n 60 "$build/kafka.log"; exit 1; }
fi
report
