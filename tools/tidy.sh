#!/usr/bin/env bash
# clang-tidy 14 over the sources of library, kc and examples (.clang-tidy says what it looks for). Anything it says is a
# failure.
#
#   tidy.sh             all of them
#   tidy.sh FILE...     these
set -euo pipefail
cd "$(dirname "$0")/.."
cmake --preset clang > /dev/null # for its list of commands; nothing is built
files=("$@")
[ $# -gt 0 ] || mapfile -t files < <(git ls-files 'src/*.c' 'src/*.cc' 'cli/*.c' 'examples/*.c' | grep -v '^src/wire/gen/')
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# One file each time: over several at once the analyzer of 14 takes va_lists for uninitialised.
status=0
printf '%s\n' "${files[@]}" | xargs -P "$(nproc)" -n 1 clang-tidy-14 --quiet -p build/clang > "$log" 2> /dev/null || status=$?
if [ -s "$log" ] || [ $status != 0 ]; then
  cat "$log"
  echo "tidy: clang-tidy has something to say (status $status)"
  exit 1
fi
echo "tidy: ${#files[@]} files, nothing to say"
