# kc.bash: completion of kc for bash.
#
# Commands, verbs and options are read from kc's own --help, so they are always those of the kc that is installed. Topics
# are asked of the cluster that -b or KAFKA_BROKERS names, for a second at most.

# Names of the list of "commands:" or "verbs:" in a help text.
_kc_listed() { "$@" --help 2>/dev/null | sed -n "/^\(commands\|verbs\):\$/,/^\$/s/^  \([a-z][a-z]*\)  *[^ ].*/\1/p"; }

# Options of a help text.
_kc_options() {
  "$@" --help 2>/dev/null | sed -n -e 's/^  \(-.\), \(--[a-z-]*\).*/\1\n\2/p' -e 's/^      \(--[a-z-]*\).*/\1/p'
}

# What the value of an option is called, nothing for a flag: _kc_value OPTION KC COMMAND...
_kc_value() {
  local option=$1
  shift
  "$@" --help 2>/dev/null | sed -n -e 's/^  -., --/  --/' -e "s/^ *$option  *\([A-Z][A-Z:]*\).*/\1/p"
}
_kc_long_name() { # -t or --topic, KC COMMAND...: --topic
  local option=$1
  shift
  case $option in
    --*) printf '%s\n' "$option" ;;
    -?) "$@" --help 2>/dev/null | sed -n "s/^  $option, \(--[a-z-]*\).*/\1/p" ;;
  esac
}

_kc_topics() { # KC
  local from=()
  [[ $COMP_LINE =~ \ (-b|--brokers)[\ =]+([^\ ]+)\  ]] && from=(-b "${BASH_REMATCH[2]}")
  "$1" topics list -q -m 1 ${from[@]+"${from[@]}"} 2>/dev/null | sed 's/ .*//'
}

_kc_candidates() { # LONG-OPTION VALUE-NAME KC: what such a value may be
  case $2 in
    TOPIC) _kc_topics "$3" ;;
    CODEC) printf '%s\n' none gzip snappy lz4 zstd ;;
    ACKS) printf '%s\n' all one none ;;
    PARTITIONER) printf '%s\n' sticky round_robin least_bytes murmur2 murmur2_random consistent consistent_random hash reference_hash ;;
    WHERE) printf '%s\n' beginning end ;;
    FORMAT) [ "$1" != --output ] || printf '%s\n' text json ;;
  esac
}

_kc() {
  local kc=${COMP_WORDS[0]} cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} words='' long value
  local command=("$kc" "${COMP_WORDS[1]:-}") first=2
  COMPREPLY=()
  if [ "$COMP_CWORD" = 1 ]; then
    words="$(_kc_listed "$kc") --help --version"
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
    return
  fi
  if [ "${COMP_WORDS[1]}" = topics ]; then
    if [ "$COMP_CWORD" = 2 ]; then
      mapfile -t COMPREPLY < <(compgen -W "$(_kc_listed "$kc" topics) --help" -- "$cur")
      return
    fi
    command+=("${COMP_WORDS[2]}") first=3
  fi
  # bash hands --option=value over as three words
  if [ "$cur" = = ]; then cur='' prev=${COMP_WORDS[COMP_CWORD - 1]}
  elif [ "$prev" = = ] && [ "$COMP_CWORD" -gt "$first" ]; then prev=${COMP_WORDS[COMP_CWORD - 2]}
  fi
  if [[ $prev == -* ]]; then
    long=$(_kc_long_name "$prev" "${command[@]}")
    value=''
    [ -z "$long" ] || value=$(_kc_value "$long" "${command[@]}")
    if [ -n "$value" ]; then
      mapfile -t COMPREPLY < <(compgen -W "$(_kc_candidates "$long" "$value" "$kc")" -- "$cur")
      return
    fi
  fi
  if [[ $cur == -* ]]; then
    words=$(_kc_options "${command[@]}")
  else
    case ${command[*]:1} in
      produce) compopt -o default 2>/dev/null; return ;; # files
      broker | consume | 'topics list' | 'topics create') ;;
      *) words=$(_kc_topics "$kc") ;;
    esac
  fi
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}
complete -F _kc kc
