#!/usr/bin/env bash
# An installed tree serves programs that were not built with us: through pkg-config and through CMake, shared and static,
# in C and in C++. Only kafka_ symbols are exported.
#
#   install_test.sh BUILD_DIR      installs that build into a temporary prefix and builds programs against it
set -euo pipefail
build=$(cd "$1" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
prefix=$work/prefix

cmake --install "$build" --prefix "$prefix" > "$work/install.log"
libdir=$(dirname "$(find "$prefix" -name libkafka.pc)")/..
libdir=$(cd "$libdir" && pwd)
export PKG_CONFIG_PATH=$libdir/pkgconfig
fail() { echo "install_test: $*" >&2; exit 1; }

for f in include/kafka/kafka.h include/kafka/conn.h bin/kc; do [ -e "$prefix/$f" ] || fail "$f is not installed"; done
[ "$(basename "$(readlink "$libdir/libkafka.so")")" = libkafka.so.0 ] || fail "libkafka.so does not lead to libkafka.so.0"
foreign=$(nm -D --defined-only "$libdir/libkafka.so" | awk '$3 !~ /^kafka_/ && $3 !~ /^KAFKA_0/ {print $3}')
[ -z "$foreign" ] || fail "symbols are exported that do not begin with kafka_: $foreign"

exported=$(nm -D --defined-only "$libdir/libkafka.so" | awk '{sub(/@.*/, "", $3); print $3}')
for f in $(cat "$prefix"/include/kafka/*.h | tr '\n' ' ' | grep -oE 'KAFKA_API [^;]*;' | grep -oE '\bkafka_[a-z0-9_]+ ?\(' | tr -d ' (' | sort -u); do
  grep -qx "$f" <<< "$exported" || fail "$f is declared and not exported"
done

runs() { # name, library path, expected text
  local out
  out=$(LD_LIBRARY_PATH=$2 "$work/$1") || fail "$1 ends with $?"
  [[ $out == kafka-c\ * ]] || fail "$1 prints \"$out\""
  echo "ok: $1"
}

# shellcheck disable=SC2046
{
  cc -std=c11 "$here/program.c" -o "$work/pkgconfig-shared-c" $(pkg-config --cflags --libs libkafka)
  runs pkgconfig-shared-c "$libdir"
  c++ -std=c++17 -x c++ "$here/program.c" -x none -o "$work/pkgconfig-shared-c++" $(pkg-config --cflags --libs libkafka)
  runs pkgconfig-shared-c++ "$libdir"
  cc -std=c11 "$here/program.c" -o "$work/pkgconfig-static-c" $(pkg-config --cflags libkafka) "$libdir/libkafka.a" \
    $(pkg-config --static --libs-only-l --libs-only-other libkafka | sed 's/-lkafka\b//')
  runs pkgconfig-static-c ""
}

cmake -S "$here" -B "$work/cmake" -DCMAKE_PREFIX_PATH="$prefix" > "$work/cmake.log" 2>&1 || { cat "$work/cmake.log"; fail "find_package(kafka) failed"; }
cmake --build "$work/cmake" > "$work/cmake.log" 2>&1 || { cat "$work/cmake.log"; fail "building with kafka::kafka failed"; }
for p in shared static cxx; do cp "$work/cmake/$p" "$work/cmake-$p"; runs cmake-$p "$libdir"; done
