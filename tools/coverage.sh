#!/usr/bin/env bash
# Which lines of src/ the tests run: builds with counters, runs unit tests, simulation and fuzz corpora (with KAFKA=1 the
# tests against a real broker, too), and prints a line per file and the total, which must not be below 90 %.
#
#   coverage.sh            all of it
#   coverage.sh report     only the report, of what ran last
#
# Generated code (src/wire/gen/) is left out: it is constant data. What runs in a forked child that ends with _exit does not
# count, nor do kc's tests that need a broker. build/coverage/coverage.html shows each line.
set -euo pipefail
cd "$(dirname "$0")/.."
least=90
build=build/coverage

report() {
  gcovr "$build/src" --root . --filter src/ --exclude src/wire/gen/ --object-directory "$build" --fail-under-line "$least" \
    --html-details "$build/coverage.html" --txt -
}

if [ "${1:-}" = report ]; then
  report
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
