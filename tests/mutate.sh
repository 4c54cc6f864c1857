#!/bin/sh
# mutate.sh -- proves that the tests bite: every safety line of the headers is
# taken out in turn, and the suites must turn red
#
#     sh tests/mutate.sh [part of "function: mutation"]
#     JOBS=2 sh tests/mutate.sh
#
# One line for each mutant: the test that killed it, or SURVIVED. The last line
# is "N passed, N failed". Everything goes to $B/mutate.
#
# A safety line is marked in the headers, at its end or in the line above:
#
#     // safe: drop            the statement that begins here is left out
#     // safe: never           the condition of this if or while is never met
#     // safe: always          ... is always met
#     // safe: before TEXT     the statement moves up, before the one that has
#     // safe: after TEXT      TEXT in its first line; or down, behind it
#     // safe: A -> B          A is replaced by B in this line; "..." in A is
#                              anything, and B may be empty
#     // safe: [name] ...      all of one function with that name are one mutant
#
# So a new tag is a new mutant. A mutant is named by its function, without
# "ckpt__", and its mutation.
#
# A mutant that survives is a missing test, unless another marked line covers
# the one it changes: then it stands in the table below with the proof, and
# both are changed together, which the suites must notice.
cd "$(dirname "$0")/.." || exit 1
: "${CC:=cc}" "${CFLAGS:=-O0}" "${STB:=/usr/include/stb}" "${B:=build}"
: "${JOBS:=1}" "${AWK:=awk}"
export CC CFLAGS STB B AWK
work=$B/mutate
headers="ckpt.h ckpt_store_fs.h"
less="-DCRASH_BOUND=256 -DFAULT_STATES=4 -DFAULT_STEP=9
      -DINTERLEAVE_DRAWS=150 -DINTERLEAVE_STEP=11"
link="-pthread -w -std=c99 -Itests -I$STB"

# covered "MUTANT" "BY"... "PROOF": ends with a line that has no backslash.
covered() { :; }
covered "head_read: v[CKPT__N_LENGTH] < CKPT__HEAD_SIZE -> 0" \
    "record_read: *pos != rec->length -> 0" \
    "a record is longer than its head, and its length must be the one it has"
covered "head_read: v[CKPT__N_EPOCH] == 0 -> 0" "judge_one: never" \
    "a name has an epoch above 0, and that of the head must be the same"
covered "fs_claim_link: = ... -> = linked >= 0;" "fs_claim_link: never" \
    "a link that says it failed is looked for by the nonce in the claim"

# The number of a mutant in the list.
number() {
    name=$1 $AWK -F '\t' '$2 ": " $3 == ENVIRON["name"] { print $1 }' \
        "$work/list"
}

# run DIR NUMBERS: makes the mutant there and prints the test that kills it.
run() {
    dir=$1 numbers=$2
    mkdir -p "$dir"
    $AWK -v apply="$numbers" -v dir="$dir" -f tests/mutate.awk $headers ||
        { echo "nothing: a tag does not fit its line"; return; }
    # shellcheck disable=SC2086
    $CC $CFLAGS -w -std=c99 -I"$dir" -I"$STB" -c -o "$dir/ckpt.o" \
        "$work/ckpt.c" 2>"$dir/log" &&
    $CC $link -o "$dir/run" "$work/mutate.o" "$work"/test_*.o \
        "$dir/ckpt.o" 2>>"$dir/log" ||
        { echo "nothing: it does not compile"; return; }
    "$dir/run" "$work/fast" || return
    # The others compute more, and the suite of the rules has the
    # implementation in it.
    for source in "$work/ckpt.c" tests/test_rules.c; do
        $CC -O1 -I"$dir" $link -c -o "$dir/$(basename "$source" .c).o" \
            "$source" || return
    done
    # shellcheck disable=SC2046
    $CC $link -o "$dir/run" "$work/mutate.o" "$dir/test_rules.o" \
        $(ls "$work"/test_*.o | grep -v test_rules) "$dir/ckpt.o" &&
    "$dir/run" "$work/slow"
}

if [ "$1" = --one ]; then
    n=$2
    dir=$work/$n
    name=$($AWK -F '\t' -v n="$n" '$1 == n { print $2 ": " $3 }' "$work/list")
    killer=$(run "$dir" "$n")
    case $killer in
    nothing*)
        what="FAILED $killer" ;;
    ?*)
        what="killed by $killer" ;;
    *)
        what=SURVIVED
        covered() {
            [ "$1" = "$name" ] || return
            shift
            both=$n by=
            while [ $# -gt 1 ]; do
                both="$both $(number "$1")" by="$by${by:+, }$1"
                shift
            done
            killer=$(run "$dir" "$both")
            case $killer in
            ''|nothing*) what="SURVIVED with $by" ;;
            *) what="covered by $by (both killed by $killer): $1" ;;
            esac
        }
        eval "$(sed -n '/^covered /,/[^\\]$/p' tests/mutate.sh)" ;;
    esac
    rm -rf "$dir"
    printf '%s: %s\n' "$name" "$what" | tee "$work/result.$n"
    exit 0
fi

mkdir -p "$work" || exit 1
rm -f "$work"/result* "$work/red"
printf "%s\n" "#define CKPT_IMPLEMENTATION" \
    "#define CKPT_STORE_FS_IMPLEMENTATION" \
    '#include "ckpt_store_fs.h"' >"$work/ckpt.c"
TMPDIR=$(cd "$work" && pwd)/tmp
export TMPDIR
mkdir -p "$TMPDIR"
# shellcheck disable=SC2086
$AWK -f tests/mutate.awk $headers >"$work/list" || exit 1
for source in tests/test_*.c tests/mutate.c; do
    object=$work/$(basename "$source" .c).o
    # What stands from the last time is used again.
    [ -n "$(find "$object" -newer "$source" 2>/dev/null)" ] &&
        [ -z "$(find ckpt.h ckpt_store_fs.h tests -name '*.h' \
                -newer "$object")" ] && continue
    $CC -O1 $link $less -I. -c -o "$object" "$source" || exit 1
done

# Without a mutation everything passes; what does not, proves nothing.
# shellcheck disable=SC2086
$CC -O1 -w -std=c99 -I. -I"$STB" -c -o "$work/ckpt.o" "$work/ckpt.c" &&
$CC $link -o "$work/run" "$work"/test_*.o "$work/mutate.o" "$work/ckpt.o" ||
    exit 1
"$work/run" >"$work/times"
# Cheap tests first. What proves the tools or what no store can promise is left
# out.
sort -n "$work/times" | grep -vE ' (simdisk|store_fault)\.' |
    grep -vE ' crash\.(without_flushes|a_disk_that_ignores|a_rename_that)' |
    $AWK -v fast="$work/fast" -v slow="$work/slow" -v red="$work/red" '
        { print $3 >($2 == "red" ? red : \
                     $1 > 100000 || $3 ~ /^rules\./ ? slow : fast) }
        END { printf "" >>red }'
rm "$work/ckpt.o"
sed 's/^/red without a mutation: /' "$work/red"

filter=$1 $AWK -F '\t' 'index($2 ": " $3, ENVIRON["filter"]) { print $1 }' \
    "$work/list" >"$work/todo"
[ -s "$work/todo" ] &&
    xargs -n 1 -P "$JOBS" sh tests/mutate.sh --one <"$work/todo"
cat "$work"/result.* >"$work/results" 2>/dev/null
failed=$(grep -cE ': (SURVIVED|FAILED)' "$work/results")
passed=$(($(wc -l <"$work/results") - failed))
failed=$((failed + $(wc -l <"$work/red")))
echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
