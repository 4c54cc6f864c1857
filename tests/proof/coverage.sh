#!/bin/sh
# SPDX-License-Identifier: MIT-0
# coverage.sh -- every outcome of every condition of both headers is reached by
# the suites, or stands in tests/proof/coverage.txt with the reason why it cannot be
#
#     sh tests/proof/coverage.sh
#
# Needs clang and its llvm-cov. A line for each outcome that is missing; the
# last line is "N passed, N failed": outcomes reached, and missing ones. What is
# in the table and reached after all has failed, too. Everything goes to
# $B/coverage.
cd "$(dirname "$0")/../.." || exit 1
: "${STB:=/usr/include/stb}" "${B:=build}" "${AWK:=awk}"
work=$B/coverage
rm -rf "$work"
mkdir -p "$work" || exit 1

# The tools have a version in their names, or not: the newest that is there.
tool() {
    for dir in $(ls -d /usr/lib/llvm-*/bin 2>/dev/null | sort -rV) ''; do
        command -v "$dir${dir:+/}$1" && return
    done
}
cov=$(tool llvm-cov) profdata=$(tool llvm-profdata) clang=$(tool clang)
if [ -z "$cov" ] || [ -z "$profdata" ] || [ -z "$clang" ]; then
    echo "skip   coverage: needs clang and llvm"
    echo "0 passed, 0 failed"
    exit 0
fi

# What a macro hides is not measured: CKPT__TRY becomes the condition that it
# is, on the line where it begins, in a copy of the headers and the tests.
tree=$work/tree
mkdir -p "$tree" && cp -R tests examples "$tree" || exit 1
for header in ckpt.h ckpt_store_fs.h; do
    $AWK '
        function parens(text) {
            gsub(/"([^"\\]|\\.)*"/, "", text)
            return gsub(/\(/, "", text) - gsub(/\)/, "", text)
        }
        open == 0 && /^ +CKPT__TRY\(.*[,;(]$/ { text = ""; open = 1; deep = 0 }
        open > 0 {
            deep += parens($0)
            part = $0
            if (text != "") { sub(/^ +/, "", part); blank++ }
            text = text (text != "" ? " " : "") part
            if (deep > 0) { next }
            sub(/CKPT__TRY\(/, "{ ckpt_code tried; if ((tried = (", text)
            sub(/\);$/, ")) != CKPT_OK) return tried; }", text)
            print text
            for (; blank > 0; blank--) { print "" }
            open = 0
            next
        }
        { print }' "$header" >"$tree/$header" || exit 1
done

printf '%s\n' '#define CKPT_IMPLEMENTATION' \
    '#define CKPT_STORE_FS_IMPLEMENTATION' '#include "ckpt_store_fs.h"' \
    >"$tree/ckpt.c"
measure='-fprofile-instr-generate -fcoverage-mapping'
# One outcome needs a recovery that is cut short in a state of the many.
flags="-w -std=c99 -O1 -I$tree -I$tree/tests/support -I$STB -pthread"
flags="$flags -DCRASH_BOUND=4096 -DCRASH_SHARE=1"
for source in "$tree/ckpt.c" "$tree"/tests/run_all.c "$tree"/tests/*/test_*.c; do
    case $source in */pg/*) continue ;; esac    # need libpq
    # The suite of the rules has the implementation in it.
    case $source in
    */ckpt.c|*/test_rules.c) how=$measure ;;
    *) how= ;;
    esac
    echo "$flags $how -c -o $work/$(basename "$source" .c).o $source"
done | xargs -P 2 -L 1 "$clang" || exit 1
# shellcheck disable=SC2086
"$clang" $measure -pthread -o "$work/run_all" "$work"/*.o || exit 1
LLVM_PROFILE_FILE=$work/%m.profraw sh tests/tools/halves.sh "$work/run_all" -v \
    >"$work/log" || {
    grep -v -e '^pass' -e '^skip' "$work/log"; exit 1; }
# Where the system refuses a test what it needs (root, a filter of system
# calls), the outcomes of the calls to it count as left out.
refused=$(grep -cE '^skip (fs|calls|open)\.' "$work/log")
"$profdata" merge -o "$work/all.profdata" "$work"/*.profraw || exit 1
"$cov" export -skip-expansions -instr-profile="$work/all.profdata" \
    "$work/run_all" | sed 's/\[/\n[/g' >"$work/export" || exit 1
$AWK -v table=tests/proof/coverage.txt -v refused="$refused" \
    -f tests/proof/coverage.awk \
    "$work/export" "$tree/ckpt.h" "$tree/ckpt_store_fs.h" | sort >"$work/report"
grep -v ' passed, ' "$work/report"
grep ' passed, ' "$work/report"
grep -q '^[1-9][0-9]* passed, 0 failed$' "$work/report"
