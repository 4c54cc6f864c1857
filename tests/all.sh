#!/bin/sh
# all.sh -- every test, whatever fails, and one count at the end: "make test"
cd "$(dirname "$0")/.." || exit 1
: "${B:=build}"
export B
mkdir -p "$B" || exit 1
log=$B/all.log
passed=0 failed=0 bad=

# part NAME COMMAND...: its last line says "N passed, N failed". A part that
# ends without one, or whose exit status disagrees, is one failed test more.
part() {
    name=$1; shift
    echo "== $name"
    { "$@" 2>&1 </dev/null; echo "$?" >"$log.rc"; } | tee "$log"
    rc=$(cat "$log.rc")
    line=$(tail -n 1 "$log" | grep -E '^[0-9]+ passed, [0-9]+ failed$')
    if [ -n "$line" ]; then
        p=${line%% passed*}
        f=${line##*passed, } f=${f%% failed*}
    else
        p=0 f=0
    fi
    if [ -z "$line" ] || { [ "$rc" != 0 ] && [ "$f" = 0 ]; }; then
        echo "FAILED $name ended with status $rc and no failed test"
        f=$((f + 1))
    fi
    passed=$((passed + p)) failed=$((failed + f))
    [ "$f" = 0 ] || bad="$bad $name"
}

limit() {
    if command -v timeout >/dev/null 2>&1; then
        timeout -k 5 "$@"
    else
        shift
        "$@"
    fi
}

part suites limit 270 tests/run_all
# The values of a makefile come before those of the environment.
part storm limit 270 sh -c '${MAKE:-make} -s B="$B" ${CC:+CC="$CC"} \
    ${STB:+STB="$STB"} "$B/storm" &&
    exec "$B/storm" recover fence kill save finish rise begin'
part life limit 270 "$B/storm" -t 10 life
part form limit 270 sh tests/form.sh
part protocol limit 270 sh tests/spin/run.sh quick

[ -z "$bad" ] || echo "== failed:$bad"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
