#!/bin/sh
# SPDX-License-Identifier: MIT-0
# machines.sh -- the suites with every compiler, processor and watcher there is
#
#     sh tests/tools/machines.sh [part of a line ...]
#
# Builds the library and all suites with other compilers and levels, for other
# processors (static, under qemu-user), and with sanitizers and valgrind, and
# runs them. Installs what is missing where it may (Debian, as root). One line
# for each, with its counts and with what was left out or made smaller, since it
# is slow there; FULL=1 does everything everywhere, QUICK=1 nothing slow
# anywhere. Then each test that was skipped, and why; the last line is
# "N passed, N failed", which counts the lines. Everything goes to $B/machines,
# JOBS at a time (2).
cd "$(dirname "$0")/../.." || exit 1
: "${STB:=/usr/include/stb}" "${B:=build}" "${JOBS:=2}" "${LIMIT:=1800}"
mkdir -p "$B/machines" || exit 1
work=$(cd "$B/machines" && pwd)
rm -rf "$work"/*.line "$work"/*.log "$work"/*.d "$work"/jobs

has() { command -v "$1" >/dev/null 2>&1; }

printf '%s\n' '#define CKPT_IMPLEMENTATION' \
    '#define CKPT_STORE_FS_IMPLEMENTATION' '#include "ckpt_store_fs.h"' \
    >"$work/ckpt.c"

# Only stb_sprintf.h: a cross compiler must not see the host's headers.
mkdir -p "$work/stb" && cp "$STB/stb_sprintf.h" "$work/stb" || {
    echo "machines: no stb_sprintf.h in $STB" >&2
    echo "0 passed, 1 failed"
    exit 1
}
# Thousands of directories are made and removed there.
TMPDIR=${TMPDIR:-/tmp}
[ ! -d /dev/shm ] || [ ! -w /dev/shm ] || TMPDIR=/dev/shm
export TMPDIR

#--- Building and running ------------------------------------------------------

# Fewer crash states, faults and schedules, where each of them is slow.
less="-DCRASH_BOUND=256 -DCRASH_SHARE=1 -DCRASH_SOME=64 -DCRASH_FEW=12
    -DFAULT_STATES=4 -DFAULT_STEP=9 -DINTERLEAVE_DRAWS=150 -DINTERLEAVE_STEP=11"
[ -z "$FULL" ] || { less=; CKPT_LONG=yes; export CKPT_LONG; }

# build DIR COMPILER FLAGS...: DIR/run_all.
build() {
    dir=$1; shift
    rm -rf "$dir" && mkdir -p "$dir" || return 1
    inc="-I. -Itests/support -I$work/stb" warn="-std=c99 -Wall -Wextra"
    [ "$1" != tcc ] || warn=-std=c99
    # What the tests themselves look at may have inode numbers of 64 bits, too;
    # the file store must know that without being told.
    wide=-D_FILE_OFFSET_BITS=64
    case "$*" in *_FILE_OFFSET_BITS*) wide= ;; esac
    # shellcheck disable=SC2086
    "$@" $warn $inc -c -o "$dir/ckpt.o" "$work/ckpt.c" || return 1
    # shellcheck disable=SC2086
    for source in tests/*/test_*.c tests/run_all.c; do
        case $source in */pg/*) continue ;; esac    # need libpq
        object=$(basename "$source" .c)
        "$@" $warn $inc $wide -pthread \
            -c -o "$dir/$object.o" "$source" || return 1
    done
    "$@" -pthread -o "$dir/run_all" "$dir"/*.o
}

# say RESULT NAME TEXT LOG: one line, and a failure's own words below it.
say() {
    {
        printf '%-6s %-28s %s\n' "$1" "$2" "$3"
        [ "$1" != FAILED ] ||
            grep -v -e '^pass' -e '^skip' -e ' passed, 0 failed$' "$4" |
            tail -n 12 | sed 's/^/       /'
    } >"$work/$number.line"
}

# result NAME LOG TEXT: what a run of the suites said in its last line.
result() {
    last=$(tail -n 1 "$2")
    case $last in
    *[1-9]*' passed, 0 failed')
        skipped=$(grep -c '^skip' "$2")
        say ok "$1" "$last, $skipped skipped, $3" "$2" ;;
    *' passed, '*' failed') say FAILED "$1" "$last" "$2" ;;
    *) say FAILED "$1" "it did not end" "$2" ;;
    esac
}

# What does not go through thousands of crash states; fs. is contract_fs., too.
light="json. rules. record. run. recover. env. effect. open. calls. doubt. read. race.
       large. simdisk. store_fault. contract_mem contract_fault. contract_sim
       fs."

# whole RUNNER: all suites, or the light ones?
whole() { [ -n "$FULL" ] || { [ -z "$1" ] && [ -z "$QUICK" ]; }; }

# suites RUNNER PROGRAM LOG: as the program alone does, also in parts.
suites() {
    if whole "$1"; then
        # shellcheck disable=SC2086
        timeout -k 5 "$LIMIT" $1 "$2" -v >"$3" 2>&1 </dev/null
        return
    fi
    worst=0
    : >"$3"
    for part in $light; do
        # shellcheck disable=SC2086
        timeout -k 5 "$LIMIT" $1 "$2" -v "$part" >"$3.one" 2>&1 </dev/null
        rc=$?
        [ $rc = 0 ] || worst=$rc
        tail -n 1 "$3.one" | grep -q ' passed, ' ||
            echo "0 passed, 1 failed" >>"$3.one"
        cat "$3.one" >>"$3"
    done
    awk '/^[0-9]+ passed, [0-9]+ failed$/ { p += $1; f += $3 }
        END { printf "%d passed, %d failed\n", p, f }' "$3" >"$3.one"
    cat "$3.one" >>"$3"
    rm -f "$3.one"
    return $worst
}

# machine NAME RUNNER COMPILER FLAGS...: RUNNER is "-" or a command.
machine() {
    name=$1 runner=$2; shift 2
    log=$work/$number.log
    [ "$runner" != - ] || runner=
    if ! build "$work/$number.d" "$@" >"$log" 2>&1; then
        say FAILED "$name" "does not compile" "$log"
        return
    fi
    # of the headers; those of the tests are the business of form.sh
    grep -q 'ckpt[a-z_]*\.h:[0-9:]* warning:' "$log" && {
        say FAILED "$name" "the headers have warnings" "$log"; return; }
    begun=$(date +%s)
    suites "$runner" "$work/$number.d/run_all" "$log"
    rc=$?
    took=$(($(date +%s) - begun))
    text="$took s"
    if ! whole "$runner"; then
        text="$text, without crash, fault and interleave"
    else
        case "$*" in *-DCRASH_BOUND*) text="$text, with smaller bounds" ;; esac
    fi
    # shellcheck disable=SC2181
    if [ $rc != 0 ] && tail -n 1 "$log" | grep -q ', 0 failed$'; then
        say FAILED "$name" "status $rc, though no test failed" "$log"
    else
        result "$name" "$log" "$text"
    fi
    rm -rf "$work/$number.d"
}

# wanted NAME: filters are the arguments, each a part of a name.
wanted() {
    [ -s "$work/filters" ] || return 0
    while read -r filter; do
        case $1 in *"$filter"*) return 0 ;; esac
    done <"$work/filters"
    return 1
}
: >"$work/filters"
[ $# = 0 ] || printf '%s\n' "$@" >"$work/filters"

# JOBS tokens; who runs has one of them.
mkfifo "$work/jobs" && exec 9<>"$work/jobs" || exit 1
i=0
while [ $i -lt "$JOBS" ]; do echo >&9; i=$((i + 1)); done

number=100
# run NAME NEEDS...: what is left of the line is for machine. NEEDS is
# program=package, ended by "--".
run() {
    name=$1; shift
    number=$((number + 1))
    missing=
    wanted "$name" || return
    while [ "$1" != -- ]; do
        needs "${1%%=*}" "${1#*=}" || missing="$missing ${1#*=}"
        shift
    done
    shift
    if [ -n "$missing" ]; then
        say skip "$name" "needs the packages$missing" "$work/ckpt.c"
        return
    fi
    read -r token <&9
    ( exec 8>&9 9>&-; machine "$name" "$@"; echo "$token" >&8 ) &
}

# needs FILE-OR-PROGRAM PACKAGE: is it there, or can it be had?
needs() {
    there "$1" && return
    [ "$(id -u)" = 0 ] && has apt-get || return
    [ -f "$work/updated" ] || apt-get -q update >"$work/apt.log" 2>&1 \
        </dev/null
    : >"$work/updated"
    DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends \
        -o DPkg::Lock::Timeout=300 install "$2" >"$work/apt.log" 2>&1 \
        </dev/null
    there "$1"
}
there() {
    case $1 in
    /*) [ -e "$1" ] ;;
    *) has "$1" ;;
    esac
}
rm -f "$work/updated"

#--- Compilers and levels ------------------------------------------------------

for cc in gcc clang; do
    for level in -O0 -O2 -Os '-O2 -DNDEBUG' '-O3 -flto'; do
        # shellcheck disable=SC2086
        run "$cc $level" $cc=$cc -- - $cc $level
    done
done
run "gcc -funsigned-char -fwrapv" gcc=gcc -- \
    - gcc -O2 -funsigned-char -fwrapv
# musl has no headers of Linux of its own: those of the host, after its own.
run "musl, static" musl-gcc=musl-tools -- - musl-gcc -O2 -static \
    -idirafter /usr/include -idirafter /usr/include/x86_64-linux-gnu

# shellcheck disable=SC2086
run "tcc" tcc=tcc -- - tcc $less

#--- Processors ----------------------------------------------------------------

x=/usr/include/x86_64-linux-gnu
run "i386, static" gcc=gcc $x/gnu/stubs-32.h=libc6-dev-i386 \
    /usr/lib/gcc/x86_64-linux-gnu/12/32/libgcc.a=lib32gcc-12-dev -- \
    - gcc -O2 -m32 -static -isystem $x
# cross NAME TRIPLET LIBC QEMU FLAGS...
cross() {
    what=$1 triplet=$2 libc=$3 qemu=$4; shift 4
    run "$what" "$triplet-gcc=gcc-$triplet" \
        "/usr/$triplet/include/stdio.h=libc6-dev-$libc-cross" \
        "$qemu=qemu-user" -- "$qemu" "$triplet-gcc" -O2 -static "$@"
}
cross "ppc64, big-endian, qemu" powerpc64-linux-gnu ppc64 qemu-ppc64
cross "s390x, big-endian, qemu" s390x-linux-gnu s390x qemu-s390x
cross "armhf, 32-bit, qemu" arm-linux-gnueabihf armhf qemu-arm

#--- Watchers ------------------------------------------------------------------

# The sanitizers are in a package of their own, of the version of the compiler.
n=$(clang -dumpversion 2>/dev/null)
runtime=$(clang -print-runtime-dir 2>/dev/null)/libclang_rt.msan-x86_64.a
runtime=$runtime=libclang-rt-${n%%.*}-dev
undefined='-fsanitize=undefined -fno-sanitize-recover=undefined'
for cc in gcc clang; do
    rt=
    [ $cc = gcc ] || rt=$runtime
    # shellcheck disable=SC2086
    run "$cc, ASan and UBSan" $cc=$cc $rt -- - $cc -O1 -g \
        -fno-omit-frame-pointer -fsanitize=address $undefined $less
done
# shellcheck disable=SC2086
run "clang, TSan" clang=clang $runtime -- - \
    clang -O1 -g -fsanitize=thread $less
# It knows that fstat() fills a structure in, but not that fstat64() does, which
# is the same on a 64-bit system.
# shellcheck disable=SC2086
run "clang, MSan" clang=clang $runtime -- - \
    clang -O1 -g -fsanitize=memory -fsanitize-memory-track-origins \
    -D_FILE_OFFSET_BITS=32 $less
# shellcheck disable=SC2086
run "clang, integer and bounds" clang=clang $runtime -- - clang -O1 -g \
    -fsanitize=undefined,bounds,float-divide-by-zero,nullability \
    -fno-sanitize-recover=all $less
run "valgrind" gcc=gcc valgrind=valgrind -- \
    "valgrind -q --error-exitcode=99 --trace-children=no" gcc -O1 -g
wait

cat "$work"/*.line
# The tests that were skipped in n of the lines.
cat "$work"/*.log | grep '^skip' | sort | uniq -c |
    sed 's/^ *\([0-9]*\) \(skip .*\)/\2 (\1 times)/'
passed=$(cat "$work"/*.line | grep -c '^ok ')
failed=$(cat "$work"/*.line | grep -c '^FAILED ')
echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
