#!/bin/sh
# SPDX-License-Identifier: MIT-0
# run.sh -- all tests of the store in PostgreSQL: "make test-pg"
#
# CKPT_LONG=yes makes the rounds many, and tries every variant of the store that
# a test must notice. The last line is "N passed, N failed".
cd "$(dirname "$0")/../.." || exit 1
. tests/tools/count.sh
passed=0 failed=0 p=0 f=0 log=$B/pg.log
part() {
    { "$@" 2>&1; echo "$?" >"$log.rc"; } | tee "$log"
    count "$log" "$(cat "$log.rc")"
    passed=$((passed + p)) failed=$((failed + f))
}
part "$B/run_pg"
[ -z "$CKPT_LONG" ] || part sh tests/pg/fleet.sh "$B/fleet" "$PG_BIN"
part sh tests/pg/mutants.sh
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
