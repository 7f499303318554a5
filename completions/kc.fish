# kc.fish: completion of kc for fish.
#
# Commands, verbs and options are read from kc's own --help, so they are always those of the kc that is installed. Topics
# are asked of the cluster that -b or KAFKA_BROKERS names, for a second at most.

# The list of "commands:" or "verbs:" in a help text, with descriptions.
function __kc_listed
    $argv --help 2>/dev/null | sed -n '/^\(commands\|verbs\):$/,/^$/s/^  \([a-z][a-z]*\)  *\([^ ].*\)/\1\t\2/p'
end

function __kc_options
    $argv --help 2>/dev/null | sed -n \
        -e 's/^  \(-.\), \(--[a-z-]*\)\( [A-Z][^ ]*\)\{0,1\} *\(.*\)/\1\t\4\n\2\t\4/p' \
        -e 's/^      \(--[a-z-]*\) *\(.*\)/\1\t\2/p'
end

# What the value of an option (its letter or its name) is called, nothing for a flag.
function __kc_value
    set -l option $argv[1]
    $argv[2..-1] --help 2>/dev/null | sed -n -e "s/^  $option, --[a-z-]*  *\([A-Z][A-Z:]*\).*/\1/p" \
        -e 's/^  -., --/  --/' -e "s/^ *$option  *\([A-Z][A-Z:]*\).*/\1/p"
end

function __kc_topics
    set -l words (commandline -opc)
    set -l from
    for i in (seq 2 (count $words))
        if contains -- $words[$i] -b --brokers; and test $i -lt (count $words)
            set from -b $words[(math $i + 1)]
        end
    end
    $words[1] topics list -q -m 1 $from 2>/dev/null | sed 's/ .*//'
end

# What may stand at the cursor.
function __kc_candidates
    set -l words (commandline -opc)
    set -l kc $words[1]
    set -l last $words[-1]
    if test (count $words) -eq 1
        __kc_listed $kc
        return
    end
    set -l command $words[1..2]
    if test "$words[2]" = topics
        if test (count $words) -eq 2
            __kc_listed $kc topics
            return
        end
        set command $words[1..3]
    end
    set -l value
    if string match -q -- '-*' $last
        set value (__kc_value $last $command)
    end
    switch "$value"
        case TOPIC
            __kc_topics
        case CODEC
            printf '%s\n' none gzip snappy lz4 zstd
        case ACKS
            printf '%s\n' all one none
        case PARTITIONER
            printf '%s\n' sticky round_robin least_bytes murmur2 murmur2_random consistent consistent_random hash reference_hash
        case WHERE
            printf '%s\n' beginning end
        case FORMAT
            test $command[2] = consume; or printf '%s\n' text json
        case ''
            if string match -q -- '-*' (commandline -ct)
                __kc_options $command
            else
                switch "$command[2..-1]"
                    case broker produce consume 'topics list' 'topics create'
                    case '*'
                        __kc_topics
                end
            end
    end
end

complete -c kc -f
complete -c kc -f -a '(__kc_candidates)'
# Files for produce, except where the value of an option stands.
function __kc_wants_file
    set -l words (commandline -opc)
    test (count $words) -gt 1; and test "$words[2]" = produce; and not string match -q -- '-*' $words[-1]
end
complete -c kc -n __kc_wants_file -F
