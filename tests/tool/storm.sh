#!/bin/sh
# SPDX-License-Identifier: MIT-0
# storm.sh -- the command ckpt in the middle of the storm "life"
#
#     sh tests/tool/storm.sh [SECONDS]
#
# Six processes do everything, are killed and stopped, while the command looks
# at their store, verifies and sweeps it without pause. The ledger of the storm
# tells whether an owner was harmed; no command may fail either.
cd "$(dirname "$0")/../.." || exit 1
: "${B:=build}" "${MAKE:=make}" "${CC:=cc}" "${STB:=/usr/include/stb}"
. tests/tools/count.sh
"$MAKE" -s B="$B" CC="$CC" STB="$STB" "$B/ckpt" "$B/storm" || exit 1
work=$(mktemp -d) || exit 1
storm=
end() {
    [ -z "$storm" ] || kill "$storm" 2>/dev/null
    rm -rf "$work"
}
trap end EXIT
"$B/storm" -d "$work" -t "${1:-60}" life >"$work/log" 2>&1 &
storm=$!

commands=0 p=0 f=0
: >"$work/bad"

# may EXIT-CODES COMMAND...
may() {
    codes=$1; shift
    "$B/ckpt" -C "$dir" "$@" >"$work/out" 2>"$work/err"
    rc=$?
    commands=$((commands + 1))
    # Before the first run there is no store, and after the last it goes.
    case $codes$(grep -c -e 'no such store' \
        -e 'find the directory of the store' "$work/err") in
    *$rc*[0-9]) [ $rc != 3 ] || [ -s "$work/err" ] ;;
    *) false ;;
    esac || { echo "ckpt $*: $rc"; cat "$work/err"; } >>"$work/bad"
}

dir=
while kill -0 "$storm" 2>/dev/null; do
    for found in "$work"/storm-*-life; do
        [ ! -d "$found" ] || dir=$found
    done
    [ -n "$dir" ] || { sleep 0.1; continue; }
    may 03 ls
    may 03 ls --json
    may 03 metrics
    may 03 report
    may 034 verify
    may 03 prune --older-than 1d
    may 03 prune --older-than 1ms --kept --idle --dry-run
    may 03 sweep
    "$B/ckpt" -C "$dir" ls -q >"$work/ids" 2>/dev/null
    while IFS= read -r id; do
        may 034 why "$id"
        may 034 show "$id"
        may 034 export "$id"
    done <"$work/ids"
done
wait "$storm"
echo $? >"$work/rc"
storm=
grep -v ' passed, ' "$work/log"
count "$work/log" "$(cat "$work/rc")"
if [ ! -s "$work/bad" ] && [ $commands -gt 20 ]; then
    p=$((p + 1))
    echo "pass $commands commands, of which none failed"
else
    f=$((f + 1))
    echo "FAIL $commands commands"
    head -n 20 "$work/bad"
fi
echo "$p passed, $f failed"
[ "$f" = 0 ]
