#!/bin/sh
# SPDX-License-Identifier: MIT-0
# shellcheck disable=SC2034
# count.sh -- read by the scripts that add up counts: ". tests/tools/count.sh"

# count LOG STATUS: what the last count in LOG says, "N passed, N failed", goes
# into $p and $f. A command that ended without a count, or whose status is not
# that of its count, is one failed test more: nothing that died may pass.
count() {
    p=0 f=0
    line=$(grep -E '^[0-9]+ passed, [0-9]+ failed$' "$1" | tail -n 1)
    if [ -n "$line" ]; then
        p=${line%% passed*}
        f=${line##*passed, } f=${f%% failed*}
    fi
    if [ -z "$line" ] || { [ "$2" != 0 ] && [ "$f" = 0 ]; }; then
        f=$((f + 1))
        echo "FAILED $1 ended with status $2 and no failed test"
    fi
}
