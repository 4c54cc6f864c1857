#!/bin/sh
# SPDX-License-Identifier: MIT-0
# run.sh -- builds and runs the fuzz targets
#
#     sh tests/fuzz/run.sh SECONDS [target]   each for that long (clang)
#     sh tests/fuzz/run.sh replay [target]    what was found, once (any CC,
#                                             with sanitizers if it has them)
#     sh tests/fuzz/run.sh build [target]     only builds them (any CC)
#
# One line for each target; the last line is "N passed, N failed". A fuzzer
# begins with the committed corpus and with what it kept in $B/fuzz/TARGET the
# last time; what breaks a promise is left there under findings/. Needs the
# Debian packages clang, libclang-rt-14-dev, libjansson-dev and libstb-dev.
cd "$(dirname "$0")/../.." || exit 1
: "${CC:=cc}" "${CLANG:=clang}" "${STB:=/usr/include/stb}" "${B:=build}"
targets="json twins record id dir api"
corpus=tests/fuzz/corpus
how=$1
passed=0 failed=0

case $how in
build | replay | [1-9]*) ;;
*) sed -n 's/^#  *\(sh tests.*\)/usage: \1/p' "$0" >&2; exit 2 ;;
esac
if [ -n "$2" ]; then
    [ -f "tests/fuzz/fuzz_$2.c" ] || { echo "no target $2" >&2; exit 2; }
    targets=$2
fi

# build COMPILER OUTPUT TARGET FLAGS...
build() {
    cc=$1 out=$2 target=$3; shift 3
    libs=
    [ "$target" != json ] || libs=-ljansson
    # shellcheck disable=SC2086
    "$cc" -std=c99 -D_POSIX_C_SOURCE=200809L -Wall -Wextra -Wpedantic \
        -Wconversion -Wsign-conversion -Wshadow -Wundef -Wcast-qual \
        -Wwrite-strings -Wvla -Walloca -Wstrict-prototypes \
        -Wmissing-prototypes -Werror \
        -I. -Itests/support "-I$STB" -O1 -g "$@" -o "$out" \
        "tests/fuzz/fuzz_$target.c" $libs
}

# sanitizers COMPILER OUTPUT: the flags, if it can link with them.
sanitizers() {
    flags="-fsanitize=address,undefined -fno-sanitize-recover=undefined"
    # shellcheck disable=SC2086
    if echo 'int main(void) { return 0; }' |
       "$1" $flags -x c -o "$2" - >"$2.log" 2>&1; then
        echo "$flags"
    fi
}

# Whether a target can be built here: only that of JSON needs a library.
buildable() {
    mkdir -p "$B/fuzz/$1" || exit 1
    if [ "$1" = json ] && ! echo '#include <jansson.h>' |
       "$CC" -E -x c - >"$B/fuzz/$1/log" 2>&1; then
        echo "json     skipped: there is no jansson.h (libjansson-dev)"
        return 1
    fi
}

# Builds a target, and does not run it.
build_only() {
    buildable "$1" || return 0
    if build "$CC" "$B/fuzz/$1/built" "$1" -O0 -DFUZZ_MAIN; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
    fi
}

# Runs every file of the corpus, each for itself.
replay() {
    target=$1 p=0 f=0
    dir=$B/fuzz/$target
    buildable "$target" || return 0
    # shellcheck disable=SC2046
    if ! build "$CC" "$dir/replay" "$target" -DFUZZ_MAIN \
         $(sanitizers "$CC" "$dir/replay"); then
        failed=$((failed + 1))
        return 1
    fi
    for file in "$corpus/$target"/*; do
        if { "$dir/replay" "$file" >"$dir/log" 2>&1; } 2>/dev/null; then
            p=$((p + 1))
        else
            f=$((f + 1))
            echo "FAILED $file"
            grep -E 'FUZZ_CHECK|runtime error|^SUMMARY' "$dir/log"
        fi
    done
    printf '%-8s %d inputs, %d failed\n' "$target" $((p + f)) "$f"
    passed=$((passed + p)) failed=$((failed + f))
}

# Fuzzes for $how seconds.
fuzz() {
    target=$1 length=400
    case $target in
    json) length=512 ;;
    twins) length=4000 ;;
    record) length=1500 ;;
    esac
    dir=$B/fuzz/$target
    mkdir -p "$dir/corpus" "$dir/findings" || return 1
    rm -f "$dir/findings"/*
    if ! build "$CLANG" "$dir/fuzz" "$target" -fno-omit-frame-pointer \
         -fsanitize=fuzzer,address,undefined \
         -fno-sanitize-recover=undefined; then
        failed=$((failed + 1))
        return 1
    fi
    "$dir/fuzz" -max_total_time="$how" -max_len=$length -timeout=30 \
        -print_final_stats=1 -artifact_prefix="$dir/findings/" \
        "$dir/corpus" "$corpus/$target" >"$dir/log" 2>&1
    rc=$?
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$dir/log")
    cover=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$dir/log" | tail -n 1)
    found=$(find "$dir/findings" -type f | wc -l)
    printf '%-8s %s runs, coverage %s, %d findings\n' "$target" \
        "${runs:-0}" "${cover:-0}" "$found"
    if [ $rc = 0 ] && [ "$found" = 0 ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        grep -E 'FUZZ_CHECK|runtime error|^SUMMARY' "$dir/log"
        find "$dir/findings" -type f
    fi
}

for name in $targets; do
    case $how in
    build) build_only "$name" ;;
    replay) replay "$name" ;;
    *) fuzz "$name" ;;
    esac
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
