#!/bin/sh
# SPDX-License-Identifier: MIT-0
# install.sh -- what is installed can be used, in every usual way
#
#     sh tests/tool/install.sh
#
# Installs into an empty directory, builds and runs a project for each way to
# get the library, in C and in C++, and uninstalls. Needs pkg-config, CMake,
# Meson, mandoc, bash, zsh and fish: what is missing is a failure.
cd "$(dirname "$0")/../.." || exit 1
root=$(pwd)
: "${B:=build}" "${MAKE:=make}" "${CC:=cc}" "${CXX:=c++}"
: "${STB:=/usr/include/stb}"
. tests/tools/check.sh
mkdir -p "$B" || exit 1
work=$(cd "$B" && pwd)/install
rm -rf "$work"
mkdir -p "$work" || exit 1
prefix=$work/prefix
made() { "$MAKE" -s B="$B" CC="$CC" STB="$STB" PREFIX="$prefix" "$@"; }

#--- The programs --------------------------------------------------------------

# One that links the library, and one that implements it.
user='#include <ckpt_store_fs.h>
#include <stdio.h>
int main(void)
{
    ckpt_store_fs fs;
    ckpt_store_fs_desc desc = ckpt_store_fs_desc();
    desc.dir = "runs";
    if (ckpt_version() != CKPT_VERSION) return 2;
    if (ckpt_store_fs_open(&fs, &desc, NULL) != CKPT_OK) return 1;
    ckpt_store_fs_close(&fs);
    return puts("it works") < 0;
}'
mkdir "$work/src"
echo "$user" >"$work/src/link.cpp"
echo "$user" | sed 's/ = ckpt_store_fs_desc()/ = { 0 }/' >"$work/src/link.c"
for lang in c cpp; do
    { printf '#define CKPT_IMPLEMENTATION\n'
      printf '#define CKPT_STORE_FS_IMPLEMENTATION\n'
      cat "$work/src/link.$lang"; } >"$work/src/alone.$lang"
done

# works PROGRAM...: in an empty directory.
works() {
    rm -rf "$work/run"
    mkdir "$work/run" && cd "$work/run" || return 1
    [ "$("$@")" = 'it works' ] && [ -d runs ]
}

#--- make install --------------------------------------------------------------

installs() {
    made install &&
        [ "$("$prefix/bin/ckpt" --version)" = "ckpt $(made version)" ]
}
check "make install puts the command, headers and libraries there" installs
soname() {
    objdump -p "$prefix/lib/libckpt.so" | grep 'SONAME *libckpt.so.0' &&
        nm -D --defined-only "$prefix/lib/libckpt.so" |
            awk '$3 !~ /^ckpt_[a-z]/ { print; bad = 1 } { n++ }
                 END { exit bad || n < 40 }'
}
check "the shared library has a soname, and exports ckpt_ names alone" soname
plain() {
    for lang in c cpp; do
        compiler=$CC
        [ $lang = c ] || compiler=$CXX
        "$compiler" -I"$prefix/include" -o "$work/a" "$work/src/link.$lang" \
            "$prefix/lib/libckpt.a" && works "$work/a" &&
        "$compiler" -I"$prefix/include" -I"$STB" -o "$work/a" \
            "$work/src/alone.$lang" && works "$work/a" &&
        "$compiler" -I"$prefix/include" -L"$prefix/lib" -o "$work/a" \
            "$work/src/link.$lang" -lckpt &&
        works env LD_LIBRARY_PATH="$prefix/lib" "$work/a" || return 1
    done
}
check "a plain compiler: headers alone, static and shared" plain
pkg_config() {
    PKG_CONFIG_PATH=$prefix/lib/pkgconfig
    export PKG_CONFIG_PATH
    [ "$(pkg-config --modversion ckpt)" = "$(made version)" ] || return 1
    for lang in c cpp; do
        compiler=$CC
        [ $lang = c ] || compiler=$CXX
        # shellcheck disable=SC2046
        "$compiler" -o "$work/a" "$work/src/link.$lang" \
            $(pkg-config --cflags --libs ckpt) &&
        works env LD_LIBRARY_PATH="$prefix/lib" "$work/a" &&
        "$compiler" $(pkg-config --cflags ckpt) -o "$work/a" \
            "$work/src/alone.$lang" && works "$work/a" || return 1
    done
}
check "pkg-config, in C and C++" pkg_config

#--- CMake ---------------------------------------------------------------------

# cmake_project HOW FLAGS...: builds and runs one program of each kind.
cmake_project() {
    how=$1; shift
    rm -rf "$work/cmake"
    mkdir "$work/cmake" || return 1
    cp "$work"/src/* "$work/cmake"
    cat >"$work/cmake/CMakeLists.txt" <<END
cmake_minimum_required(VERSION 3.13)
project(scratch C CXX)
$how
foreach(lang c cpp)
    add_executable(link_\${lang} link.\${lang})
    target_link_libraries(link_\${lang} PRIVATE ckpt::static)
    add_executable(alone_\${lang} alone.\${lang})
    target_link_libraries(alone_\${lang} PRIVATE ckpt::ckpt)
endforeach()
END
    cmake -S "$work/cmake" -B "$work/cmake/out" "$@" &&
        cmake --build "$work/cmake/out" || return 1
    for program in link_c link_cpp alone_c alone_cpp; do
        works "$work/cmake/out/$program" || return 1
    done
}
check "CMake: find_package" cmake_project 'find_package(ckpt 0.1 REQUIRED)' \
    -DCMAKE_PREFIX_PATH="$prefix"
wrong_version() {
    cmake_project 'find_package(ckpt 0.2 REQUIRED)' \
        -DCMAKE_PREFIX_PATH="$prefix" && return 1
    grep -q 'package "ckpt" that is compatible' "$work/log"
}
check "CMake: another minor version is refused" wrong_version
check "CMake: FetchContent" cmake_project "include(FetchContent)
FetchContent_Declare(ckpt SOURCE_DIR \"$root\" SOURCE_SUBDIR examples/cmake)
FetchContent_MakeAvailable(ckpt)"

#--- Meson ---------------------------------------------------------------------

meson_project() {
    mkdir -p "$work/meson" || return 1
    cp "$work"/src/* "$work/meson"
    cat >"$work/meson/meson.build" <<'END'
project('scratch', 'c', 'cpp')
ckpt = dependency('ckpt')
executable('link_c', 'link.c', dependencies: ckpt)
executable('link_cpp', 'link.cpp', dependencies: ckpt)
END
    meson setup "$@" "$work/meson/out" "$work/meson" &&
        meson compile -C "$work/meson/out" || return 1
    for program in link_c link_cpp; do
        works env LD_LIBRARY_PATH="$prefix/lib" "$work/meson/out/$program" ||
            return 1
    done
}
meson_installed() {
    rm -rf "$work/meson"
    PKG_CONFIG_PATH=$prefix/lib/pkgconfig meson_project --wrap-mode=nofallback
}
check "Meson: an installed copy" meson_installed
dist() {
    made dist && cp "$B"/dist/* "$work" || return 1
    cd "$work" && sha256sum -c SHA256SUMS || return 1
    rm -rf "$root/$B/dist.2"
    cd "$root" && STB="$STB" sh examples/packaging/dist.sh "$(made version)" \
        "$work/again" && cmp "$work/again/SHA256SUMS" "$work/SHA256SUMS"
}
check "make dist gives the same bytes twice, and their sums" dist
from_archive() {
    cd "$work" && tar -xzf ckpt-*.tar.gz && cd "ckpt-$(made -C "$root" version)" &&
        "$MAKE" -s B=out CC="$CC" PREFIX="$work/other" STB=stb install &&
        "$work/other/bin/ckpt" --version || return 1
    # the copy of stb_sprintf.h went along, and ckpt.pc names it
    flags=$(PKG_CONFIG_PATH=$work/other/lib/pkgconfig pkg-config --cflags ckpt)
    case $flags in *" -I$work/other/include/ckpt"*) ;; *) return 1 ;; esac
    # shellcheck disable=SC2086
    "$CC" $flags -o "$work/a" "$work/src/alone.c" && works "$work/a"
}
check "the archive builds with its own copy of stb_sprintf.h" from_archive
meson_subproject() {
    rm -rf "$work/meson"
    mkdir -p "$work/meson/subprojects/packagefiles/ckpt" &&
        cp examples/meson/meson.build "$work/meson/subprojects/packagefiles/ckpt" &&
        mkdir -p "$work/meson/subprojects/packagecache" &&
        cp "$work"/ckpt-*.tar.gz "$work/meson/subprojects/packagecache" &&
        sed "s/^source_hash.*/source_hash = $(cut -d ' ' -f 1 \
            "$work/SHA256SUMS" | head -n 1)/" examples/meson/ckpt.wrap \
            >"$work/meson/subprojects/ckpt.wrap" || return 1
    meson_project --force-fallback-for=ckpt
}
check "Meson: a subproject" meson_subproject

#--- Manuals and completion ----------------------------------------------------

manuals() {
    # what they refer to is there
    for page in "$prefix"/share/man/man*/ckpt*; do
        MANPATH=$prefix/share/man mandoc -Tlint -Wwarning "$page" || return 1
    done
    ! mandoc -Tlint examples/man/* | grep -v 'referenced manual not found'
}
check "mandoc has no complaint about the manuals" manuals
commands() { ./"$B"/ckpt help | sed -n 's/^  \([a-z][a-z]*\).*/\1/p'; }
complete_bash() {
    # shellcheck disable=SC2016
    bash -c '. "$1"; COMP_WORDS=(ckpt ""); COMP_CWORD=1; _ckpt
        printf "%s\n" "${COMPREPLY[@]}"' bash \
        "$prefix/share/bash-completion/completions/ckpt" >"$work/completed"
    commands | diff - "$work/completed"
}
check "completion for bash knows every command" complete_bash
complete_fish() {
    # shellcheck disable=SC2016
    fish --no-config -c 'source $argv[1]; complete -C "ckpt "' \
        "$prefix/share/fish/vendor_completions.d/ckpt.fish" |
        cut -f 1 | sort >"$work/completed"
    commands | sort | diff - "$work/completed"
}
check "completion for fish knows every command" complete_fish
complete_zsh() {
    zsh -n "$prefix/share/zsh/site-functions/_ckpt" || return 1
    for command in $(commands); do
        grep -q "'$command:" "$prefix/share/zsh/site-functions/_ckpt" ||
            { echo "no $command"; return 1; }
    done
}
check "completion for zsh knows every command" complete_zsh
in_manual() {
    for command in $(commands); do
        grep -q "Cm $command" examples/man/ckpt.1 || [ "$command" = help ] ||
            { echo "no $command"; return 1; }
    done
    for header in ckpt.h ckpt_store_fs.h; do
        awk '/^CKPT_API/ { on = 1 } on && match($0, /ckpt_[a-z0-9_]+\(/) {
                 print substr($0, RSTART, RLENGTH - 1); on = 0 }
             /^\/\/--- Impl/ { exit }' $header
    done >"$work/functions"
    grep -oE 'Fn ckpt_[a-z0-9_]+' examples/man/ckpt.3 | sed 's/Fn //' |
        sort -u | while read -r name; do
        grep -qx "$name" "$work/functions" || echo "no such function: $name"
    done >"$work/missing"
    cat "$work/missing"
    [ ! -s "$work/missing" ]
}
check "the manuals know every command, and no function that is not there" \
    in_manual

#--- make uninstall ------------------------------------------------------------

uninstalls() {
    made uninstall || return 1
    find "$prefix" ! -type d
    [ -z "$(find "$prefix" ! -type d)" ] &&
        [ -z "$(find "$prefix" -name '*ckpt*')" ]
}
check "make uninstall leaves nothing" uninstalls
staged() {
    made install DESTDIR="$work/stage" LIBDIR="$prefix/lib64" &&
        [ -f "$work/stage$prefix/lib64/libckpt.a" ] &&
        grep -qx "libdir=$prefix/lib64" \
            "$work/stage$prefix/lib64/pkgconfig/ckpt.pc" &&
        [ -z "$(find "$prefix" ! -type d)" ] &&
        made uninstall DESTDIR="$work/stage" LIBDIR="$prefix/lib64" &&
        [ -z "$(find "$work/stage" ! -type d)" ]
}
check "DESTDIR and LIBDIR are heeded" staged

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
