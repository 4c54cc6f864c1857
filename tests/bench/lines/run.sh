#!/bin/sh
# SPDX-License-Identifier: MIT-0
# run.sh -- one agent with three checkpoints: how long they are, what they do
#
#     sh tests/bench/lines/run.sh [LIVES [SEED]]
#
# The same agent stands here with a checkpoint by hand, in SQLite, and with
# ckpt. Code for the checkpoint alone is marked; its lines are counted, but for
# blank ones, comments and lone braces, and what is left without it must be the
# same program. Each agent is killed at random system calls (20 lives, unless
# another number is given); then all three meet the same accidents, and the
# table says what came of each. Nothing here depends on a time. The last line is
# "N passed, N failed".
cd "$(dirname "$0")/../../.." || exit 1
: "${CC:=cc}" "${STB:=/usr/include/stb}" "${B:=build}" "${CFLAGS:=-O1}"
lives=${1:-20} seed=${2:-$(date +%s)}
if ! echo '#include <sqlite3.h>' | $CC -E - >/dev/null 2>&1; then
    echo "skip   lines: there is no sqlite3.h"
    echo "0 passed, 0 failed"
    exit 0
fi
mkdir -p "$B/lines" || exit 1
work=$(cd "$B/lines" && pwd)
root=$(pwd)
. tests/tools/check.sh
kinds='hand sqlite ckpt'
turns=6
rm -f "$work"/*.cell "$work"/*.count "$work/lines.row" "$work/table"

#--- The programs --------------------------------------------------------------

build() {
    # shellcheck disable=SC2086
    $CC -std=gnu99 -Wall $CFLAGS -o "$work/kill_at" tests/agent/kill_at.c ||
        return 1
    for kind in $kinds; do
        libs=
        [ $kind != sqlite ] || libs=-lsqlite3
        # shellcheck disable=SC2086
        $CC -std=c99 -Wall -Wextra -Wpedantic -Werror $CFLAGS -I. "-I$STB" \
            -o "$work/agent_$kind" tests/bench/lines/agent_$kind.c $libs ||
            return 1
    done
}

# marked KIND WHAT: the code (no blank line, comment or lone brace) that is for
# the checkpoint (WHAT is 1), or is not (0).
marked() {
    awk -v what="$2" '
        /^ *\/\/ checkpoint$/ { on = 1; next }
        /^ *\/\/ end$/        { on = 0; next }
        /^ *\/\// || !/[A-Za-z0-9]/ { next }
        on == what { sub(/^ */, ""); print }' \
        "tests/bench/lines/agent_$1.c"
}
same_rest() {
    for kind in $kinds; do
        marked $kind 0 >"$work/$kind.rest"
        cmp "$work/hand.rest" "$work/$kind.rest" || return 1
    done
    echo "$(grep -c . "$work/ckpt.rest") lines"
    grep -q 'pay(&a);' "$work/ckpt.rest"
}
count() {
    for kind in $kinds; do
        marked $kind 1 | grep -c . >"$work/$kind.count"
    done
    n=$(cat "$work/ckpt.count")
    printf '| lines for the checkpoint | %d | %d | %d |\n' \
        "$(cat "$work/hand.count")" "$(cat "$work/sqlite.count")" "$n" \
        >"$work/lines.row"
    echo "$n"
    [ "$n" -gt 10 ] && [ "$n" -le 25 ]
}

#--- What came of it -----------------------------------------------------------

# in_new KIND NAME: a new folder; "agent" is the program.
in_new() {
    rm -rf "$work/$1-$2"
    mkdir "$work/$1-$2" && cd "$work/$1-$2" &&
        ln -s "../agent_$1" agent
}
# at WHEN SIGNAL: a start that gets a signal at that moment. Its status.
at() {
    # What the shell says of who was killed is not wanted.
    { AGENT_AT=$1 AGENT_SIGNAL=$2 ./agent >said 2>error; } 2>killed
}
start() { ./agent >said 2>error; }

# paid: how often the bills are paid; the transcript of an agent that paid each
# one once must be right.
paid() {
    twice=$(sort ledger | uniq -d | grep -c .)
    missing=$((turns - $(sort -u ledger | grep -c .)))
    if [ "$twice" = 0 ] && [ $missing = 0 ]; then
        printf 'each bill paid once'
        [ ! -f report ] || cmp -s report "$work/report" ||
            printf ', the transcript is wrong'
    elif [ $missing = 0 ]; then
        printf '%d of %d bills paid twice' "$twice" $turns
    else
        printf '%d of %d bills paid' $((turns - missing)) $turns
        [ "$twice" = 0 ] || printf ', %d twice' "$twice"
    fi
}
# ends STATUS: in words.
ends() {
    case $1 in
    0) printf 'goes on' ;;
    1) printf 'refuses' ;;
    *) printf 'ends with %d' "$1" ;;
    esac
}

#--- Killed at random ----------------------------------------------------------

undisturbed() {
    for kind in $kinds; do
        in_new $kind plain && ../kill_at 0 ./agent >said 2>error 3>calls ||
            { cat error; return 1; }
        [ $kind != hand ] || cp report "$work/report"
        is "$(paid)" "each bill paid once" && cmp report "$work/report" ||
            return 1
    done
}

# life KIND: one life, in which up to three starts are killed, at whatever call.
life() {
    deaths=0
    while :; do
        seed=$(((seed * 1103515245 + 12345) & 0x7fffffff))
        call=$((1 + (seed >> 8) % calls))
        [ $deaths -lt 3 ] || call=0
        ../kill_at $call ./agent >said 2>error 3>last
        case $? in
        0)   break ;;
        137) deaths=$((deaths + 1)) kills=$((kills + 1)) ;;
        *)   cat error; return 1 ;;
        esac
    done
    is "$(paid)" "each bill paid once" && start && is "$(paid)" \
        "each bill paid once"
}
is() { [ "$1" = "$2" ] || { echo "\"$1\" is not \"$2\""; return 1; }; }
lives() {
    kills=0 n=0
    calls=$(cat "$work/$1-plain/calls")
    while [ $n -lt "$lives" ]; do
        in_new "$1" life && life || { echo "life $n of seed $first"; return 1; }
        n=$((n + 1))
    done
    echo "$n lives, $kills kills"
}

#--- The same accidents for all ------------------------------------------------

# The agent is killed when it has paid, or is about to, and has not noted it.
between() {
    at 'after 3' 9
    start
    printf '%s, %s' "$(ends $?)" "$(paid)"
}
before() {
    at 'before 3' 9
    start
    printf '%s, %s' "$(ends $?)" "$(paid)"
}

interrupt() {
    at 'before 3' 2
    status=$?
    start
    printf 'ends with %d, then %s, %s' $status "$(ends $?)" "$(paid)"
}

again() {
    start
    start
    status=$?
    [ $status != 0 ] || status=$(wc -c <said)
    case $status in
    0) printf 'does nothing, %s' "$(paid)" ;;
    *) printf '%s, %s' "$(ends "$status")" "$(paid)" ;;
    esac
}

# A copy is stopped in a payment. Another one is started, and the first goes on.
stopped() { grep -q '^State:.T' "/proc/$1/status"; }
second() {
    AGENT_AT='before 3' AGENT_SIGNAL=19 ./agent >first 2>first.error &
    first=$!
    until_ stopped $first || { kill -9 $first; return 1; }
    start
    status=$?
    kill -CONT $first
    wait $first
    case $? in
    0) printf '%s, %s' "$(ends $status)" "$(paid)" ;;
    *) printf '%s, the first one fails, %s' "$(ends $status)" "$(paid)" ;;
    esac
}

# newest: the file with the last save, of an agent that was killed.
newest() {
    case $1 in
    hand)   echo agent.json ;;
    sqlite) echo agent.db-wal ;;
    ckpt)   grep -ao '"seq": *[0-9]*' runs/r-pay/checkpoint.*.json |
                sort -t: -k3n | tail -n 1 | cut -d: -f1 ;;
    esac
}
# One bit of the last save is another one: c and C differ in one.
flipped() {
    at 'after 4' 9
    file=$(newest "$1")
    offset=$(grep -abo 'call-4: pay' "$file" | tail -n 1 | cut -d: -f1)
    [ -n "$offset" ] && printf C |
        dd of="$file" bs=1 seek="$offset" conv=notrunc 2>log || return 1
    start
    printf '%s, %s' "$(ends $?)" "$(paid)"
}
emptied() {
    at 'after 4' 9
    file=$(newest "$1")
    [ -s "$file" ] && : >"$file" || return 1
    start
    printf '%s, %s' "$(ends $?)" "$(paid)"
}

# The tool kills the agent each time.
deadly() {
    n=0 died=0
    while [ $n -lt 10 ]; do
        at 'before 3' 9
        [ $? != 137 ] || died=$((died + 1))
        n=$((n + 1))
    done
    printf '%d of 10 starts die' $died
    [ $died = 10 ] || start || printf ', then it refuses'
}

# try NAME LABEL EXPECTED: a row of the table, and what ckpt must do.
try() {
    for kind in $kinds; do
        ( in_new $kind "$1" && "$1" $kind ) >"$work/$kind.cell" 2>"$work/err" ||
            { cat "$work/err"; return 1; }
    done
    printf '| %s | %s | %s | %s |\n' "$2" "$(cat "$work/hand.cell")" \
        "$(cat "$work/sqlite.cell")" "$(cat "$work/ckpt.cell")" \
        >>"$work/table"
    is "$(cat "$work/ckpt.cell")" "$3"
}

# What the README says is what was printed here.
readme() {
    awk '/^## / { on = /^## Instead of/ } on && /^\| / { print }' \
        "$root/README.md" | grep -v '^| what happens' >"$work/claims"
    grep -vxF -f "$work/table" -f "$work/lines.row" "$work/claims"
    [ $? = 1 ] && echo "$(grep -c . "$work/claims") rows" &&
        [ -s "$work/claims" ]
}

first=$seed
echo "seed $seed"
check "the three agents compile without a warning" build
check "what is left without the checkpoint is the same program" same_rest
check "with ckpt the checkpoint takes at most 25 lines" count
check "undisturbed, the three leave the same transcript" undisturbed
for kind in $kinds; do
    check "$kind: killed at random calls, it pays each bill once" lives $kind
done
once='each bill paid once'
check "Ctrl-C ends the agent, and it goes on later" \
    try interrupt 'Ctrl-C' "ends with 1, then goes on, $once"
check "what is finished is not done again" \
    try again 'started again when it is finished' "does nothing, $once"
check "a call that was cut off before its effect is made" \
    try before 'killed just before it pays' "goes on, $once"
check "a call that was cut off after its effect is not made again" \
    try between 'killed just after it has paid' "goes on, $once"
check "a second copy is refused" \
    try second 'a second copy, while the first one hangs' "refuses, $once"
check "a save with a flipped bit is noticed, and the one before it is taken" \
    try flipped 'a bit of the last save flips' "goes on, $once"
check "so it is if the file of the last save is emptied" \
    try emptied 'the file of the last save is emptied' "goes on, $once"
check "a call that kills the agent each time is not made for ever" \
    try deadly 'the tool kills the agent each time' \
        '4 of 10 starts die, then it refuses'
check "the README says of them what was found here" readme

# printed FIRST FILE: one table.
printed() {
    echo
    printf '| %s | by hand | SQLite | ckpt |\n|---|---|---|---|\n' "$1"
    cat "$2"
}
[ ! -s "$work/lines.row" ] || printed "the same agent" "$work/lines.row"
[ ! -s "$work/table" ] || printed "what happens" "$work/table"
echo
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
