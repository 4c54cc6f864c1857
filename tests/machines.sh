#!/bin/sh
# machines.sh -- the suites with every compiler, processor and watcher there is
#
#     sh tests/machines.sh [part of a line ...]
#
# Builds the library and all suites with other compilers and levels, for other
# processors (static, under qemu-user), and with sanitizers and valgrind, and
# runs them. Installs what is missing where it may (Debian, as root); says what
# it skips and why. One line for each, with its counts; the last line is
# "N passed, N failed". Everything goes to $B/machines, JOBS at a time (2).
cd "$(dirname "$0")/.." || exit 1
: "${STB:=/usr/include/stb}" "${B:=build}" "${JOBS:=2}" "${LIMIT:=900}"
mkdir -p "$B/machines" || exit 1
work=$(cd "$B/machines" && pwd)
rm -f "$work"/*.line
filters=$*

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
TMPDIR=${TMPDIR:-/tmp}
export TMPDIR

#--- Building and running ------------------------------------------------------

warn="-std=c99 -Wall -Wextra"

# build DIR COMPILER FLAGS...: DIR/run_all, of every suite that compiles.
build() {
    dir=$1; shift
    rm -rf "$dir" && mkdir -p "$dir" || return 1
    inc="-I. -Itests -I$work/stb"
    # shellcheck disable=SC2086
    "$@" $warn $inc -c -o "$dir/ckpt.o" "$work/ckpt.c" || return 1
    # shellcheck disable=SC2086
    for source in tests/test_*.c tests/run_all.c; do
        object=$(basename "$source" .c)
        "$@" $warn $inc -pthread -c -o "$dir/$object.o" "$source" || return 1
    done
    "$@" -pthread -o "$dir/run_all" "$dir"/*.o
}

# say RESULT NAME TEXT LOG: one line, and a failure's own words below it.
say() {
    {
        printf '%-6s %-28s %s\n' "$1" "$2" "$3"
        [ "$1" != FAILED ] || grep -v -e '^pass' -e '^skip' "$4" |
            tail -n 12 | sed 's/^/       /'
    } >"$work/$number.line"
}

# result NAME LOG SECONDS: what a run of the suites said in its last line.
result() {
    last=$(tail -n 1 "$2")
    case $last in
    *[1-9]*' passed, 0 failed')
        skipped=$(grep -c '^skip' "$2")
        say ok "$1" "$last, $skipped skipped, $3 s" "$2" ;;
    *' passed, '*' failed') say FAILED "$1" "$last" "$2" ;;
    *) say FAILED "$1" "it did not end" "$2" ;;
    esac
}

wanted() {
    [ -n "$filters" ] || return 0
    for filter in $filters; do
        case $1 in *"$filter"*) return 0 ;; esac
    done
    return 1
}

# What does not go through thousands of crash states; fs. is contract_fs., too.
: "${LIGHT:=json. rules. record. run. recover. env. open.}"
LIGHT="$LIGHT simdisk. store_fault. contract_mem. fs."

# suites RUNNER PROGRAM LOG: as the program alone does, also in parts.
suites() {
    if [ -z "$1" ] || [ -n "$FULL" ]; then
        # shellcheck disable=SC2086
        timeout -k 5 "$LIMIT" $1 "$2" -v >"$3" 2>&1 </dev/null
        return
    fi
    worst=0
    : >"$3"
    for light in $LIGHT; do
        # shellcheck disable=SC2086
        timeout -k 5 "$LIMIT" $1 "$2" -v "$light" >"$3.one" 2>&1 </dev/null
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
    # shellcheck disable=SC2181
    if [ $rc != 0 ] && tail -n 1 "$log" | grep -q ', 0 failed$'; then
        say FAILED "$name" "status $rc, though no test failed" "$log"
    else
        result "$name" "$log" "$took"
    fi
    rm -rf "$work/$number.d"
}

number=100
running=0
# run NAME NEEDS...: what is left of the line is for machine. NEEDS is
# program=package, ended by "--".
run() {
    name=$1; shift
    number=$((number + 1))
    missing=
    while [ "$1" != -- ]; do
        needs "${1%%=*}" "${1#*=}" || missing="$missing ${1#*=}"
        shift
    done
    shift
    wanted "$name" || return
    if [ -n "$missing" ]; then
        say skip "$name" "needs the packages$missing" "$work/ckpt.c"
        return
    fi
    ( machine "$name" "$@" ) &
    running=$((running + 1))
    [ $((running % JOBS)) != 0 ] || wait
}

# needs FILE-OR-PROGRAM PACKAGE: is it there, or can it be had?
needs() {
    there "$1" && return
    [ -z "$filters" ] || wanted "$name" || return
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
    /*) set -- $1; [ -e "$1" ] ;;
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

# tcc knows neither every pragma nor every flag; it has no sanitizer either.
tcc_suites() {
    name="tcc"
    number=$((number + 1))
    wanted "$name" || return
    needs tcc tcc || {
        say skip "$name" "needs the package tcc" "$work/ckpt.c"; return; }
    log=$work/$number.log dir=$work/$number.d
    rm -rf "$dir" && mkdir -p "$dir"
    warn='-std=c99'
    if ! build "$dir" tcc >"$log" 2>&1; then
        say FAILED "$name" "does not compile" "$log"
    else
        begun=$(date +%s)
        timeout -k 5 "$LIMIT" "$dir/run_all" -v >"$log" 2>&1 </dev/null
        result "$name" "$log" $(($(date +%s) - begun))
    fi
    warn="-std=c99 -Wall -Wextra"
    rm -rf "$dir"
}
tcc_suites

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

undefined='-fsanitize=undefined -fno-sanitize-recover=undefined'
for cc in gcc clang; do
    # shellcheck disable=SC2086
    run "$cc, ASan and UBSan" $cc=$cc -- - $cc -O1 -g \
        -fno-omit-frame-pointer -fsanitize=address $undefined
done
run "clang, TSan" clang=clang -- - clang -O1 -g -fsanitize=thread
run "clang, MSan" clang=clang -- - clang -O1 -g -fsanitize=memory \
    -fsanitize-memory-track-origins
# shellcheck disable=SC2086
run "clang, integer and bounds" clang=clang -- - clang -O1 -g \
    -fsanitize=undefined,bounds,float-divide-by-zero,nullability \
    -fno-sanitize-recover=all
run "valgrind" gcc=gcc valgrind=valgrind -- \
    "valgrind -q --error-exitcode=99 --trace-children=no" gcc -O1 -g
wait

cat "$work"/*.line
passed=$(cat "$work"/*.line | grep -c '^ok ')
failed=$(cat "$work"/*.line | grep -c '^FAILED ')
echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
