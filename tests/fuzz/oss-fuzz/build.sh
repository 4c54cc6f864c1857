#!/bin/bash -eu
# SPDX-License-Identifier: MIT-0
# build.sh -- builds the fuzz targets for OSS-Fuzz, each with its corpus
#
# OSS-Fuzz sets SRC, OUT, CC, CFLAGS and LIB_FUZZING_ENGINE. "sh
# tests/fuzz/oss-fuzz/check.sh" sets them, too, and runs what comes out.
cd "$SRC/ckpt"
for source in tests/fuzz/fuzz_*.c; do
    target=$(basename "$source" .c)
    libs=
    [ "$target" != fuzz_json ] || libs='-Wl,-Bstatic -ljansson -Wl,-Bdynamic'
    # shellcheck disable=SC2086
    $CC $CFLAGS -std=c99 -D_POSIX_C_SOURCE=200809L -I. -Itests/support \
        -I"${STB:-/usr/include/stb}" -c -o "$OUT/$target.o" "$source"
    # the engine is C++
    # shellcheck disable=SC2086
    $CXX $CXXFLAGS -o "$OUT/$target" "$OUT/$target.o" $LIB_FUZZING_ENGINE $libs
    rm "$OUT/$target.o"
    zip -q -j "$OUT/${target}_seed_corpus.zip" \
        "tests/fuzz/corpus/${target#fuzz_}"/*
done
