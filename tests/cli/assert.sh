#!/usr/bin/env bash
# assert.sh: a few functions for tests of kc; sourced by the scripts beside it.
#
#   it "does something"     begins a test; its name is a sentence
#   run COMMAND...          runs it: exit code in $code, standard output and error in the files $out and $err
#   expect_code 1           compares; so do
#   expect_out TEXT, expect_err TEXT            what was printed is exactly TEXT and a newline (nothing at all for '')
#   expect_out_has TEXT, expect_err_has TEXT    TEXT occurs in it
#   expect_same FILE FILE                       byte for byte
#   eventually COMMAND...                       tries until it succeeds, for 60 seconds
#   finish                  last: prints a summary, fails if any test did
#
# In kafka_*.sh: new_topic NAME [OPTION...] makes a topic of this run, deleted at the end, and sets $topic.
# The first argument of a script is kc.

set -u
KC=$(readlink -f "${1:?the path of kc}")
kc() { "$KC" "$@"; }
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
work=$(mktemp -d) out=$work/out err=$work/err
code=0 tests=0 failed=0 name='' bad=''
topics=()
export NO_COLOR=1 TZ=UTC

leave() {
  [ ${#topics[@]} = 0 ] || kc topics delete -q --if-exists "${topics[@]}" || true
  rm -rf "$work"
}
trap leave EXIT

it() { close_test; name=$1 bad=''; tests=$((tests + 1)); }
close_test() {
  [ -n "$name" ] || return 0
  if [ -n "$bad" ]; then failed=$((failed + 1)); echo "FAILED: $name"; else echo "ok: $name"; fi
}
finish() {
  close_test
  echo "$tests tests, $failed failed"
  [ "$failed" = 0 ]
  exit
}

run() { "$@" >"$out" 2>"$err" </dev/null; code=$?; }
run_with() { local input=$1; shift; "$@" >"$out" 2>"$err" <"$input"; code=$?; }   # standard input from a file

fail() {
  bad=1
  echo "  in '$name', line ${BASH_LINENO[1]}: $1"
  echo "  exit code $code; standard output and error began:"
  { head -c 600 "$out"; echo; head -c 1500 "$err"; } 2>/dev/null | sed 's/^/    | /'
}
expect_code() { [ "$code" = "$1" ] || fail "exit code $code, not $1"; }
is() { printf '%s' "${2:+$2
}" | cmp -s - "$1"; }
expect_out() { is "$out" "$1" || fail "the output is not: $1"; }
expect_err() { is "$err" "$1" || fail "standard error is not: $1"; }
expect_out_has() { grep -qF -- "$1" "$out" || fail "the output lacks: $1"; }
expect_err_has() { grep -qF -- "$1" "$err" || fail "standard error lacks: $1"; }
expect_same() { cmp "$1" "$2" >&2 || fail "$1 and $2 differ"; }
eventually() {
  local give_up=$((SECONDS + 60))
  until "$@"; do
    ((SECONDS < give_up)) || { fail "never came true: $*"; return; }
    sleep 0.02   # what is waited for wants the processor, too
  done
}
expect() { test "$@" || fail "not true: $*"; }

new_topic() {
  topic=kc-$$-$1
  shift
  topics+=("$topic")
  kc topics create -q "$@" "$topic" || fail "no topic $topic"
}
