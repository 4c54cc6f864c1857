#!/bin/sh
# SPDX-License-Identifier: MIT-0
# check.sh -- builds as OSS-Fuzz does, and runs each target on its corpus
#
#     sh tests/fuzz/oss-fuzz/check.sh
#
# Needs clang with libFuzzer, libjansson-dev, bash, zip and unzip.
cd "$(dirname "$0")/../../.." || exit 1
: "${B:=build}" "${STB:=/usr/include/stb}"
passed=0 failed=0
rm -rf "$B/oss-fuzz"
mkdir -p "$B/oss-fuzz/out" "$B/oss-fuzz/src" || exit 1
OUT=$(cd "$B/oss-fuzz/out" && pwd) SRC=$(cd "$B/oss-fuzz/src" && pwd)
ln -s "$(pwd)" "$SRC/ckpt"
CC=clang CXX=clang++ LIB_FUZZING_ENGINE=-fsanitize=fuzzer
CFLAGS='-O1 -fsanitize=fuzzer-no-link,address' CXXFLAGS=$CFLAGS
export OUT SRC STB CC CXX CFLAGS CXXFLAGS LIB_FUZZING_ENGINE
bash tests/fuzz/oss-fuzz/build.sh || failed=1
for source in tests/fuzz/fuzz_*.c; do
    target=$(basename "$source" .c)
    mkdir "$B/oss-fuzz/$target"
    if unzip -q "$OUT/${target}_seed_corpus.zip" -d "$B/oss-fuzz/$target" &&
        "$OUT/$target" -runs=0 "$B/oss-fuzz/$target" >"$OUT/$target.log" 2>&1
    then
        passed=$((passed + 1))
        echo "ok     $target"
    else
        failed=$((failed + 1))
        echo "FAILED $target"
        tail -n 5 "$OUT/$target.log"
    fi
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
