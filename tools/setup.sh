#!/usr/bin/env bash
# Installs the Debian packages that are missing, and says which. Needs root or sudo only when something is missing.
#
#   setup.sh build           what building library and kc takes
#   setup.sh test            what the tests take beyond that
#   setup.sh demo            what `make demo-real` takes
#   setup.sh fuzz            what `make fuzz` takes beyond the tests
#   setup.sh coverage        what `make coverage` takes beyond the tests
#   setup.sh bench           what `make bench` takes
set -euo pipefail

build=(gcc g++ cmake ninja-build pkg-config zlib1g-dev libsnappy-dev liblz4-dev libzstd-dev libjansson-dev)
kafka=(openjdk-17-jdk-headless maven ca-certificates procps util-linux)
tests=(clang-14 clang-format-14 clang-tidy-14 libcmocka-dev python3 patch spin kcat strace abigail-tools mandoc
       groff-base zsh fish "${kafka[@]}")
fuzz=(libclang-rt-14-dev)
coverage=(gcovr)

wanted=()
for group in "$@"; do
  case $group in
    build) wanted+=("${build[@]}") ;;
    test) wanted+=("${tests[@]}") ;;
    demo) wanted+=("${kafka[@]}") ;;
    fuzz) wanted+=("${fuzz[@]}") ;;
    coverage) wanted+=("${coverage[@]}") ;;
    bench) wanted+=(kcat strace valgrind python3 librdkafka-dev "${kafka[@]}") ;;
    *) echo "setup.sh: no group \"$group\"; there are build, test, demo, bench, fuzz, coverage" >&2; exit 2 ;;
  esac
done

installed() { # a package, or for what people bring themselves (a JDK, cmake, python) the program that is wanted of it
  dpkg-query -W -f '${Status}' "$1" 2>/dev/null | grep -q '^install ok installed' && return
  case $1 in
    gcc|g++|cmake|spin|kcat|strace|valgrind|mandoc|zsh|fish|python3|clang-14|clang-format-14|clang-tidy-14|pkg-config) command -v "$1" > /dev/null ;;
    abigail-tools) command -v abidiff > /dev/null ;;
    groff-base) command -v groff > /dev/null ;;
    ninja-build) command -v ninja > /dev/null ;;
    maven) command -v mvn > /dev/null ;;
    openjdk-17-jdk-headless) command -v javac > /dev/null ;;
    *) return 1 ;;
  esac
}

missing=()
for package in "${wanted[@]}"; do
  command -v dpkg-query > /dev/null || { echo "setup.sh: this is no Debian; please see to it that these are there: ${wanted[*]}" >&2; exit 0; }
  installed "$package" || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

echo "installing ${missing[*]}"
as_root=()
if [ "$(id -u)" != 0 ]; then
  command -v sudo > /dev/null || { echo "setup.sh: neither root nor sudo: please install ${missing[*]}" >&2; exit 1; }
  as_root=(sudo)
fi
log=$(mktemp)
export DEBIAN_FRONTEND=noninteractive
if ! { "${as_root[@]}" apt-get update -qq && "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}"; } > "$log" 2>&1; then
  cat "$log" >&2
  echo "setup.sh: installing failed; by hand: apt-get install ${missing[*]}" >&2
  exit 1
fi
rm -f "$log"
