#!/usr/bin/env bash
# The man pages: without a complaint of mandoc's or groff's, and with the same options as --help, each way.
source "$(dirname "$0")/assert.sh"
man=$here/../../man

# Options of a help text and of a page, one a line: letter, name, and what the value is called, without what may follow.
help_options() {
  "$KC" "$@" --help | sed -nE -e 's/^  (-.), (--[a-z-]+)( [A-Z][^ ]*)?(  .*)?$/\1 \2\3/p' -e 's/^      (--[a-z-]+)( [A-Z][^ ]*)?(  .*)?$/\1\2/p' |
    sed -E 's/( [A-Z:]+).*/\1/' | sort -u
}
page_options() {
  sed -nE -e 's/^\.It Fl (.) , -([a-z-]+)( Ar ([A-Z:]+).*)?$/-\1 --\2 \4/p' -e 's/^\.It Fl -([a-z-]+)( Ar ([A-Z:]+).*)?$/--\1 \3/p' "$1" |
    sed 's/ $//' | sort -u
}

for page in "$man"/*.[13]; do
  it "$(basename "$page") is well-formed"
  run mandoc -T lint -W warning "$page"
  expect_code 0
  expect_out ''
  run groff -mandoc -ww -b -z -Tutf8 "$page"
  expect_code 0
  expect_err ''
done

for command in $("$KC" --help | sed -n '/^commands:$/,/^$/s/^  \([a-z]*\)  .*/\1/p'); do
  it "kc-$command.1 and kc $command --help have the same options (one that is new belongs into both)"
  page=$man/kc-$command.1
  [ -e "$page" ] || { fail "there is no $page"; continue; }
  verbs=$("$KC" "$command" --help | sed -n '/^verbs:$/,/^$/s/^  \([a-z]*\)  .*/\1/p')
  for verb in ${verbs:-none}; do
    if [ "$verb" = none ]; then help_options "$command"; else help_options "$command" "$verb"; fi
  done | sort -u >"$work/help"
  page_options "$page" >"$work/page"
  expect "$(wc -l <"$work/help")" -ge 5
  diff "$work/help" "$work/page" >"$out" || fail 'they differ: < in --help, > in the page'
  expect "$(grep -c "^\.Xr kc-$command 1" "$man/kc.1")" -ge 1
done

it "kc.1 has the options of kc itself"
page_options "$man/kc.1" >"$out"
expect_out '-V --version
-h --help'

it "the library's overview names every header"
for header in "$here"/../../include/kafka/*.h; do
  grep -qF "kafka/$(basename "$header")" "$man/libkafka.3" || fail "libkafka.3 lacks $(basename "$header")"
done
finish
