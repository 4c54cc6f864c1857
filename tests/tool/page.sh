#!/bin/sh
# SPDX-License-Identifier: MIT-0
# page.sh -- the page of "ckpt report" in a browser
#
#     sh tests/tool/page.sh
#
# Needs Chromium. Its pictures, light and dark, of one run and of 3,000, are in
# $B/page: look at them.
cd "$(dirname "$0")/../.." || exit 1
: "${B:=build}" "${MAKE:=make}" "${CC:=cc}" "${STB:=/usr/include/stb}"
"$MAKE" -s B="$B" CC="$CC" STB="$STB" "$B/ckpt" "$B/states" || exit 1
rm -rf "$B/page"
mkdir -p "$B/page" || exit 1
page=$(cd "$B/page" && pwd) bin=$(cd "$B" && pwd)
. tests/tools/check.sh
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

# browse FLAGS...: the log of the network has every request that is made.
browse() {
    timeout -k 5 120 chromium --headless=new --no-sandbox --disable-gpu \
        --user-data-dir="$work/profile" --no-first-run \
        --disable-background-networking --disable-component-update \
        --disable-sync --hide-scrollbars \
        --host-resolver-rules='MAP * ~NOTFOUND, EXCLUDE 127.0.0.1' \
        --window-size=1000,800 "$@"
}
picture() {
    runs=$1 scheme=$2 colour=$3
    [ -d "$work/$runs" ] || {
        mkdir -m 700 "$work/$runs" && "$bin/states" "$work/$runs" "$runs" &&
        "$bin/ckpt" -C "$work/$runs" report >"$page/$runs.html"; } || return 1
    browse --blink-settings=preferredColorScheme="$colour" \
        --screenshot="$page/$runs-$scheme.png" "file://$page/$runs.html" &&
        [ -s "$page/$runs-$scheme.png" ]
}
for runs in 1 3000; do
    check "a browser shows $runs runs, light" picture $runs light 1
    check "a browser shows $runs runs, dark" picture $runs dark 0
done
differ() { ! cmp -s "$page/1-light.png" "$page/1-dark.png"; }
check "light and dark are not the same" differ
shown() {
    browse --dump-dom "file://$page/3000.html" >"$work/dom" || return 1
    [ "$(grep -c '<details>' "$work/dom")" = 3000 ]
}
check "the browser finds every run" shown
# asked FILE: what the page in it asked for over the network, by the log of the
# browser, whose own requests begin elsewhere.
asked() {
    rm -f "$work/net"
    browse --log-net-log="$work/net" --dump-dom "file://$1" >"$work/dom"
    [ -s "$work/net" ] || { echo "there is no log"; return; }
    grep '"url":"https*:' "$work/net" | grep -E '"initiator":"(file:|null)'
}
loads_nothing() {
    # a page that does ask is found out
    { grep -v Content-Security "$page/1.html"
      echo '<img src="http://127.0.0.1:9/asked">'; } >"$work/asks.html"
    asked "$work/asks.html" | grep -q '127.0.0.1:9/asked' || {
        echo "the log does not show a request"; return 1; }
    [ -z "$(asked "$page/1.html")" ]
}
check "the page asks nobody for anything" loads_nothing

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
