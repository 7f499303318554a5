#!/bin/sh
# Checks baton.pml and manual.pml: as they are, then with one rule left out at a time. One line each. Fails when the first kind does, or when
# one of the second kind passes. About two minutes on one core, less than 1 GB.
set -u
models=$(cd "$(dirname "$0")" && pwd)
model=$models/baton.pml
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
trap 'exit 1' INT TERM
cd "$dir" || exit 1
failures=0

if ! command -v spin >/dev/null; then
    echo "run.sh: spin is not installed (Debian package spin)" >&2
    exit 1
fi

# verify <compiler's optimisation> <safety|large|cycles> <switches...>: leaves pan's report in the file "report".
verify() {
    optimise=$1 kind=$2
    shift 2
    rm -f pan pan.* report
    case $kind in
    cycles) set -- "-DNP -DNFAIR=3" "-l -f" "$@" ;;
    large) set -- "-DSAFETY -DCOLLAPSE" "" "$@" ;; # slower, in less memory
    *) set -- "-DSAFETY" "" "$@" ;;
    esac
    cflags=$1 options=$2
    shift 2
    # shellcheck disable=SC2086
    spin -a "$@" "$model" >report 2>&1 &&
        "${CC:-cc}" $optimise -w -DMEMLIM=1900 $cflags -o pan pan.c >>report 2>&1 &&
        ./pan -m20000 $options >>report 2>&1
    grep -q "errors: [0-9]" report
}

failed() {
    failures=$((failures + 1))
    printf 'FAIL  %s\n' "$1"
    sed 's/^/      /' report
}

# holds <description> <safety|large|cycles> <switches...>
holds() {
    what=$1
    shift
    if verify -O2 "$@" && grep -q "errors: 0" report && ! grep -qE "depth too small|out of memory|not completed" report; then
        states=$(sed -n 's/^ *\([0-9.e+]*\) states, stored.*/\1/p' report)
        seconds=$(sed -n 's/.*elapsed time \([0-9.e+]*\) seconds/\1/p' report)
        printf 'ok    %s: %s states, %s s\n' "$what" "$states" "${seconds:-0}"
    else
        failed "$what"
    fi
}

# breaks <rule> <safety|cycles> <switches...>: the first switch leaves the rule out.
breaks() {
    what=$1
    shift
    if verify -O0 "$@" && grep -q "errors: 1" report; then
        printf 'ok    fails, as it must, when %s\n' "$what"
    else
        failed "passes, though $what"
    fi
}

two="-DCALLERS=2 -DOPS=2"
few="-DFEW_TASKS -DSOCKET_EVENTS=0"

# shellcheck disable=SC2086
{
    holds "two callers, two operations each, all kinds of tasks" safety $two -DSOCKET_EVENTS=0
    holds "three callers, late stores" safety -DCALLERS=3 -DOPS=1 $few
    holds "three callers, two operations each" large -DCALLERS=3 -DOPS=2 $few -DSEQUENTIAL -DNO_REPEATS
    holds "the loop comes to rest" cycles -DCALLERS=2 -DNO_REPEATS -DSOCKET_EVENTS=0
    holds "one timeout for all wakes the loop once" safety $two -DSAME_TIMEOUT
    holds "the loop ends, all kinds of tasks" safety -DCALLERS=2 -DSTOP -DSOCKET_EVENTS=0
    holds "the loop ends, two operations each" safety $two -DSTOP $few

    breaks "a failed try and a push are not followed by a second try" safety -DNO_SECOND_TRY $two
    breaks "the second try trusts what \`wants\` was before the push" safety -DWANTS_SEEN_EARLY $two
    breaks "who let go does not look at the mailbox" safety -DNO_LOOK_AFTER $two
    breaks "the loop looks at the mailbox before it lets go" safety -DLOOKS_BEFORE_UNLOCK $two
    breaks "there is no fence after the push" safety -DNO_FENCE_AFTER_PUSH $two
    breaks "there is no fence after the unlock" safety -DNO_FENCE_AFTER_UNLOCK $two
    breaks "who can take the baton runs its own task first" safety -DOWN_TASK_FIRST $two
    breaks "the loop does not drain as it enters" cycles -DLOOP_DOES_NOT_DRAIN -DCALLERS=2 -DNO_REPEATS -DSOCKET_EVENTS=0
    breaks "an earlier timer does not wake the loop" safety -DNO_WAKE_FOR_TIMER $two
    breaks "a deferred task does not wake the loop" safety -DNO_WAKE_FOR_DEFERRED $two
    breaks "the loop publishes that it sleeps after it let go" safety -DPUBLISHES_LATE $two
    breaks "the loop sleeps although tasks are deferred" safety -DSLEEPS_ON_DEFERRED $two
    breaks "a published wake-up is put off when its timer is cleared" safety -DNOT_STICKY $two -DSAME_TIMEOUT
    breaks "a published wake-up stays when it is past" cycles -DSTICKS_FOR_EVER -DCALLERS=2 -DNO_REPEATS -DSOCKET_EVENTS=0
    breaks "a callback that gives up the last use only sets the flag" safety -DSTOP_ONLY_SETS_FLAG -DSTOP -DCALLERS=2
    breaks "the loop ends with work left" safety -DSTOP_LEAVES_WORK -DSTOP -DCALLERS=2

    model=$models/manual.pml
    holds "a manual loop, two calls" large -DCALLS=2
    holds "a manual loop, two deadlines" large -DCALLS=1 -DWAITS=2
    holds "a manual loop ends" large -DCALLS=1 -DSTOP

    breaks "who finishes an operation does not wake the thread that turns for it" safety -DNO_WAKE_OF_WHO_TURNS -DCALLS=1
    breaks "who finishes looks for that thread before it changed the word" safety -DLOOKS_BEFORE_IT_FINISHES -DCALLS=1
    breaks "that thread looks at the word before it says that it waits" safety -DLOOKS_BEFORE_IT_SAYS -DCALLS=2
    breaks "who goes away after a turn does not look at the mailbox" safety -DNO_LOOK_AFTER -DCALLS=1
    breaks "a call that leaves an earlier time does not tell" safety -DNO_WORD_OF_EARLIER_TIME -DCALLS=1
    breaks "who is told the time does not look again" safety -DASKS_ONCE -DCALLS=2 -DWAITS=2
    breaks "a loop that never turned does not count as asleep" safety -DAWAKE_AT_FIRST -DCALLS=1
    breaks "a run does not mind who is inside" safety -DRUNS_WHOEVER_IS_INSIDE -DCALLS=1
    breaks "who is inside does not look whether the last use is gone" safety -DNO_LOOK_AT_STOPPING -DSTOP -DCALLS=1
}

if [ "$failures" -gt 0 ]; then
    echo "models: $failures failed"
    exit 1
fi
echo "models: all as expected"
