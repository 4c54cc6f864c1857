#!/bin/sh
# SPDX-License-Identifier: MIT-0
# run.sh -- the command ckpt on every state of a run, against golden files
#
#     sh tests/tool/run.sh [update]
#
# Each check is one line, "ok" or "FAILED"; the last line is the count. The
# golden files are tests/tool/golden: what a command prints, on both outputs,
# and its exit code. "update" writes them anew: read the difference. Ages, times
# and process numbers are replaced by a letter.
cd "$(dirname "$0")/../.." || exit 1
: "${B:=build}" "${MAKE:=make}" "${CC:=cc}" "${STB:=/usr/include/stb}"
export LC_ALL=C.UTF-8
unset CKPT_DIR NO_COLOR
"$MAKE" -s B="$B" CC="$CC" STB="$STB" "$B/ckpt" "$B/states" || exit 1
# what a machine without libpq builds
"$CC" -w -std=c99 -I. -I"$STB" -pthread -o "$B/ckpt_plain" examples/ckpt.c ||
    exit 1
golden=$(pwd)/tests/tool/golden update=$1
. tests/tools/check.sh
# A superuser can read everything, so another user plays.
work=$(mktemp -d) || exit 1
cp "$B/ckpt" "$B/ckpt_plain" "$B/states" "$work"
as=
if [ "$(id -u)" = 0 ]; then
    as='setpriv --reuid=65534 --regid=65534 --clear-groups'
    chown -R 65534:65534 "$work"
fi
holder=
end() {
    [ -z "$holder" ] || kill "$holder" 2>/dev/null
    chmod -R u+rwx "$work" 2>/dev/null
    rm -rf "$work"
}
trap end EXIT
cd "$work" || exit 1

# hold DIR: makes all states in DIR, with live owners until release.
hold() {
    rm -f "$work/go"
    # shellcheck disable=SC2016,SC2086
    $as sh -c 'while [ ! -f go ]; do sleep 0.1; done | ./states "$1" >held' \
        sh "$1" &
    holder=$!
    until_ grep -q ready held || { echo "no states" >&2; exit 1; }
}
release() {
    : >"$work/go"
    wait "$holder"
    rm -f "$work/go" "$work/held"
    holder=
}

# shellcheck disable=SC2086
ckpt() { $as ./ckpt "$@"; }

# Runs a command, and writes what it was and did.
say() {
    echo "\$ ckpt $*"
    ckpt "$@" 2>&1
    echo "= $?"
    echo
}

normal() {
    sed -E -e 's/\([^ ()]+, pid [0-9]+\)/(HOST, pid N)/g' \
        -e 's/[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}(\.[0-9]{3})?Z/TIME/g' \
        -e 's/("(saved_at_ms|beat_age_ms|wait_ms)"):[0-9]+/\1:N/g' \
        -e 's/ +[0-9]{1,2}s( |$)/ Ns\1/g' -e 's/ [0-9]+ s\.("\}|$)/ N s.\1/' \
        -e 's/("birth":|birth +)"?[a-z0-9]{26}"?/\1NONCE/g' \
        -e 's/[a-z0-9]{26}/NONCE/g' \
        -e 's/"(crc|head|front)":"[0-9a-f]{8}"/"\1":"SUM"/g' \
        -e 's/(_max\{state="[a-z]+"\}) [0-9.]+/\1 N/' -e 's/ +$//'
}

# same NAME: compares its input with a golden file.
same() {
    normal >"$work/out"
    if [ "$update" = update ]; then
        mkdir -p "$golden" && cp "$work/out" "$golden/$1"
    else
        diff "$golden/$1" "$work/out"
    fi
}

# As the command shows it: it takes that, too.
evil=$(printf '%s' 'evil \\ \x1b[2J\x0a\xe2\x80\xae \xff')$(printf '\303\251')

# on_each COMMAND...: with each run as its last argument.
on_each() {
    for id in live stalled interrupted left exhausted 'done' failed finished \
        damaged torn older newer foreign unreadable busy "$evil" none; do
        say -C runs "$@" "$id"
    done
}

tree() { find runs -printf '%p %s %m %T@ %i\n' 2>&1 | sort; }

#--- Looking -------------------------------------------------------------------

nothing() {
    { say ls; say -C nowhere ls; say -C nowhere sweep; say -C ckpt ls; } |
        same nothing.txt || return 1
    [ ! -e runs ] && [ ! -e nowhere ]
}
check "a directory that is not there is an error, and is not made" nothing

words() {
    {
        say; say help; say --version; say frob; say ls --frob; say rm
        say why; say why a b; say ls -s frob; say ls -o frob; say prune
        say ls --messages; say ls -s; say prune --older-than=x; say top
        say --color=maybe ls
    } | same words.txt
}
check "a wrong command line ends with 2, and says what is wrong" words

# Without the file whose touch tells the clock: looking does not make it.
hold runs
rm -f runs/.probe
tree >before
lists() {
    {
        say -C runs ls; say -C runs ls -q; say -C runs ls -p -o run,size
        say -C runs ls -o state,run,agent,task,reason
        say -C runs ls -s failed,done; say -C runs ls -s live -s stalled
        say -C runs ls --agent nobody; say -C runs ls --parent parent -q
        say -C runs ls --fail-if damaged -q -s damaged
        say -C runs ls --color=always -s live
    } | same ls.txt
}
check "ls lists every state, what needs attention first" lists
lists_json() { ckpt -C runs ls --json | sort | same ls.json; }
check "ls --json is one object a line" lists_json
valid() {
    ckpt -C runs ls --json >lines || return 1
    for id in live damaged "$evil"; do
        ckpt -C runs show --json "$id" >>lines || return 1
    done
    ckpt -C runs verify --json >>lines
    ckpt -C runs show --json none 2>>lines && return 1
    command -v python3 >/dev/null || return 0
    python3 -c 'import json, sys
for line in sys.stdin:
    assert json.loads(line)["v"] == 1' <lines
}
check "every line of --json is JSON, also an error" valid
each() {
    file=$1; shift
    on_each "$@" | same "$file"
}
check "why says what each run is, and what to do" each why.txt why
check "why --json says it in a member" each why.json why --json
check "verify --json says whether it is whole" each verify.json verify --json
check "show says all about each run, and no payload" each show.txt show
check "show --json has the names of ckpt_run_info" \
    each show.json show --json
check "show --messages shows the payload" \
    each messages.txt show --messages
check "show --effects shows the effects" each effects.txt show --effects
check "show --raw is the whole checkpoint" each raw.txt show --raw
check "export writes the checkpoint" each export.txt export
check "verify reads each run" each verify.txt verify
# Runs come in the order of the directory, which the file system chooses.
verify_all() {
    { say -C runs verify | normal | sort; say -C runs metrics; } | same all.txt
}
check "verify reads all runs, and metrics counts them" verify_all
plain() {
    ckpt -C runs ls -q >out
    # shellcheck disable=SC2086
    $as ./ckpt_plain -C runs ls -q | cmp - out || return 1
    for store in postgresql://me:secret@db1/agents 'host=db1 dbname=agents'; do
        ./ckpt_plain -C "$store" ls >out 2>&1 && return 1
        [ $? = 1 ] && [ "$(cat out)" = "ckpt: database: this ckpt was built \
without libpq, and takes only a directory" ] || return 1
    done
}
check "without libpq it takes a directory, and says so" plain
exported() {
    # what was exported is the file, byte for byte
    ckpt -C runs export left >out && cmp out runs/r-left/checkpoint.1.json
}
check "what was exported is the file of the checkpoint" exported
report() {
    ckpt -C runs report >page.html || return 1
    [ "$(grep -c '<details>' page.html)" = 16 ] &&
        ! grep -qiE '<script|https?:|src=|url\(|@import' page.html &&
        grep -q 'model&gt; refused &amp; left' page.html &&
        ! LC_ALL=C grep -q "$(printf '\033')" page.html
}
check "report is one page of all runs, which loads nothing" report
dry() {
    say -C runs prune --older-than 1ms --kept --idle --dry-run | normal | sort |
        same dry.txt
}
check "prune --dry-run says what it would remove" dry
untouched() {
    tree >after
    diff before after
}
check "nothing of all that changed the store" untouched
check "retry brings back what failed or has no attempt left, only that" \
    each retry.txt retry
check "rm removes what is not live" each rm.txt rm
lives() {
    # owners that lost their claim would not have ended well
    ckpt -C runs ls -q -s live,stalled | same lives.txt
}
check "the live runs are as they were" lives
release
chmod -R u+rwx runs && rm -rf runs
hold runs
clean() {
    {
        say -C runs prune --older-than 1h
        say -C runs prune --older-than 2m | normal | sort
        say -C runs prune --older-than 2m --idle --json | normal | sort
        say -C runs sweep
        say -C runs sweep --json
        say -C runs ls
    } | same clean.txt
}
check "prune and sweep remove what ended, was left or is half removed" clean
release
chmod -R u+rwx runs && rm -rf runs

#--- A run that changes --------------------------------------------------------

begin_one() {
    rm -f go held seen
    # shellcheck disable=SC2086
    $as sh -c 'while [ ! -f go ]; do sleep 0.1; done | ./states runs one 1' \
        >held &
    holder=$!
    until_ grep -q ready held
}
ends() {
    begin_one || return 1
    ckpt -C runs watch one -d 0.05s >seen &
    watcher=$!
    until_ grep -q live seen || return 1
    : >go
    wait "$watcher" || return 1
    wait "$holder"
    same watch.txt <seen
}
check "watch sees a run go from live to done, and ends" ends
chmod -R u+rwx runs && rm -rf runs
dies() {
    begin_one || return 1
    ckpt -C runs watch --json -d 0.05s >seen &
    watcher=$!
    until_ grep -q '"to":"live"' seen || return 1
    kill -9 "$(sed -n 's/ready //p' held)"
    until_ grep -q '"to":"interrupted"' seen || return 1
    ckpt -C runs rm one || return 1
    until_ grep -q '"to":"gone"' seen || return 1
    kill "$watcher"
    : >go
    # between the two it may see the removal itself
    grep -q '"from":"live","to":"interrupted"' seen &&
        grep -q '"from":null,"to":"live"' seen
}
check "watch sees a run die, and be removed" dies

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
