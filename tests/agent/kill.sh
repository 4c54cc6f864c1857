#!/bin/sh
# SPDX-License-Identifier: MIT-0
# kill.sh -- the first examples, killed at the system calls of their whole life
#
#     sh tests/agent/kill.sh [STEP]
#
# A watchdog starts an example until it says 0. Its first start is killed at the
# call number 1, 1 + STEP, 1 + 2 * STEP ... (STEP 1: at every call), and each
# later start of the same life at about twice that number, so that a life dies
# more than once. Then the work must have been done once, and one more start
# must do nothing. The last line is "N passed, N failed".
cd "$(dirname "$0")/../.." || exit 1
: "${CC:=cc}" "${STB:=/usr/include/stb}" "${B:=build}" "${CFLAGS:=-O1}"
step=${1:-1}
mkdir -p "$B/examples" || exit 1
work=$(cd "$B/examples" && pwd)
. tests/tools/check.sh

# Two examples, and what kills them. sleep() takes no time there.
# shellcheck disable=SC2086
build() {
    $CC -std=gnu99 -Wall $CFLAGS -o "$work/kill_at" tests/agent/kill_at.c ||
        return 1
    for name in hello tools; do
        $CC -std=c99 $CFLAGS -I. "-I$STB" -Wl,--wrap=sleep -o "$work/$name" \
            examples/$name.c tests/tools/form/sleep.c || return 1
    done
}

# once PROGRAM: what must be so when the watchdog is through.
once() {
    case $1 in
    hello) [ "$(../hello)" = "It was finished before." ] ;;
    tools) [ -z "$(../tools)" ] &&
        printf 'letter-%d\n' 1 2 3 | cmp -s - outbox ;;
    esac
}

# life PROGRAM CALL: one life, whose starts are killed at this call, and the
# later ones at higher calls. A start that finds the run busy, as the last one
# died in its claim, comes again.
life() {
    rm -rf "$work/life"
    mkdir "$work/life" && cd "$work/life" || return 1
    when=$2 starts=0
    while starts=$((starts + 1)); [ $starts -lt 200 ]; do
        ../kill_at "$when" "../$1" >out 2>err 3>calls
        case $? in
        0)   once "$1"; return ;;
        137) kills=$((kills + 1)) when=$((when * 2 + 1)) ;;
        1)   grep -q "try again later" err || { cat err; return 1; }
             when=0; sleep 0.1 ;;
        *)   cat err; return 1 ;;
        esac
    done
    echo "it never ends"
    return 1
}

# lives PROGRAM: lives that begin with a kill at each call, or at some of them.
lives() {
    kills=0 lives=0 at=1
    life "$1" 0 || { echo "undisturbed"; return 1; }
    calls=$(cat "$work/life/calls")
    while [ $at -le "$calls" ]; do
        life "$1" $at || { echo "killed at call $at"; return 1; }
        lives=$((lives + 1)) at=$((at + step))
    done
    echo "$calls calls, $lives lives, $kills kills"
    [ "$kills" -ge "$lives" ]
}
check "the examples are built" build
check "hello: what is finished is not done again" lives hello
check "tools: each letter is sent once" lives tools

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
