#!/bin/sh
# SPDX-License-Identifier: MIT-0
# screen.sh -- the command ckpt on a terminal of 80 columns
#
#     sh tests/tool/screen.sh
#
# Needs tmux. What each check has seen is $B/screen/NAME.
cd "$(dirname "$0")/../.." || exit 1
if ! python3 -c 'import os; os.openpty()' 2>/dev/null; then
    echo 'skip   screen: there are no terminals here (/dev/pts)'
    echo '0 passed, 0 failed'
    exit 0
fi
: "${B:=build}" "${MAKE:=make}" "${CC:=cc}" "${STB:=/usr/include/stb}"
"$MAKE" -s B="$B" CC="$CC" STB="$STB" "$B/ckpt" "$B/states" || exit 1
mkdir -p "$B/screen" || exit 1
seen=$(cd "$B/screen" && pwd) bin=$(cd "$B" && pwd)
. tests/tools/check.sh
work=$(mktemp -d) || exit 1
unset CKPT_DIR NO_COLOR TMUX
export LC_ALL=C.UTF-8
tm() { tmux -L "ckpt-$$" -f "$work/tmux.conf" "$@"; }
end() {
    tm kill-server 2>/dev/null
    rm -rf "$work"
}
trap end EXIT
cd "$work" || exit 1

printf 'set -g history-limit 20000\nset -g status off\n' >tmux.conf

# start NAME COMMAND: in a terminal of 80 columns and 24 lines.
start() {
    name=$1
    rm -f "$work/ended"
    tm new-session -d -s "$name" -x 80 -y 24 "$2; : >$work/ended; sleep 600"
}
screen() { tm capture-pane -p -t "$name"; }
shows() { screen | grep -q -- "$1"; }
press() { tm send-keys -t "$name" "$1"; }

# keep: what the terminal has shown, as lines of the terminal and of the
# program. None was wrapped if there are as many.
keep() {
    tm capture-pane -p -S - -t "$name" | sed 's/ *$//' >"$seen/$name"
    tm capture-pane -p -J -S - -t "$name" | sed 's/ *$//' >"$work/joined"
    tm kill-session -t "$name"
    [ "$(grep -c . "$seen/$name")" = "$(grep -c . "$work/joined")" ] &&
        ! grep -n '.\{81\}' "$seen/$name"
}

mkdir -m 700 none three many
"$bin/states" three 3 && "$bin/states" many 3000 || exit 1

lists() {
    start "ls-$1" "$bin/ckpt -C $1 ls" && until_ [ -e ended ] && keep || return 1
    grep '^[0-9]* runs' "$seen/ls-$1"
    [ "$(grep -c '^interrupted' "$seen/ls-$1")" = "$2" ]
}
for many in 'none 0' 'three 3' 'many 3000'; do
    # shellcheck disable=SC2086
    check "ls fits into 80 columns with ${many#* } runs" lists $many
done
tops() {
    start "top-$1" "$bin/ckpt -C $1 top -d 0.2s" && until_ shows 'q quit' ||
        return 1
    until_ shows "^$2 runs" || { screen; return 1; }
    screen >"$seen/top-$1.screen"
    press q
    until_ [ -e ended ] && keep
}
for many in 'none 0' 'three 3' 'many 3000'; do
    # shellcheck disable=SC2086
    check "top fits into 80 columns with ${many#* } runs" tops $many
done

# A run that goes from live to interrupted to gone, while top looks.
changes() {
    mkfifo in
    "$bin/states" runs one 1 <in >held &
    exec 3>in
    until_ grep -q ready held || return 1
    start changes "$bin/ckpt -C runs top -d 0.1s"
    until_ shows '^live  *one' || { screen; return 1; }
    echo >&3
    until_ shows '^live  *one  *13 ' || { screen; return 1; }
    kill -9 "$(sed -n 's/ready //p' held)"
    until_ shows '^interrupted one' || { screen; return 1; }
    press a
    until_ shows 'a all runs' || { screen; return 1; }
    shows '^interrupted' && return 1
    press a
    until_ shows '^interrupted one' || return 1
    "$bin/ckpt" -C runs rm one
    until_ shows '^0 runs' || { screen; return 1; }
    press q
    until_ [ -e ended ]
    keep
    exec 3>&-
}
check "top sees a run save, die and go" changes
restored() {
    start restored "$bin/ckpt -C three top; stty -a | grep -o ' -*echo '"
    until_ shows 'q quit' || return 1
    press q
    until_ [ -e ended ] || return 1
    until_ shows '^ echo' || { screen; return 1; }
    keep
}
check "top leaves the terminal as it was" restored
coloured() {
    start coloured "TERM=xterm $bin/ckpt -C three ls -q -s interrupted;
        TERM=xterm $bin/ckpt -C three ls >/dev/tty;
        NO_COLOR=1 $bin/ckpt -C three ls >/dev/tty"
    until_ [ -e ended ] || return 1
    tm capture-pane -p -e -t "$name" >colours
    keep
    [ "$(grep -c "$(printf '\033')\[33minterrupted" colours)" = 3 ] &&
        [ "$(grep -c '^interrupted' colours)" = 3 ]
}
check "a terminal has colour, unless NO_COLOR is set" coloured

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
