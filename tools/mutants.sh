#!/usr/bin/env bash
# Bugs that the simulation must find: each patch of tests/sim/mutants is applied to a copy of the tree, built, and the test that
# it names is run until a seed fails, 1 000 seeds of a scenario at most. One that is not found, or that does not apply any more,
# is a failure. (Wrong rules about sequences are found by the model of tests/engine/sequence_model.h in the same way.)
#
#   mutants.sh                  all of them
#   mutants.sh NAME...          these
#   mutants.sh --touched        those that patch a file which differs from the last commit, or in it, and no others
#
# A patch begins with a sentence and a line "found by: PROGRAM TEST [SEEDS]": the test program, which of its tests (* = any), and
# how many seeds it may take instead of 1 000. The copy and its build stay in build/mutants, so that only what a patch touches is
# built again.
set -uo pipefail
cd "$(dirname "$0")/.."
root=$PWD
patches=$root/tests/sim/mutants
tree=$root/build/mutants/tree
build=$root/build/mutants/build
log=$root/build/mutants/log
jobs=${JOBS:-$(nproc)}

touched() { # the names of the patches whose files changed
  local changed patch
  changed=$({ git diff --name-only HEAD; git diff --name-only HEAD~1 HEAD; git diff --name-only main...HEAD; } 2> /dev/null | sort -u)
  for patch in "$patches"/*.patch; do
    grep -qxF -f <(sed -n 's,^+++ b/,,p' "$patch") <<< "$changed" && basename "$patch" .patch
  done
}

if [ "${1:-}" = --touched ]; then
  mapfile -t names < <(touched)
elif [ $# -gt 0 ]; then
  names=("$@")
else
  mapfile -t names < <(cd "$patches" && ls -- *.patch | sed 's/\.patch$//')
fi
[ ${#names[@]} -gt 0 ] || { echo "mutants: none concerns what was changed"; exit 0; }

# The copy is brought up to date by content, so that unchanged files keep their times and are not built again.
bring_up_to_date() {
  local file
  git ls-files --cached --others --exclude-standard | sort > "$log/files"
  while read -r file; do
    [ ! -f "$file" ] || cmp -s "$file" "$tree/$file" || { mkdir -p "$tree/$(dirname "$file")" && cp -p "$file" "$tree/$file" && touch "$tree/$file"; }
  done < "$log/files"
  (cd "$tree" && find . -type f | sed 's,^./,,' | sort | comm -13 "$log/files" - | xargs -r -d '\n' rm -f)
}
mkdir -p "$tree" "$log"
bring_up_to_date
cmake -S "$tree" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo -DKAFKA_BUILD_TESTS=ON -DKAFKA_BUILD_CLI=OFF \
  -DKAFKA_WERROR=OFF > "$log/cmake" 2>&1 || { tail -20 "$log/cmake"; exit 1; }

found_by() { sed -n "s/^found by: *//p" "$patches/$1.patch"; }
programs() { for name in "${names[@]}"; do found_by "$name" | cut -d' ' -f1; done | sort -u; }
make_it() { cmake --build "$build" -- -j "$jobs" "$@"; }
run_it() { # PROGRAM TEST SEEDS
  env -u KFK_SEED KFK_EACH="$3" KFK_TEST="$2" timeout 300 "$(echo "$build"/tests/*/"$1")"
}

missed=()
mapfile -t all_programs < <(programs)
if ! make_it "${all_programs[@]}" > "$log/build" 2>&1; then
  tail -30 "$log/build"
  echo "mutants: the tree does not build as it is"
  exit 1
fi
for name in "${names[@]}"; do # first without: what fails anyway finds nothing
  read -r program test _ < <(found_by "$name")
  run_it "$program" "$test" 50 > "$log/$name.before" 2>&1 && continue
  tail -20 "$log/$name.before"
  echo "mutants: $program $test fails already"
  exit 1
done

unpatch() { [ -z "${patched:-}" ] || patch -s -R -p1 -d "$tree" < "$patched"; patched=; }
trap unpatch EXIT
begin=$SECONDS
for name in "${names[@]}"; do
  read -r program test seeds < <(found_by "$name")
  printf '%-38s' "$name"
  if ! patch -s -p1 -d "$tree" --dry-run < "$patches/$name.patch" > "$log/$name" 2>&1; then
    echo "does not apply"
    missed+=("$name")
    continue
  fi
  patch -s -p1 -d "$tree" < "$patches/$name.patch"
  patched=$patches/$name.patch
  if ! make_it "$program" > "$log/$name" 2>&1; then
    echo "does not build"
    missed+=("$name")
  else
    run_it "$program" "$test" "${seeds:-1000}" > "$log/$name" 2>&1
    status=$?
    seed=$(sed -n 's/.*seed [0-9]* of \(.*\) failed, the \([0-9]*\). of .*/found by seed \2 of \1/p' "$log/$name" | head -1)
    if [ -n "$seed" ]; then
      echo "$seed"
    elif [ $status -gt 128 ] || grep -q 'exception: ' "$log/$name"; then
      echo "found: it crashes"
    elif [ $status -eq 124 ]; then
      echo "NOT FOUND in 300 s"
      missed+=("$name")
    else
      echo "NOT FOUND"
      missed+=("$name")
    fi
  fi
  unpatch
done
if [ ${#missed[@]} -gt 0 ]; then
  echo "mutants: ${#missed[@]} of ${#names[@]} were not found: ${missed[*]} (see build/mutants/log)"
  exit 1
fi
echo "mutants: all ${#names[@]} found, $((SECONDS - begin)) s"
