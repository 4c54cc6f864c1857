#!/bin/sh
# SPDX-License-Identifier: MIT-0
# all.sh -- every test, whatever fails, and one count at the end: "make test"
#
# Its parts run in two lanes at a time, and beside them what mostly waits for a
# database; what a part has printed is shown when it ends, and stays in
# $B/all.PART.
cd "$(dirname "$0")/../.." || exit 1
: "${B:=build}"
export B
. tests/tools/count.sh
mkdir -p "$B" || exit 1
rm -f "$B"/all.*

# part NAME COMMAND...
part() {
    log=$B/all.$1; shift
    "$@" >"$log" 2>&1 </dev/null
    echo $? >"$log.rc"
    { echo "== ${log##*all.}"; cat "$log"; } | cat
}

limit() {
    if command -v timeout >/dev/null 2>&1; then
        timeout -k 5 "$@"
    else
        shift
        "$@"
    fi
}

# Built before, so that the lanes find it. The values of a makefile come before
# those of the environment.
"${MAKE:-make}" -s B="$B" ${CC:+CC="$CC"} ${STB:+STB="$STB"} "$B/run_all" \
    "$B/storm" "$B/ckpt" "$B/states" || exit 1
{
    part form limit 580 sh tests/tools/form.sh
    part storm limit 580 "$B/storm" -e 13 recover fence kill save finish rise \
        begin
    part tool limit 580 sh tests/tool/run.sh
    part kill limit 580 sh tests/agent/kill.sh 37
    part life limit 580 sh tests/tool/storm.sh 10
} &
part pg limit 580 "${MAKE:-make}" -s B="$B" ${CC:+CC="$CC"} \
    ${STB:+STB="$STB"} test-pg &
part suites limit 580 "$B/run_all"
part protocol limit 580 sh tests/proof/spin/run.sh quick
wait

passed=0 failed=0 p=0 f=0 bad=
for name in suites pg storm life form tool protocol kill; do
    count "$B/all.$name" "$(cat "$B/all.$name.rc")"
    passed=$((passed + p)) failed=$((failed + f))
    [ "$f" = 0 ] || bad="$bad $name"
done
[ -z "$bad" ] || echo "== failed:$bad"
grep ' test the doubles$' "$B/all.suites"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
