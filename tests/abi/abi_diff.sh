#!/usr/bin/env bash
# The shared libraries of a build beside those of the last tag, by abidiff: programs built then must run now. The tag is built in a
# worktree that goes away again. Without a tag there is nothing to compare, which is said; a raised SOVERSION says that
# programs have to be built anew, and ends the comparison.
#
#   abi_diff.sh BUILD_DIR
#
# abidiff does not know that a reserved field may make room for one with a name, which abi.py allows and watches over. Such a
# struct goes into allowed.abignore beside this script, until the next tag: [suppress_type], and name = kafka_... below it.
set -euo pipefail
build=$(cd "$1" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)

tag=$(git -C "$root" describe --tags --abbrev=0 2> /dev/null || true)
[ -n "$tag" ] || { echo "abi_diff: no tag yet, nothing to compare with"; exit 0; }

work=$(mktemp -d)
leave() {
  git -C "$root" worktree remove --force "$work/tree" 2> /dev/null || true
  rm -rf "$work"
}
trap leave EXIT
git -C "$root" worktree add -q --detach "$work/tree" "$tag"
cmake -S "$work/tree" -B "$work/build" -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo -DKAFKA_BUILD_CLI=OFF > /dev/null
cmake --build "$work/build" > "$work/build.log" || { cat "$work/build.log"; echo "abi_diff: $tag does not build"; exit 1; }

soname() { readelf -d "$1" | sed -n 's/.*soname: \[\(.*\)\]/\1/p'; }
allowed=()
[ ! -e "$here/allowed.abignore" ] || allowed=(--suppressions "$here/allowed.abignore")
for library in libkafka.so libkafka-testing.so; do
  [ -e "$work/build/$library" ] || { echo "abi_diff: $tag has no $library"; continue; }
  old=$(soname "$work/build/$library") new=$(soname "$build/$library")
  [ "$old" = "$new" ] || { echo "abi_diff: $tag is $old, this is $new: not meant to be compatible"; continue; }
  result=0
  abidiff --no-added-syms ${allowed[@]+"${allowed[@]}"} --headers-dir1 "$work/tree/include" --headers-dir2 "$root/include" \
    "$work/build/$library" "$build/$library" || result=$?
  [ $result = 0 ] || {
    echo "abi_diff: programs built with $library of $tag may not run with this (abidiff: $result)"
    echo "abi_diff: a struct in which only reserved fields were taken goes into tests/abi/allowed.abignore (see abi_diff.sh)"
    exit 1
  }
  echo "abi_diff: programs built with $library of $tag run with this"
done
