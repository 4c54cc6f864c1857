#!/bin/sh
# SPDX-License-Identifier: MIT-0
# form.sh -- the form of the headers and of the documentation
#
#     sh tests/tools/form.sh [part of a check's sentence]
#     CKPT_LONG=yes sh tests/tools/form.sh
#
# With CKPT_LONG=yes also those checks run that compile for long; with
# CKPT_LONG=only, no others. Each check is one line, "ok" or "FAILED" with what
# it found; the last line is "N passed, N failed". Needs gcc, g++, clang,
# clang++ and binutils; ARM= names another prefix of the cross compiler.
# Everything goes to $B/form.
cd "$(dirname "$0")/../.." || exit 1
root=$(pwd)
: "${STB:=/usr/include/stb}" "${B:=build}"
export STB B
mkdir -p "$B/form" || exit 1
work=$(cd "$B/form" && pwd)
. tests/tools/check.sh
filter=$1
: "${CKPT_LONG:=}"
[ "$CKPT_LONG" != only ] || only_long=yes

# long_check SENTENCE COMMAND...: a check that compiles for long.
long_check() {
    [ -n "$CKPT_LONG" ] || return 0
    was=$only_long only_long=
    check "$@"
    only_long=$was
}

warn="-Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow -Wundef
      -Wcast-qual -Wwrite-strings -Wvla -Walloca -Werror"
warn_c="-Wstrict-prototypes -Wmissing-prototypes -Wc++-compat"
inc="-I$root -I$STB"

# The sources of the checks. What implements ckpt is what the manuals say.
do_this() {
    awk '/Do this in/ { on = 1 } on && /^        #/ { print; seen = 1; next }
         seen { exit }' "$1"
}
do_this ckpt.h >"$work/core.c"
do_this ckpt_store_fs.h >"$work/both.c"
do_this ckpt_store_pg.h >"$work/pg.c"
printf '#include "ckpt_store_pg.h"\n#include "ckpt.h"\n%s\n' \
    '#include "ckpt_store_pg.h"' >"$work/user_pg.c"
: "${PQ:=$(pg_config --includedir 2>/dev/null)}"
printf '#include "ckpt.h"\n' >"$work/user_core.c"
printf '#include "ckpt_store_fs.h"\n' >"$work/user_fs.c"
printf '#include "ckpt.h"\n#include "ckpt_store_fs.h"\n%s\n%s\n' \
    '#include "ckpt.h"' '#include "ckpt_store_fs.h"' >"$work/user_both.c"
printf '#include "ckpt_store_fs.h"\n#include "ckpt.h"\n%s\n%s\n' \
    '#include "ckpt_store_fs.h"' '#include "ckpt.h"' >"$work/user_back.c"

# compile COMPILER SOURCE FLAGS...: an object of the source's name.
compile() {
    cc=$1 source=$2; shift 2
    # shellcheck disable=SC2086
    "$cc" "$@" $inc -c -o "$work/${source%.c}.o" "$work/$source"
}

# release SOURCE: the same as gcc makes it for users, optimised and with every
# warning, which several checks look at: it is compiled by the first of them.
rm -rf "$work/release"
mkdir "$work/release" || exit 1
release() {
    if [ ! -e "$work/release/$1.o" ]; then
        # shellcheck disable=SC2086
        compile gcc "$1.c" -std=c99 -O2 $warn $warn_c || return 1
        cp "$work/$1.o" "$work/release/$1.o" || return 1
    fi
    cp "$work/release/$1.o" "$work/$1.o"
}

#--- Compilers -----------------------------------------------------------------

# as COMPILER STD FLAGS...: of GCC optimised in one standard, which finds what
# depends on the flow (clang says the same however it compiles); the core alone
# adds what is unused without a store.
as() {
    cc=$1 std=$2; shift 2
    # shellcheck disable=SC2086
    compile "$cc" core.c "$@" -std="$std" -O0 $warn || return 1
    [ "$cc$std" != gccc99 ] || { release both; return; }
    # shellcheck disable=SC2086
    compile "$cc" both.c "$@" -std="$std" -O0 $warn
}
optimised_cpp() {
    # shellcheck disable=SC2086
    compile g++ both.c -x c++ -std=c++11 -O2 $warn
}
user_c() {
    # shellcheck disable=SC2086
    for source in user_core.c user_fs.c user_both.c user_back.c; do
        for std in c99 c11 c2x; do
            compile "$1" $source -std=$std $warn $warn_c || return 1
        done
    done
}
user_cpp() {
    # shellcheck disable=SC2086
    for source in user_core.c user_fs.c user_both.c user_back.c; do
        for std in c++11 c++20; do
            compile "$1" $source -x c++ -std=$std $warn || return 1
        done
    done
}
everything() {
    for how in "clang -std=c99" "clang++ -x c++ -std=c++20"; do
        # shellcheck disable=SC2086
        set -- $how
        compiler=$1; shift
        compile "$compiler" user_both.c "$@" -Weverything -Werror \
            -Wno-padded -Wno-reserved-identifier \
            -Wno-reserved-macro-identifier -Wno-c++98-compat \
            -Wno-c++98-compat-pedantic || return 1
    done
}
quiet_ndebug() {
    # shellcheck disable=SC2086
    compile gcc both.c -std=c99 -Os -DNDEBUG $warn $warn_c &&
    compile gcc both.c -std=c99 -O3 $warn $warn_c &&
    compile gcc both.c -std=gnu11 -O0 -D_GNU_SOURCE $warn $warn_c
}

# shellcheck disable=SC2086
for cc in gcc clang; do
    for std in c99 c2x; do
        check "$cc -std=$std compiles the headers without a warning" \
            as $cc $std $warn_c
    done
    long_check "$cc -std=c11 compiles the headers without a warning" \
        as $cc c11 $warn_c
done
for cc in g++ clang++; do
    for std in c++11 c++20; do
        check "$cc -std=$std compiles the headers without a warning" \
            as $cc $std -x c++
    done
done
for cc in gcc clang; do
    check "$cc has no warning for users, in either order and twice" user_c $cc
done
for cc in g++ clang++; do
    check "$cc has no warning for users, in either order and twice" \
        user_cpp $cc
done
long_check "g++ has no warning when it optimises" optimised_cpp
check "clang -Weverything has no warning for users" everything
long_check "no warning with NDEBUG, with -Os, -O3 and -O0" quiet_ndebug

# The store in PostgreSQL, where there is libpq; for its users it needs none.
users_pg() {
    # shellcheck disable=SC2086
    for cc in gcc clang; do
        compile $cc user_pg.c -std=c99 $warn $warn_c || return 1
    done
    # shellcheck disable=SC2086
    for cc in g++ clang++; do
        compile $cc user_pg.c -x c++ -std=c++11 $warn || return 1
    done
}
check "the store in PostgreSQL has no warning for users" users_pg
with_pg() {
    inc="$inc -I$PQ"
    # shellcheck disable=SC2086
    for cc in gcc clang; do
        compile $cc pg.c -std=c99 -O2 $warn $warn_c &&
            compile $cc pg.c -std=c2x -O0 $warn $warn_c || return 1
    done
    # shellcheck disable=SC2086
    for cc in g++ clang++; do
        compile $cc pg.c -x c++ -std=c++11 $warn || return 1
    done
    { sed -n 1p "$work/core.c"; cat "$work/pg.c"; } >"$work/static.c"
    # shellcheck disable=SC2086
    compile gcc static.c -std=c99 -O2 -DCKPT_STATIC $warn $warn_c || return 1
    compile gcc pg.c -std=c99 -O0 -fno-pic -fno-pie || return 1
    nm -g --defined-only "$work/pg.o" | grep -v ' ckpt_store_pg_' && return 1
    nm "$work/pg.o" | grep -E ' [BbCDdGgSs] ' && return 1
    gcc $inc -std=c99 -dD -E "$work/pg.c" | awk '
        /^# [0-9]+ "/ { file = $3; next }
        file ~ /ckpt/ && /^#define / {
            name = $2; sub(/[(].*/, "", name); left[name] = 1
        }
        /^#undef / { delete left[$2] }
        END {
            delete left["_POSIX_C_SOURCE"]
            for (name in left) if (name !~ /^CKPT_[A-Z]/) { print name; bad = 1 }
            exit bad
        }'
}
if [ -e "$PQ/libpq-fe.h" ]; then
    check "the store in PostgreSQL compiles, exports and leaves its own" with_pg
fi

#--- Ways to include -----------------------------------------------------------

implement_twice() {
    { cat "$work/both.c" "$work/both.c"; echo '#include "ckpt.h"'; } |
        awk '/#define/ && seen[$0]++ { next } { print }' >"$work/twice.c"
    printf '#include "ckpt.h"\n#include "ckpt_store_fs.h"\n' |
        cat - "$work/both.c" >"$work/after.c"
    # shellcheck disable=SC2086
    compile gcc twice.c -std=c99 -O0 $warn $warn_c &&
    compile gcc after.c -std=gnu99 -O0 $warn $warn_c &&
    compile clang after.c -std=gnu99 -O0 $warn $warn_c &&
    compile g++ after.c -x c++ -std=c++11 -O0 $warn
}
check "bodies come once, also after the declarations" implement_twice

static_mode() {
    # shellcheck disable=SC2086
    for cc in gcc clang; do
        for source in core.c both.c; do
            compile $cc $source -std=c99 -O2 -DCKPT_STATIC $warn $warn_c ||
                return 1
            nm -g --defined-only "$work/${source%.c}.o" | grep . && return 1
        done
    done
    # shellcheck disable=SC2086
    for cc in g++ clang++; do
        compile $cc both.c -x c++ -std=c++11 -O2 -DCKPT_STATIC -Wall -Werror ||
            return 1
    done
}
check "CKPT_STATIC exports nothing and has no unused warning" static_mode

own_linkage() {
    # shellcheck disable=SC2086
    compile gcc both.c -std=c99 -O0 $warn \
        -DCKPT_API='__attribute__((visibility("hidden"))) extern' || return 1
    nm -g --defined-only "$work/both.o" >"$work/names"
    objdump -t "$work/both.o" | grep ' g .* ckpt_' | grep -v .hidden && return 1
    grep -q ' T ckpt_init$' "$work/names"
}
check "CKPT_API is the user's own linkage" own_linkage

# stops TEXT FILE FLAGS...: does not compile, and says why.
stops() {
    text=$1 source=$2; shift 2
    if compile gcc "$source" "$@" >"$work/said" 2>&1; then
        echo "it compiles"
        return 1
    fi
    grep '#error' "$work/said" | grep -qF "$text" || { cat "$work/said"; false; }
}
late() {
    printf '#include <stdint.h>\n' | cat - "$work/both.c" >"$work/late.c"
    for std in c99 c11; do
        stops "include ckpt_store_fs.h" late.c -std=$std || return 1
        grep '#error' "$work/said" | grep -qF _DEFAULT_SOURCE || return 1
    done
    compile gcc late.c -fsyntax-only -std=c99 -D_POSIX_C_SOURCE=200809L ||
        return 1
    compile gcc late.c -fsyntax-only -std=c99 -D_DEFAULT_SOURCE || return 1
    compile gcc late.c -std=gnu99
}
check "late inclusion in strict C99 stops with a message" late
stb_first() {
    printf '#include "stb_sprintf.h"\n' | cat - "$work/both.c" >"$work/stb.c"
    stops "before stb_sprintf.h" stb.c -std=gnu99
}
check "stb_sprintf.h included first stops with a message" stb_first
no_core() {
    printf '%s\n' '#define CKPT_STORE_FS_IMPLEMENTATION' \
        '#include "ckpt_store_fs.h"' >"$work/half.c"
    stops "define CKPT_IMPLEMENTATION" half.c -std=c99
}
check "a file store without a core stops with a message" no_core
# Nothing else is said: nobody has to find out what the first message is.
windows() {
    stops "does not run on Windows" both.c -std=c99 -D_WIN32 || return 1
    [ "$(grep -c 'error:' "$work/said")" = 1 ]
}
check "Windows stops a file store with one message" windows
no_stb() {
    inc=-I$root
    if [ "$(basename "$STB")" = stb ]; then
        stops "stb_sprintf.h" both.c -std=c99 || {
            grep -q 'stb_sprintf.h: No such file' "$work/said"; }
    fi
    compile gcc core.c -std=c99
}
check "the core compiles without stb_sprintf.h" no_stb

#--- What is left in the object and in the user's file -------------------------

exported() {
    for how in "gcc -std=c99" "g++ -x c++ -std=c++11"; do
        # shellcheck disable=SC2086
        set -- $how
        compiler=$1; shift
        compile "$compiler" both.c "$@" -O0 || return 1
        nm -g --defined-only "$work/both.o" | awk '
            $3 !~ /^ckpt_[a-z]/ { print; bad = 1 }
            { n++ } END { exit bad || n < 40 }' || return 1
    done
    echo "$(nm -g --defined-only "$work/both.o" | wc -l) names"
}
check "no exported name without ckpt_" exported

# The digits and pairs of stb_sprintf are never written, but not const.
writable() {
    for source in core.c both.c; do
        release "${source%.c}" || return 1
        known=none
        [ $source = core.c ] || known='stbsp__digitpair|hexu?\.[0-9]+'
        nm "$work/${source%.c}.o" | grep -E ' [BbCDdGgSs] ' \
            >"$work/names"
        objdump -h "$work/${source%.c}.o" >"$work/sections"
        # constant tables that hold addresses are read-only once linked
        objdump -t "$work/${source%.c}.o" | awk -v known="^($known)\$" '
            ($3 == "O" && $4 ~ /^\.(data|bss|sdata|sbss|tdata|tbss)/ &&
             $4 !~ /^\.data\.rel\.ro/) || $3 == "*COM*" {
                if ($NF !~ known) { print; bad = 1 }
            }
            / O .*\.(data|bss|tdata|tbss)/ && !/\.data\.rel\.ro/ {
                if ($NF !~ known) { print; bad = 1 }
            }
            END { exit bad }' || return 1
    done
}
check "no writable data but the tables of stb_sprintf" writable

# Of the defines and undefs in our files and what they take in.
macros() {
    for source in user_fs.c both.c; do
        gcc $inc -std=c99 -dD -E "$work/$source" | awk '
            /^# [0-9]+ "/ { file = $3; next }
            file ~ /ckpt|stb_sprintf/ && /^#define / {
                name = $2; sub(/[(].*/, "", name); left[name] = 1
            }
            /^#undef / { delete left[$2] }
            END {
                # the file store asks for POSIX, as it says
                delete left["_POSIX_C_SOURCE"]
                delete left["_FILE_OFFSET_BITS"]
                delete left["_TIME_BITS"]
                delete left["CKPT_IMPLEMENTATION"]
                for (name in left) {
                    n++
                    if (name !~ /^CKPT_[A-Z]/) { print name; bad = 1 }
                }
                exit bad || n < 20
            }' || { echo "in $source"; bad=1; }
    done
    [ -z "$bad" ]
}
check "nothing is left defined but CKPT_" macros

needs_core() {
    release core || return 1
    nm -u "$work/core.o" | awk '$2 !~ /^(mem|str)[a-z]+$/ { print $2; bad = 1 }
        { n++ } END { if (!bad) print n " functions"; exit bad }'
}
check "the core needs mem and str functions only" needs_core
needs_both() {
    release both || return 1
    nm -u "$work/both.o" | awk '{ print $NF }' >"$work/needed"
    for name in malloc calloc realloc free printf fprintf snprintf sprintf \
        puts fopen fwrite strerror localtime gmtime umask setlocale chdir \
        signal sigaction exit abort atexit time system getenv setenv \
        pthread_create; do
        grep -x "$name" "$work/needed" && return 1
    done
    grep -qx fsync "$work/needed"
}
check "the file store allocates, prints and changes nothing process-wide" \
    needs_both

# stack BYTES COMPILER FLAGS...
stack() {
    max=$1 cc=$2; shift 2
    compile "$cc" core.c -std=c99 "$@" -Wvla -Walloca -Werror \
        -fcallgraph-info=su || return 1
    awk -v max="$max" -f tests/tools/form/stack.awk ckpt.h "$work/core.ci" >"$work/su"
    rc=$?
    tail -n 1 "$work/su"
    [ $rc = 0 ] || sort -rn "$work/su" | head -n 12
    return $rc
}
check "the core uses 1.5 KiB of stack at most" stack 1536 gcc -O2
check "the core uses 1 KiB of stack at most, on a Cortex-M4" \
    stack 1024 "${ARM:-arm-none-eabi-}gcc" -Os -mcpu=cortex-m4 -mthumb -ffreestanding
size() {
    sh tests/tools/size.sh >"$work/size.log" 2>&1
    rc=$?
    if [ $rc = 0 ]; then
        sed -n 's/.*-Os *//; s/ bytes.*/ bytes/; 1p' "$work/size.log"
    else
        cat "$work/size.log"
    fi
    return $rc
}
check "the core grows no more on a Cortex-M4, with its parts or without" size

small_tables() {
    tables='-DCKPT_PHASES_MAX=16 -DCKPT_EFFECTS_MAX=8 -DCKPT_HELD_MAX=4'
    { cat "$work/core.c"; echo 'char it[sizeof(ckpt_run)];'; } >"$work/it.c"
    for cc in "gcc -std=c99" "${ARM:-arm-none-eabi-}gcc -std=c99 -mcpu=cortex-m4"
    do
        # shellcheck disable=SC2086
        set -- $cc
        compiler=$1; shift
        # shellcheck disable=SC2086
        compile "$compiler" it.c "$@" $tables $warn || return 1
        nm -S -t d "$work/it.o" | awk '$4 == "it" {
            n = $2 + 0 } END { print n " bytes"; exit !n || n > 5120 }' || return 1
    done
}
check "with tables of 16, 8 and 4 a run has at most 5 KiB" small_tables

# size_of FLAGS...: of the code of the core on a Cortex-M4.
size_of() {
    # shellcheck disable=SC2086
    compile "${ARM:-arm-none-eabi-}gcc" core.c -std=c99 -Os -mcpu=cortex-m4 \
        -mthumb -ffreestanding $warn "$@" || return 1
    "${ARM:-arm-none-eabi-}size" "$work/core.o" | awk 'NR == 2 { print $1 }'
}

# gone NAME WORD COMPILER...: without the part CKPT_NO_NAME no symbol has the
# word.
gone() {
    part=$1 word=$2 compiler=$3; shift 3
    # shellcheck disable=SC2086
    compile "$compiler" core.c "$@" -O0 "-DCKPT_NO_$part" $warn || return 1
    ! nm "$work/core.o" | grep "$word"
}
# parts_by COMPILER...
parts_by() {
    for it in "DOUBLES double" "SUPERVISING ckpt_recover" \
        "ENVIRONMENTS ckpt_env" "NOTE ckpt_note"; do
        # shellcheck disable=SC2086
        gone $it "$@" || return 1
    done
}
parts() {
    # shellcheck disable=SC2086
    compile gcc both.c -std=c99 -O0 -DCKPT_NO_SUPERVISING $warn &&
        parts_by gcc -std=c99
}
parts_elsewhere() {
    parts_by clang -std=c2x && parts_by g++ -x c++ -std=c++11
}
# shrinks NAME LEAST: without the part LEAST bytes less are there.
shrinks() {
    without=$(size_of "-DCKPT_NO_$1") || return 1
    echo "$1: $((all - without)) bytes of a Cortex-M4"
    [ $((all - without)) -gt "$2" ]
}
parts_shrink() {
    all=$(size_of) || return 1
    shrinks DOUBLES 1000 && shrinks SUPERVISING 3500 &&
        shrinks ENVIRONMENTS 1000 && shrinks NOTE 500
}
check "each part of the core can be left out, and is gone then" parts
long_check "so it is with clang and with g++" parts_elsewhere
long_check "each part that is left out spares its size" parts_shrink

#--- Examples ------------------------------------------------------------------

# In the user's files -Wunused is not our business.
pedantic="-std=c99 -Wall -Wextra -Wpedantic -Werror"

steps() {
    awk '/^    STEP BY STEP/ { on = 1 } /^    WORDS/ { exit }
         on && /^            [^ ]/ { print; n++; next }
         on && /^             / { print; next }
         on && n && /^$/ { print "" }' ckpt.h >"$work/steps.inc"
    [ "$(grep -c . "$work/steps.inc")" -gt 40 ] || return 1
    release both || return 1
    # shellcheck disable=SC2086
    gcc $pedantic -Wno-unused-but-set-variable $inc -I"$work" \
        -o "$work/steps" tests/tools/form/steps.c "$work/both.o" || return 1
    rm -rf "$work/steps.d"
    mkdir "$work/steps.d" && cd "$work/steps.d" || return 1
    ../steps die >first
    [ $? = 7 ] || { echo "the first process did not die in its tool"; return 1; }
    ../steps >second || { cat second; return 1; }
    cat first second >both
    [ -z "$(ls runs)" ] || return 1
    printf '%s\n' planned 'called call_1' \
        'restored turn 1, 39 bytes of messages, 2 of state' \
        'uncertain call_1' 'finished 0' | diff - both
}
check "the manual's STEP BY STEP runs, dies, resumes and finishes" steps

# Code in comments of the declarations: six blanks and more after the slashes.
comments_code() {
    awk '/^\/\/--- Implementation/ { exit }
         /^\/\/      / { sub(/^\/\/      /, ""); sub(/^\.\.\. */, ""); print; next }
         { print "" }' ckpt.h | awk '
        NF && !on { n++; on = 1 } !NF { on = 0 }
        on { print > (dir "/comment" n ".inc") }' dir="$work"
    cat >"$work/comment1.c" <<'END'
#include "ckpt.h"
#include <stdlib.h>
int main(void);
static ckpt_janitor janitor;
int main(void)
{
    ckpt_env *envs[1];
    ckpt_janitor_init(&janitor, envs, 1, NULL, NULL);
    INSIDE
    return 0;
}
END
    cat >"$work/comment2.c" <<'END'
#include "ckpt.h"
#include <string.h>
int main(void)
{
    char       buf[64];
    ckpt_bytes json;
    ckpt_code  rc;
#include "comment2.inc"
    return !(rc == CKPT_OK && json.len == 15 &&
             memcmp(json.ptr, "{\"role\":\"user\"}", 15) == 0);
}
END
    awk 'FNR == NR { if (/^static/) out = $0; else in_ = $0; next }
         /^static ckpt_janitor/ { print; print out; next }
         /INSIDE/ { print in_; next } { print }' \
        "$work/comment1.inc" "$work/comment1.c" >"$work/comment1b.c" &&
    mv "$work/comment1b.c" "$work/comment1.c"
    [ -f "$work/comment3.inc" ] && { echo "one more, not run:"
        cat "$work/comment3.inc"; return 1; }
    release core || return 1
    for n in 1 2; do
        # shellcheck disable=SC2086
        gcc $pedantic $inc -I"$work" -o "$work/comment$n" "$work/comment$n.c" \
            "$work/core.o" && "$work/comment$n" || return 1
    done
}
rm -f "$work"/comment*
check "code in the comments of ckpt.h runs" comments_code

# Each block of C in the README: a program, the implementation or a piece.
readme() {
    rm -rf "$work/readme"
    mkdir "$work/readme" || return 1
    awk -v dir="$work/readme" '
        /^```c$/ { n++; on = 1; next } /^```/ { on = 0 }
        on { print > (dir "/" n ".c") }' README.md
    release both || return 1
    n=0
    for source in "$work"/readme/*.c; do
        n=$((n + 1)) object=$work/both.o outside=
        dir=${source%.c}.d
        mkdir -p "$dir" || return 1
        if grep -q '^int main' "$source"; then
            grep -q IMPLEMENTATION "$source" && object=
            cp "$source" "$dir/piece.c"
        elif grep -q IMPLEMENTATION "$source"; then
            compile gcc "readme/$(basename "$source")" -std=c99 || return 1
            continue
        else
            call=$(awk -F'[ (]' '/^static .*[(]ckpt_run [*]run[)]$/ { f = $3 }
                END { print f }' "$source")
            if [ -n "$call" ]; then
                outside="-DOUTSIDE -DCALL=$call -pthread"
            elif grep -Eq '^(static|typedef) ' "$source"; then
                # only compiled: what it calls is the reader's
                outside="-DOUTSIDE -fno-pie -no-pie"
                outside="$outside -Wl,--unresolved-symbols=ignore-all"
            fi
            cp "$source" "$dir/fragment.inc"
            cp tests/tools/form/fragment.c "$dir/piece.c"
        fi
        # what a piece declares and leaves to the reader is unused
        # shellcheck disable=SC2086
        gcc $pedantic -Wno-unused $outside $inc -I"$dir" -Wl,--wrap=sleep \
            -o "$dir/piece" "$dir/piece.c" tests/tools/form/sleep.c $object ||
            return 1
        ( cd "$dir" && ./piece >out 2>&1 ) || {
            echo "block $n of README.md:"; cat "$dir/out"; return 1; }
    done
    echo "$n blocks"
    [ "$n" -ge 4 ]
}
check "every block of C in the README compiles and runs" readme

# The program in C++: started twice, it does its work once.
readme_cpp() {
    rm -rf "$work/readme.cpp" "$work/readme.d"
    mkdir "$work/readme.d" || return 1
    awk '/^```cpp$/ { on = 1; next } /^```/ { on = 0 } on' README.md \
        >"$work/readme.cpp"
    for std in c++11 c++20; do
        # shellcheck disable=SC2086
        g++ -std=$std -Wall -Wextra -Wpedantic -Werror $inc \
            -o "$work/readme.d/agent" "$work/readme.cpp" || return 1
    done
    all='["step","step","step","step","step"]'
    ( cd "$work/readme.d" && ./agent && ./agent && ./agent ) >"$work/out" &&
        echo "$all" | diff - "$work/out" &&
        grep -qF "$all" "$work"/readme.d/runs/r-report/checkpoint.*.json
}
check "the program in C++ of the README does its work once" readme_cpp

# start AT SIGNAL STATUS [FIRST TURN LAST]: one start of the first example, and
# the lines that it must print. Its throttle saves the first turn of each start:
# no turn takes any time here.
start() {
    AT=$1 SIGNAL=$2 ./hello >out 2>/dev/null
    status=$?
    { sed -n '1,2p;$p' out; echo "$status"; } | uniq >said
    status=$3; shift 3
    printf '%s\n' "$@" "$status" | diff - said
}
hello() {
    awk '/^#define CKPT_IMPL/ { on = 1 } on' examples/hello.c >"$work/hello.c"
    awk '/^```c$/ { on = 1; next } /^```/ && on { exit } on' README.md |
        diff - "$work/hello.c" || return 1
    [ "$(wc -l <"$work/hello.c")" -lt 60 ] || return 1
    rm -rf "$work/hello.d"
    mkdir "$work/hello.d" || return 1
    # shellcheck disable=SC2086
    gcc $pedantic $inc -Wl,--wrap=sleep -DCKPT_STATIC -o "$work/hello.d/hello" \
        examples/hello.c tests/tools/form/sleep.c || return 1
    cd "$work/hello.d" || return 1
    start 2 9 137 2>/dev/null &&
        start 3 2 1 Resumed. 'Turn 2 of 20' 'Interrupted: start it again.' &&
        start 0 0 0 Resumed. 'Turn 5 of 20' Finished. &&
        start 0 0 0 'It was finished before.'
}
check "the first example goes on after SIGKILL and Ctrl-C, and ends once" hello

examples() {
    for source in examples/*.c; do
        if grep -q '^#include "ckpt_store_pg' "$source"; then
            [ -e "$PQ/libpq-fe.h" ] || continue
            # shellcheck disable=SC2086
            gcc $pedantic -Wshadow -O2 $inc -I"$PQ" -o "$work/example" \
                "$source" -lpq || return 1
            continue
        fi
        if grep -q '^#include "llm_world' "$source"; then
            llm=$(pkg-config --libs libcurl libcjson 2>/dev/null) || continue
            # shellcheck disable=SC2086
            gcc $pedantic -Wshadow -O1 $inc -o "$work/example" "$source" \
                $llm || return 1
            continue
        fi
        # shellcheck disable=SC2086
        gcc $pedantic -Wshadow -O1 $inc -pthread \
            -o "$work/example" "$source" || {
            compile gcc both.c -std=c99 &&
            gcc $pedantic -Wshadow -O1 $inc -pthread \
                -o "$work/example" "$source" "$work/both.o"; } || return 1
    done
}
long_check "the examples compile without a warning, each alone" examples
examples_cpp() {
    llm=$(pkg-config --libs libcurl libcjson 2>/dev/null) || return 0
    # shellcheck disable=SC2086
    for cc in g++ clang++; do
        $cc -std=c++17 -Wall -Wextra -Wpedantic -Wshadow -Werror -O1 $inc \
            -o "$work/example" examples/llm_agent.cpp $llm || return 1
    done
}
long_check "so does the example in C++" examples_cpp
command_pg() {
    # shellcheck disable=SC2086
    gcc $pedantic -Wshadow -O1 $inc -pthread -DCKPT_WITH_PG -I"$PQ" \
        -o "$work/example" examples/ckpt.c -lpq
}
if [ -e "$PQ/libpq-fe.h" ]; then
    long_check "so does the command with the store in PostgreSQL" command_pg
fi

long_check "the fuzz targets compile without a warning" \
    env CC=gcc sh tests/fuzz/run.sh build

#--- Documentation -------------------------------------------------------------

commented() {
    for header in ckpt.h ckpt_store_fs.h ckpt_store_pg.h; do
        awk -v header="$header" '
            /^\/\/--- Implementation/ { exit }
            /^CKPT_API/ {
                n++
                if (before !~ /^(\/\/|.*\*\/$)/) {
                    print header ":" NR ": " $0; bad = 1
                }
            }
            { before = $0 }
            END { exit bad || n < 4 }' "$header" || bad=1
    done
    [ -z "$bad" ]
}
check "every CKPT_API declaration has a comment before it" commented

names_exist() {
    for header in ckpt.h ckpt_store_fs.h ckpt_store_pg.h; do
        awk -f tests/tools/form/code.awk "$header"
    done >"$work/code"
    grep 'CREATE OR REPLACE\|_TABLE "' ckpt_store_pg.h >>"$work/code"
    {
        grep -oE 'CKPT_[A-Za-z0-9_]+|ckpt_[a-z0-9_]+' "$work/code"
        # names that are pasted together: X(NAME, ...)
        awk '/^#define CKPT_CODE_MAP/ { p = "CKPT_" }
             /^#define CKPT_EVENT_MAP/ { p = "CKPT_EVENT_" }
             p != "" && match($0, /X\([A-Z_]+,/) {
                 print p substr($0, RSTART + 2, RLENGTH - 3) }
             !/\\$/ { p = "" }' "$work/code"
    } | sort -u >"$work/known"
    {
        awk -v comments=1 -f tests/tools/form/code.awk ckpt.h
        awk -v comments=1 -f tests/tools/form/code.awk ckpt_store_fs.h
        awk -v comments=1 -f tests/tools/form/code.awk ckpt_store_pg.h
        cat README.md
    } | sed -e 's/ckpt_store_[fp][sg]\.[hc]//g' -e 's,ckpt\.[hc],,g' \
            -e 's/-DCKPT_[A-Z_]*//g' |
        grep -oE '(CKPT_|ckpt_|ERR_)[A-Za-z0-9_]*' |
        sed -e 's/^ERR_/CKPT_ERR_/' | sort -u >"$work/named"
    awk 'FNR == NR { known[$0]; next }
        { p = substr($0, 1, length($0)) }
        p in known { next }
        /_$/ {      # a family: CKPT_STATE_
            for (k in known) if (index(k, p) == 1) next
        }
        { print "no such name: " $0; bad = 1 }
        END { exit bad }' "$work/known" "$work/named"
}
check "every name that the documentation uses exists" names_exist

readme_tests() {
    cat tests/*/*.[ch] >"$work/tests"
    awk '/^\| promise/ { on = 1 } !/^\|/ { on = 0 } on' README.md |
        grep -oE '`[a-z_]+\.[a-z_0-9]+`' | tr -d '`' | while read -r name; do
        grep -q "X(${name#*.})" tests/*/"test_${name%%.*}.c" ||
            echo "no such test: $name"
    done >"$work/missing"
    cat "$work/missing"
    [ ! -s "$work/missing" ]
}
check "every test that the README names exists" readme_tests

suites_run() {
    grep -hoE '^[A-Z]+_SUITE\([a-z_0-9]+' tests/*/test_*.c | sed 's/.*(//' |
        while read -r noun; do
            grep -q "X($noun)" tests/run_all.c tests/pg/run_pg.c ||
                echo "not run: $noun"
        done >"$work/missing"
    cat "$work/missing"
    [ ! -s "$work/missing" ]
}
check "every suite is in a program" suites_run

version() {
    number=$(awk '$2 == "CKPT_VERSION" { print $3 }' ckpt.h)
    string=$(awk -F'"' '/#define CKPT_VERSION_STRING/ { print $2 }' ckpt.h)
    of_number=$(printf '%d.%d.%d' $((number >> 16)) $((number >> 8 & 255)) \
        $((number & 255)))
    for header in ckpt.h ckpt_store_fs.h ckpt_store_pg.h; do
        title=$(sed -n '2s/.* v//p' $header)
        [ "$title" = "$string" ] || echo "$header says $title, not $string"
    done
    [ "$of_number" = "$string" ] || echo "$number is not $string"
    [ "$of_number" = "$string" ] && [ "$title" = "$string" ] &&
        [ "$(sed -n '2s/.* v//p' ckpt.h)" = "$string" ]
}
check "number, string and titles of the version agree" version

layout() {
    for file in ./*.h tests/*.c tests/*/*.[ch] tests/*/*/*.[ch] examples/*.c \
        examples/*.h examples/*.cpp; do
        [ -f "$file" ] || continue
        awk -v file="$file" '
            length($0) > 80 { print file ":" FNR ": " length($0) " wide" }
            /\t/            { print file ":" FNR ": tab" }
            /[ \r]$/        { print file ":" FNR ": trailing blank" }' "$file"
    done >"$work/found"
    cat "$work/found"
    [ ! -s "$work/found" ]
}
check "80 columns, no tabs, no trailing blanks" layout

bodies() {
    for file in ckpt.h ckpt_store_fs.h ckpt_store_pg.h; do
        awk -v file="$file" '
            /[)]$/   { name = $0 }
            /^[{]$/  { start = NR }
            /^[}]$/  {
                if (start && NR - start - 1 > 70) {
                    print file ":" start ": " NR - start - 1 " lines"; bad = 1
                }
                n += start > 0
                start = 0
            }
            END { exit bad || n < 20 }' "$file" || bad=1
    done
    [ -z "$bad" ]
}
check "no function body above 70 lines" bodies

# What was rewritten, and left standing above what replaced it.
comments_once() {
    awk '!/^ *\/\// { delete seen; next }
         length($0) > 20 && $0 in seen {
             print FILENAME ":" FNR ": " $0
             bad = 1
         }
         { seen[$0] = 1 }
         END { exit bad }' ckpt.h ckpt_store_fs.h ckpt_store_pg.h
}
check "no comment says a line twice" comments_once

# Of what others may copy alone. The licence itself needs none, and neither do
# inputs and outputs of tests.
licence_lines() {
    find ./*.h README.md Makefile .ci .editorconfig examples tests -type f \
        ! -path '*/corpus/*' ! -path '*/data/*' ! -path '*/golden/*' \
        -exec grep -L 'SPDX-License-Identifier: MIT-0' {} + >"$work/found"
    cat "$work/found"
    [ ! -s "$work/found" ]
}
check "every file names its licence" licence_lines

scripts() {
    shellcheck -s sh -S warning -e SC1091 tests/run_all .ci/run tests/*/*.sh \
        tests/*/*/*.sh tests/*/*/*/*.sh tests/proof/disk/vm/init \
        examples/*/*.sh
}
check "no script has a warning of shellcheck" scripts

spelling() {
    codespell -q 3 -L falsy,chec,nd \
        ./*.h README.md Makefile .ci/run examples/* \
        tests/README.md tests/*/*.[ch] tests/*/*.sh tests/*/*.awk \
        tests/*/*/*.[ch] tests/*/*/*.sh tests/*/*/*.pml tests/proof/*.txt \
        tests/proof/disk/vm/*
}
check "no word is misspelt" spelling

check "no statement has two ?:" \
    awk -f tests/tools/form/choices.awk ./*.h

check "ckpt.h has so many code lines, and no section above 500" \
    awk -v most=6690 -f tests/tools/form/lines.awk ckpt.h
check "ckpt_store_fs.h has so many code lines, and no section above 500" \
    awk -v most=3210 -f tests/tools/form/lines.awk ckpt_store_fs.h
check "ckpt_store_pg.h has so many code lines, and no section above 500" \
    awk -v most=2049 -f tests/tools/form/lines.awk ckpt_store_pg.h

# Between the first and the last public declaration.
no_insides() {
    awk '/^CKPT_API/ { first = first ? first : NR; last = NR }
         /^\/\/--- Implementation/ { exit }
         { line[NR] = $0 }
         END {
             for (i = first; i <= last; i++) {
                 if (line[i] ~ /ckpt__/) {
                     print FILENAME ":" i ": " line[i]
                     bad = 1
                 }
             }
             exit bad || last - first < 500
         }' ckpt.h
}
check "the user's half of ckpt.h shows nothing of its inside" no_insides

entries() {
    awk -f tests/proof/mutate.awk tests/proof/mutants.txt ckpt.h \
        ckpt_store_fs.h >"$work/mutants" || return
    awk 'END { print NR " mutants"; exit NR < 100 }' "$work/mutants"
}
check "every entry of the list of mutants fits one place" entries

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
