#!/bin/sh
# SPDX-License-Identifier: MIT-0
# mutate.sh -- proves that the tests bite: the safety lines of the headers are
# changed, one at a time, and the suites must turn red
#
#     sh tests/proof/mutate.sh [part of an entry]
#     JOBS=2 SAMPLE=300 SEED=7 sh tests/proof/mutate.sh
#
# tests/proof/mutants.txt is the list. One line for each mutant: the test that
# killed it, or SURVIVED; a survivor is a missing test. Then as many mutants of
# any other lines as SAMPLE says are drawn (60; SEED chooses which), and their
# kill rate is printed: those that survive are told, but are no failure. The
# last line is "N passed, N failed".
#
# Everything goes to $B/mutate. Results are kept, with the tests that they are
# of, for as long as the code of headers and tests stays as it is, so the run
# can be stopped and goes on where it was. When the code changes, the test that
# killed a mutant before is the first that it meets.
cd "$(dirname "$0")/../.." || exit 1
. tests/tools/state.sh
: "${CC:=cc}" "${CFLAGS:=-O0}" "${STB:=/usr/include/stb}" "${B:=build}"
: "${JOBS:=1}" "${AWK:=awk}" "${SAMPLE:=60}" "${SEED:=}"
export CC CFLAGS STB B AWK
work=$B/mutate
proof=tests/proof
headers="ckpt.h ckpt_store_fs.h"
less="-DCRASH_BOUND=256 -DCRASH_SHARE=1 -DCRASH_SOME=64 -DCRASH_FEW=12
      -DFAULT_STATES=4 -DFAULT_STEP=9 -DINTERLEAVE_DRAWS=150 -DINTERLEAVE_STEP=11
      -DNUMBER_ROUNDS=4000"
link="-pthread -w -std=c99 -Itests/support -I$STB"

# run LIST NUMBERS DIR HINT: makes the mutant there and prints the test that
# kills it; HINT is the one that did so before, or nothing.
run() {
    dir=$3
    mkdir -p "$dir"
    # shellcheck disable=SC2086
    $AWK -v apply="$2" -v dir="$dir" -f $proof/mutate.awk "$1" $headers ||
        { echo "nothing: the entry does not fit"; return; }
    # shellcheck disable=SC2086
    $CC $CFLAGS -w -std=c99 -I"$dir" -I"$STB" -c -o "$dir/ckpt.o" \
        "$work/ckpt.c" 2>"$dir/log" &&
    $CC $link -o "$dir/run" "$results/mutate.o" "$results"/test_*.o \
        "$dir/ckpt.o" 2>>"$dir/log" ||
        { echo "nothing: it does not compile"; return; }
    printf '%s\n' "$4" >"$dir/hint"
    if grep -qxF -f "$dir/hint" "$work/fast"; then
        "$dir/run" "$dir/hint" || return
    fi
    if ! grep -qxF -f "$dir/hint" "$work/slow"; then
        "$dir/run" "$work/fast" || return
    fi
    # The others compute more, and the suite of the rules has the
    # implementation in it.
    for source in "$work/ckpt.c" tests/core/test_rules.c; do
        # shellcheck disable=SC2086
        $CC -O1 -I"$dir" $link -c -o "$dir/$(basename "$source" .c).o" \
            "$source" || { echo "nothing: $source does not compile"; return; }
    done
    # shellcheck disable=SC2046,SC2086
    $CC $link -o "$dir/run" "$results/mutate.o" "$dir/test_rules.o" \
        $(printf '%s\n' "$results"/test_*.o | grep -v test_rules) \
        "$dir/ckpt.o" || { echo "nothing: it cannot be linked"; return; }
    if grep -qxF -f "$dir/hint" "$work/slow"; then
        "$dir/run" "$dir/hint" && "$dir/run" "$work/fast" || return
    fi
    "$dir/run" "$work/slow"
}

# The file that keeps the result of an entry.
result() {
    echo "$results/$(printf '%s' "$1" | cksum | tr ' ' -)"
}

if [ "$1" = --one ]; then
    list=$2 n=$3 results=$4
    dir=$work/$(basename "$list").$n
    name=$(sed -n "${n}p" "$list.numbers" | cut -f 2)
    by=$(sed -n "${n}p" "$list.numbers" | cut -f 3)
    kept=$work/killers/$(basename "$(result "$name")")
    hint=$(cat "$kept" 2>/dev/null)
    killer=$(run "$list" "$n" "$dir" "$hint")
    case $killer in
    nothing*) what="FAILED $killer" ;;
    ?*) what="killed by $killer" ;;
    *)
        what=SURVIVED
        if [ -n "$by" ]; then
            killer=$(run "$list" "$n$by" "$dir" "$hint")
            case $killer in
            ''|nothing*) what="SURVIVED with what covers it" ;;
            *) what="covered, both killed by $killer" ;;
            esac
        fi ;;
    esac
    case $what in *"killed by "*) echo "$killer" >"$kept" ;; esac
    rm -rf "$dir"
    printf '%s: %s\n' "$name" "$what" >"$dir.line"
    mv "$dir.line" "$(result "$name")"
    cat "$(result "$name")"
    exit 0
fi

# all LIST PART: what has no result yet is run; leaves all lines in LIST.lines.
all() {
    # shellcheck disable=SC2086
    $AWK -f $proof/mutate.awk "$1" $headers >"$1.numbers" || return 1
    : >"$1.todo"; : >"$1.names"
    part=$2 $AWK -F '\t' 'index($2, ENVIRON["part"])' "$1.numbers" |
    while IFS='	' read -r n name rest; do
        printf '%s\n' "$name" >>"$1.names"
        if [ -f "$(result "$name")" ]; then
            cat "$(result "$name")"
        else
            echo "$n" >>"$1.todo"
        fi
    done
    xargs -I N -P "$JOBS" sh $proof/mutate.sh --one "$1" N "$results" \
        <"$1.todo"
    while IFS= read -r name; do
        cat "$(result "$name")"
    done <"$1.names" >"$1.lines"
}

mkdir -p "$work/killers" || exit 1
# shellcheck disable=SC2086
results=$work/results-$(state_of $headers tests/*.c tests/*/*.[ch] \
    tests/data/* $proof/mutate.*)
mkdir -p "$results"
rm -f "$work/red"
printf "%s\n" "#define CKPT_IMPLEMENTATION" \
    "#define CKPT_STORE_FS_IMPLEMENTATION" \
    '#include "ckpt_store_fs.h"' >"$work/ckpt.c"
TMPDIR=$(cd "$work" && pwd)/tmp
export TMPDIR
mkdir -p "$TMPDIR"
if [ ! -f "$results/times" ]; then
    for source in tests/*/test_*.c $proof/mutate.c; do
        case $source in */pg/*) continue ;; esac    # need libpq
        # shellcheck disable=SC2086
        $CC -O1 $link $less -I. -c \
            -o "$results/$(basename "$source" .c).o" "$source" || exit 1
    done
    # Without a mutation everything passes; what does not, proves nothing.
    # shellcheck disable=SC2086
    $CC -O1 -w -std=c99 -I. -I"$STB" -c -o "$work/ckpt.o" "$work/ckpt.c" &&
    $CC $link -o "$work/run" "$results"/test_*.o "$results/mutate.o" \
        "$work/ckpt.o" || exit 1
    "$work/run" >"$work/times"
    mv "$work/times" "$results/times"
fi
# Cheap tests first. What proves the tools or what no store can promise is left
# out.
sort -n "$results/times" | grep -vE ' (simdisk|store_fault)\.' |
    grep -vE ' crash\.(without_flushes|a_disk_that_ignores|a_rename_that)' |
    $AWK -v fast="$work/fast" -v slow="$work/slow" -v red="$work/red" '
        { print $3 >($2 == "red" ? red : \
                     $1 > 100000 || $3 ~ /^rules\./ ? slow : fast) }
        END { printf "" >>red }'
sed 's/^/red without a mutation: /' "$work/red"

cp $proof/mutants.txt "$work/mutants" && all "$work/mutants" "$1" || exit 1
failed=$(grep -cE ': (SURVIVED|FAILED)' "$work/mutants.lines")
passed=$(($(wc -l <"$work/mutants.lines") - failed))
if [ "$SAMPLE" -gt 0 ] && [ -z "$1" ]; then
    # shellcheck disable=SC2086
    : "${SEED:=$(state_of $headers | cut -d - -f 1)}"
    # shellcheck disable=SC2086
    $AWK -v sample="$SAMPLE" -v seed="$SEED" -f $proof/mutate.awk \
        $proof/mutants.txt $headers >"$work/drawn" &&
        all "$work/drawn" "" || exit 1
    # One that does not compile is no mutant.
    drawn=$(grep -vc 'FAILED nothing' "$work/drawn.lines")
    lived=$(grep -c ': SURVIVED' "$work/drawn.lines")
    echo "drawn from all lines (SEED=$SEED): $((drawn - lived)) of $drawn" \
         "killed"
fi
failed=$((failed + $(wc -l <"$work/red")))
echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
