#!/bin/sh
# SPDX-License-Identifier: MIT-0
# names.sh -- owners and claimants in other namespaces: sh tests/proof/names.sh
#
#     sh tests/proof/names.sh [time pid container]
#
# time       the owner, and then the one who asks, is in a time namespace, in
#            which a process seems to have been started at another time
# pid        the same with a pid namespace that shows the /proc of the outer one,
#            in which a number is another process or none
# container  a program is pid 1 of its pid namespace, is killed and started
#            again, as a container is: the run has to be resumed at once
#
# Each of them ROUNDS times (200). "at once" is the first try: nothing is
# measured. Namespaces need root or a kernel that lets a user have them; what
# cannot be made is skipped. The last line is "N passed, N failed".
cd "$(dirname "$0")/../.." || exit 1
: "${B:=build}" "${CC:=cc}" "${STB:=/usr/include/stb}" "${ROUNDS:=200}"
passed=0 failed=0
if [ "$1" = inside ]; then              # in a namespace that this script made
    work=$2 names=$3
else
    mkdir -p "$B" || exit 1
    work=$(mktemp -d "${TMPDIR:-/tmp}/ckpt-names.XXXXXX") || exit 1
    trap 'rm -rf "$work"' EXIT
    names=$(cd "$B" && pwd)/names
fi
if [ "$1" != inside ] && ! "$CC" -std=c99 -O2 -I. "-I$STB" -o "$B/names" tests/proof/names.c; then
    echo "FAILED names.c does not compile"
    echo "0 passed, 1 failed"
    exit 1
fi
verdict() {
    if [ "$1" = 0 ]; then
        passed=$((passed + 1))
        echo "ok     $2"
    else
        failed=$((failed + 1))
        echo "FAILED $2"
        sed 's/^/    /' "$work/bad"
    fi
}

skip() { echo "skip   $1"; }

# can NAME COMMAND...: whether it can be run; else a line that says why not.
can() {
    name=$1; shift
    "$@" true >"$work/why" 2>&1 && return
    skip "$name: $* fails: $(tail -n 1 "$work/why")"
    return 1
}

# between OWNER ASKER: a round. Each is a command in front of the program, or
# nothing. The owner has the run before the other one asks, and to the end.
between() {
    rm -rf "$work/runs" "$work/ready" "$work/go"
    # shellcheck disable=SC2086
    $1 "$names" own "$work/runs" "$work/ready" "$work/go" >"$work/owner" 2>&1 &
    owner=$!
    while [ ! -f "$work/ready" ]; do
        kill -0 $owner 2>/dev/null || break
        sleep 0.01
    done
    # shellcheck disable=SC2086
    $2 "$names" ask "$work/runs" >"$work/asker" 2>&1
    asked=$?
    : >"$work/go"
    wait $owner && [ "$asked" = 0 ]
}

# rounds NAME OWNER ASKER
rounds() {
    good=0 n=0
    : >"$work/bad"
    while [ $n -lt "$ROUNDS" ]; do
        n=$((n + 1))
        if between "$2" "$3"; then
            good=$((good + 1))
        else
            echo "round $n" >>"$work/bad"
            cat "$work/owner" "$work/asker" >>"$work/bad"
        fi
    done
    [ $good = $n ]
    verdict $? "$1: a live run was kept in $good of $n rounds"
}

in_time() {
    ns="unshare --time --boottime 100000 --fork"
    # shellcheck disable=SC2086
    can "time namespace" $ns || return
    rounds "owner in a time namespace" "$ns" ""
    rounds "asker in a time namespace" "" "$ns"
}

in_pid() {
    ns="unshare --pid --fork"
    # shellcheck disable=SC2086
    can "pid namespace" $ns || return
    rounds "owner in a pid namespace with the outer /proc" "$ns" ""
    rounds "asker in a pid namespace with the outer /proc" "" "$ns"
    ROUNDS=$ROUNDS $ns sh tests/proof/names.sh inside "$work" "$names" \
        >"$work/inside" 2>&1
    result=$?
    cp "$work/inside" "$work/bad"
    verdict $result "$(sed -n 's/^[okFAILED]* *both/both/p' "$work/inside")"
}

# life HOW: one life of a container. Its program says how it began, works, and
# is killed; unshare ends when the program is gone.
life() {
    : >"$work/said"
    unshare --pid --fork --mount-proc --kill-child \
        "$names" work "$work/runs" >"$work/said" 2>&1 &
    container=$!
    until grep -q . "$work/said"; do
        kill -0 $container 2>/dev/null || break
        sleep 0.01
    done
    # shellcheck disable=SC2046
    kill -KILL $(cat /proc/$container/task/$container/children) 2>/dev/null
    wait $container 2>/dev/null
    grep -q "$1" "$work/said"
}

in_container() {
    can "container" unshare --pid --fork --mount-proc --kill-child || return
    [ -f /proc/$$/task/$$/children ] || {
        skip "container: this kernel does not list the children of a process"
        return; }
    good=0 n=0
    : >"$work/bad"
    rm -rf "$work/runs"
    life "^begun" || cat "$work/said" >>"$work/bad"
    while [ $n -lt "$ROUNDS" ]; do
        n=$((n + 1))
        if life "^resumed"; then
            good=$((good + 1))
        else
            echo "start $n" >>"$work/bad"
            cat "$work/said" >>"$work/bad"
        fi
    done
    [ $good = $n ]
    verdict $? "container as pid 1, killed: resumed at once by $good of $n starts"
}

if [ "$1" = inside ]; then
    rounds "both in one pid namespace with the outer /proc" "" ""
    [ "$failed" = 0 ]
    exit
fi

[ $# -gt 0 ] || set -- time pid container
for part; do
    in_"$part"
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
