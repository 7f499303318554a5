#!/usr/bin/env bash
# The completions for bash, zsh and fish. The topics come from a kc that stands before the real one.
source "$(dirname "$0")/assert.sh"
completions=$here/../../completions
mkdir "$work/bin"
cat >"$work/bin/kc" <<END
#!/bin/sh
[ "\$1 \$2 \$3" = 'topics list --help' ] && exec '$KC' "\$@"
if [ "\$1 \$2" = 'topics list' ]; then
  [ "\$7" = b:1 ] && { echo 'elsewhere  1  1'; exit; }
  printf 'orders    3  1\npayments  3  1\n'
else
  exec '$KC' "\$@"
fi
END
chmod +x "$work/bin/kc"
PATH=$work/bin:$PATH

# in_bash, in_zsh, in_fish: the words that would be offered, sorted, without descriptions, on one line. The last argument
# is the one at the cursor. bash itself splits at = and :, so tests for it do.
in_bash() {
  bash -c 'source "$1"; shift; COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_LINE="$*"; _kc; printf "%s\n" "${COMPREPLY[@]}"' \
    - "$completions/kc.bash" "$@" 2>"$err" | sort | tr '\n' ' ' >"$out"
}
in_zsh() {
  zsh -fc 'file=$1; shift; words=("$@") CURRENT=$#
    compadd() { if [[ $1 == -a ]]; then print -l -- ${(P)2}; else print -l -- $@; fi }
    _describe() { print -l -- ${${(P)2}%%:*} }
    _files() { print FILES }
    source $file' - "$completions/_kc" "$@" 2>"$err" | awk -v at="${*: -1}" 'index($0, at) == 1 || /FILES/' | sort | tr '\n' ' ' >"$out"
}
in_fish() {
  fish --no-config -c 'source $argv[1]; complete -C "$argv[2]"' "$completions/kc.fish" "$*" 2>"$err" | cut -f 1 | sort | tr '\n' ' ' >"$out"
}
offers() { # WORDS: exactly these
  [ "$(sed 's/ *$//' "$out")" = "$1" ] || fail "offered is not: $1"
  [ ! -s "$err" ] || fail 'something was said'
}

for shell in bash zsh fish; do
  in_shell=in_$shell
  if ! command -v $shell >/dev/null; then
    echo "not here: $shell; its completions are not tested"
    continue
  fi

  it "$shell completes commands and verbs"
  $in_shell kc co
  offers consume
  $in_shell kc topics d
  offers 'delete describe'
  $in_shell kc of
  offers offsets

  it "$shell completes options"
  $in_shell kc consume --to
  offers '--topic'
  $in_shell kc produce --no-i
  offers '--no-idempotence'
  $in_shell kc topics create --p
  offers '--partitions'
  $in_shell kc topics list --i
  offers '--internal'

  it "$shell completes values: codecs, positions, kinds of output"
  $in_shell kc produce -z z
  offers zstd
  $in_shell kc produce --compression gz
  offers gzip
  $in_shell kc produce --acks o
  offers one
  $in_shell kc produce --partitioner consistent
  offers 'consistent consistent_random'
  $in_shell kc consume -o b
  offers beginning
  $in_shell kc offsets x -o j
  offers json
  $in_shell kc consume -c ''
  offers ''

  it "$shell completes topics, of the brokers that are named"
  $in_shell kc consume -t o
  offers orders
  $in_shell kc topics describe pa
  offers payments
  $in_shell kc offsets -q ''
  offers 'orders payments'
  $in_shell kc offsets -b b:1 ''
  offers elsewhere
done

it "bash completes values behind an equals sign"
in_bash kc offsets --output = j
offers json
in_bash kc consume --topic =
offers 'orders payments'

it "zsh and fish complete files for produce"
in_zsh kc produce -t x ''
offers FILES
in_fish kc produce -t x "$here/assert"
expect_out_has assert.sh
finish
