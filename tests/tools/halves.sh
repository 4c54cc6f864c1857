#!/bin/sh
# SPDX-License-Identifier: MIT-0
# halves.sh -- a program of suites in two processes at a time, and one count
#
#     sh tests/tools/halves.sh PROGRAM [-v]
#
# Prints what the first half said, then the second; each half also stays in
# PROGRAM.1 or PROGRAM.2. A half that died is a failed test.
cd "$(dirname "$0")/../.." || exit 1
. tests/tools/count.sh
program=$1; shift
"$program" -2 "$@" >"$program.2" 2>&1 &
other=$!
"$program" -1 "$@" >"$program.1" 2>&1
first=$?
wait $other
second=$?
cat "$program.1" "$program.2"
p=0 f=0
count "$program.1" $first
passed=$p failed=$f
count "$program.2" $second
passed=$((passed + p)) failed=$((failed + f))
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
