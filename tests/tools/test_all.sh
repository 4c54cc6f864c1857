#!/bin/sh
# SPDX-License-Identifier: MIT-0
# test_all.sh -- everything this machine allows, and one table: "make test-all"
#
# What make test runs, then the long forms: the suites with many rounds
# (CKPT_LONG=yes), all storms, namespaces, real disks, other machines, a minute
# of each fuzzer, the whole model, the coverage, and the mutations. The table
# says what ran, how many cases, how long, and what was skipped and why; the
# last line is "N passed, N failed". ONLY="disk model" runs some of them. A part
# that passed is not run again for as long as Makefile and the code of headers,
# tests and examples stay as they are (of the form and the lines, every file),
# so that it can be stopped and goes on where it was; ANEW=yes runs everything.
cd "$(dirname "$0")/../.." || exit 1
: "${B:=build}" "${CC:=cc}" "${STB:=/usr/include/stb}" "${MAKE:=make}"
export B CC STB MAKE
. tests/tools/count.sh
. tests/tools/state.sh
mkdir -p "$B/test_all" || exit 1
work=$B/test_all
# shellcheck disable=SC2046
kept=$work/passed-$(state_of $(find ./*.h Makefile tests examples -type f |
    sort))
every=$(find ./*.h Makefile README.md tests examples .ci -type f | sort |
    xargs cat | cksum | tr ' ' -)
[ -z "$ANEW" ] || rm -rf "$kept"
mkdir -p "$kept" || exit 1
: >"$work/table"
: >"$work/skips"
passed=0 failed=0 p=0 f=0 skipped=0

row() { printf '%-22s %8s %8s %8s %7s\n' "$@" >>"$work/table"; }

# not NAME WHY: what does not run here, which is no failure.
not() {
    row "$1" - - all -
    echo "$1: $2" >>"$work/skips"
}

# part NAME COMMAND...: its last line says "N passed, N failed"; lines that
# begin with "skip" say what it left out and why.
part() {
    name=$1; shift
    case " ${ONLY:-$name} " in *" $name "*) ;; *) return ;; esac
    echo "== $name"
    result=$kept/$name
    case $name in form|lines) result=$kept/$name-$every ;; esac
    log=$result.log
    if [ -f "$result.took" ]; then
        echo "passed before"
        took=$(cat "$result.took")
        count "$log" 0
    else
        begun=$(date +%s)
        { "$@" 2>&1 </dev/null; echo "$?" >"$result.rc"; } | tee "$log"
        took=$(($(date +%s) - begun))
        count "$log" "$(cat "$result.rc")"
        [ "$f" != 0 ] || echo "$took" >"$result.took"
    fi
    s=$(grep -c '^skip' "$log")
    grep '^skip' "$log" | sed "s/^skip */$name: /" >>"$work/skips"
    row "$name" "$p" "$f" "$s" "${took}s"
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
}

# if_there FILE NAME COMMAND...
if_there() {
    file=$1; shift
    if [ -f "$file" ]; then part "$@"; else not "$1" "there is no $file"; fi
}

# The values of a makefile come before those of the environment.
made() { $MAKE -s B="$B" CC="$CC" STB="$STB" "$@"; }
build_and() { made "$B/$1" && "$B/$1"; }
suites() { made "$B/run_all" && CKPT_LONG=yes "$B/run_all" -v; }
# Every moment at which one owner can stop and another one goes on.
dense() {
    made B="$B/dense" CFLAGS='-O2 -g -DINTERLEAVE_STEP=1' "$B/dense/run_all" &&
        CKPT_LONG=yes "$B/dense/run_all" -v interleave
}
explore() {
    made "$B/storm_explore" &&
        "$B/storm_explore" -g "$B/go_explore" -d "$B/storm_explore.d"
}

row part passed failed skipped time
part suites suites
part form env CKPT_LONG=yes sh tests/tools/form.sh
part sanitize made sanitize
part tool sh tests/tool/run.sh
part screen sh tests/tool/screen.sh
part page sh tests/tool/page.sh
part install sh tests/tool/install.sh
if_there tests/proof/storm.c storm build_and storm
part life sh tests/tool/storm.sh 60
part kill sh tests/agent/kill.sh
part lines sh tests/bench/lines/run.sh
part interleave dense
if_there tests/proof/storm_explore.c storm_explore explore
if_there tests/proof/spin/run.sh model sh tests/proof/spin/run.sh full
if_there tests/proof/names.sh names sh tests/proof/names.sh
if_there tests/proof/disk/run.sh disk sh tests/proof/disk/run.sh
if_there tests/tools/machines.sh machines sh tests/tools/machines.sh
if_there tests/pg/run.sh pg env CKPT_LONG=yes $MAKE -s B="$B" CC="$CC" \
    STB="$STB" test-pg
part agent made test-agent KILLS=300
if_there tests/fuzz/run.sh fuzz sh tests/fuzz/run.sh 60
part oss-fuzz sh tests/fuzz/oss-fuzz/check.sh
if_there tests/proof/coverage.sh coverage sh tests/proof/coverage.sh
if_there tests/proof/mutate.sh mutation env JOBS=2 sh tests/proof/mutate.sh

echo
cat "$work/table"
if [ -s "$work/skips" ]; then
    echo
    echo "Skipped, and why:"
    sort -u "$work/skips" | sed 's/^/  /'
fi
echo
echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
