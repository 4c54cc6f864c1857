#!/bin/sh
# SPDX-License-Identifier: MIT-0
# all.sh -- every test, whatever fails, and one count at the end: "make test"
#
# Two lanes take the parts, the longest first, and beside them runs what mostly
# waits for a database; what a part has printed is shown when it ends, and stays
# in $B/all.PART.
cd "$(dirname "$0")/../.." || exit 1
: "${B:=build}"
export B
. tests/tools/count.sh
mkdir -p "$B" || exit 1
rm -rf "$B"/all.*

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
"${MAKE:-make}" -s -j2 B="$B" ${CC:+CC="$CC"} ${STB:+STB="$STB"} "$B/run_all" \
    "$B/storm" "$B/ckpt" "$B/states" || exit 1

run() {
    case $1 in
    form)     set -- sh tests/tools/form.sh ;;
    suites)   set -- "$B/run_all" ;;
    protocol) set -- sh tests/proof/spin/run.sh quick ;;
    life)     set -- sh tests/tool/storm.sh 10 ;;
    storm)    set -- "$B/storm" -e 13 recover fence kill save finish rise \
                  begin ;;
    tool)     set -- sh tests/tool/run.sh ;;
    kill)     set -- sh tests/agent/kill.sh 37 ;;
    esac
    limit 580 "$@"
}

# lane: takes one part after another that the other lane has not taken.
lane() {
    for name in suites form protocol life storm tool kill; do
        mkdir "$B/all.$name.taken" 2>/dev/null || continue
        part "$name" run "$name"
    done
}
lane &
part pg limit 580 "${MAKE:-make}" -s B="$B" ${CC:+CC="$CC"} \
    ${STB:+STB="$STB"} test-pg &
lane
wait
rmdir "$B"/all.*.taken

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
