#!/bin/sh
# SPDX-License-Identifier: MIT-0
# shellcheck disable=SC2034,SC2154
# check.sh -- read by the scripts that check: ". tests/tools/check.sh". They say
# in $work where the log goes, and may say in $filter, afterwards, which
# sentences alone to check, and in $only_long that check() checks nothing.
passed=0 failed=0 filter='' only_long=

# check SENTENCE COMMAND...: the command prints what is wrong, and fails. What
# it prints when all is well is a figure if it is one short line.
check() {
    case $1 in *"$filter"*) ;; *) return ;; esac
    [ -z "$only_long" ] || return 0
    sentence=$1; shift
    if ( "$@" ) >"$work/log" 2>&1 </dev/null; then
        passed=$((passed + 1))
        figure=$(awk 'END { if (NR == 1 && length($0) < 60) print }' \
                 "$work/log")
        echo "ok     $sentence${figure:+: $figure}"
    else
        failed=$((failed + 1))
        echo "FAILED $sentence"
        sed 's/^/       /' "$work/log" | head -n 30
    fi
}

# Waits until a command succeeds; a minute is never needed.
until_() {
    n=0
    while ! "$@" >/dev/null 2>&1; do
        n=$((n + 1))
        [ $n -lt 600 ] || return 1
        sleep 0.1
    done
}
